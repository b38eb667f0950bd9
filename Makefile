# Two commands: `make rollout` and `make test`. Both begin with the set-up that they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: rollout test setup lint
