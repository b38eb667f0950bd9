# Three commands: `make rollout`, `make collect` and `make test`. Each first makes .venv with what it needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

# Where a ROS 2 is sourced its rclpy is used; elsewhere one comes as wheels.
ifdef AMENT_PREFIX_PATH
ROS_EXTRA :=
VENV_FLAGS := --system-site-packages
else
ROS_EXTRA := ros,
VENV_FLAGS :=
endif

.PHONY: rollout collect test setup lint audit clean

rollout: setup
	$(BIN)/pushcell launch launch/rollout.launch.yaml $(ARGS)

collect: setup
	$(BIN)/pushcell launch launch/collect.launch.yaml $(ARGS)

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder

setup: $(VENV)/.run

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Known weaknesses of what is installed, by the Python Packaging Advisory Database.
audit: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet pip-audit
	$(BIN)/python -m pip_audit --local --skip-editable

clean:
	rm -rf $(VENV) build *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "error: pushcell needs Python 3.10 to 3.13; name one with: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	@$(PYTHON) -m venv $(VENV_FLAGS) $(VENV) || \
	  { rm -rf $(VENV); echo "error: $(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv"; exit 2; }
	@touch $(VENV)/COLCON_IGNORE

$(VENV)/.run: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e '.[$(ROS_EXTRA)policy,sim,teleop]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e '.[$(ROS_EXTRA)dev]'
	@touch $@ $(VENV)/.run
