"""What an operator can ask for besides motion: the service of each, its name and its key."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Action:
    """A std_srvs/Trigger service; ``key`` is a KeyboardEvent.code of the console's page."""

    service: str
    label: str
    key: str


ACTIONS = {
    "stop": Action("/safety/stop", "Stop", "Escape"),
    "arm": Action("/console/arm", "Arm", "KeyA"),
    "prepare": Action("/console/prepare", "Next start", "KeyN"),
    "start": Action("/recorder/start", "Record", "Enter"),
    "success": Action("/recorder/success", "Success", "KeyS"),
    "failure": Action("/recorder/failure", "Failure", "KeyF"),
    "discard": Action("/recorder/discard", "Discard", "Backspace"),
    "policy": Action("/console/policy", "Policy drives", "KeyP"),
    "touch": Action("/touch/mark", "Tip is on the mark", "KeyT"),
    "finish": Action("/calibration/finish", "Calibrate now", "KeyC"),
    "hold": Action("/motion/hold", "Hold", "KeyH"),
}
"""Name -> action; the services of /console are the console's own, made of several steps."""
