"""Opens a policy wherever it is: a bundle here, or a server."""

from __future__ import annotations

import os

from policy_server.bundle import load_policy
from policy_server.client import RemotePolicy
from policy_server.compatibility import check_fits_cell
from policy_server.onnx_networks import RuntimeOptions
from policy_server.policy import Policy
from pushcell.config.cell import CellConfig

TOKEN_VARIABLE = "PUSHCELL_POLICY_TOKEN"
"""Where server and clients find the token; a command line would show it to everybody."""


def open_policy(where: str, cell: CellConfig, options: RuntimeOptions, timeout_s: float) -> Policy:
    """The policy of a name or a path, or of a ws:// or wss:// address, which fits the cell."""
    if not where.startswith(("ws://", "wss://")):
        return load_policy(where, cell, options)
    policy = RemotePolicy(where, os.environ.get(TOKEN_VARIABLE), timeout_s)
    check_fits_cell(policy.manifest, cell, where)
    return policy
