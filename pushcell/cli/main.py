"""The ``pushcell`` command: a table of subcommands, each imported when it is asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from pushcell import __version__, old_names
from pushcell.errors import PushcellError
from pushcell.extras import EXTRAS, advice

COMMANDS = {
    "launch": ("run a launch file", "pushcell.launcher.command:main"),
    "generate": (
        "generate simulated demonstrations",
        "pushcell.demonstrations.generate_command:main",
    ),
    "dagger": (
        "label the states a policy reaches with the expert's actions",
        "pushcell.demonstrations.dagger_command:main",
    ),
    "evaluate": (
        "run trials and print the success rate",
        "pushcell.evaluation.command:main",
    ),
    "robustness": (
        "run the same trials in shifted worlds",
        "pushcell.evaluation.robustness_command:main",
    ),
    "compare": ("compare evaluations, trial by trial", "pushcell.evaluation.compare_command:main"),
    "convert": ("convert between episodes and data sets", "pushcell.formats.command:main"),
    "label": ("estimate the slider's pose in recorded images", "pushcell.labelling.command:main"),
    "data": ("show and check the contents of a data set", "pushcell.formats.data_command:main"),
    "doctor": (
        "check software, hardware and network; print what to fix",
        "pushcell.doctor.command:main",
    ),
    "calibrate": ("calibrate cameras, table and latencies", "calibration.command:main"),
    "serve": ("serve a policy over websockets", "policy_server.command:main"),
    "teleop": ("write a button map for a new gamepad", "pushcell_ros.pad_map_node:teleop"),
    "import": ("import a published data set", "pushcell.formats.import_command:main"),
    "train": ("train a policy on data sets", "pushcell.training.command:main"),
    "export": ("export a checkpoint as a policy bundle", "pushcell.training.export_command:main"),
    "analyse": (
        "show what a policy has learned of each data set",
        "pushcell.analysis.command:main",
    ),
    "study": (
        "generate, train and evaluate every cell of a grid",
        "pushcell.studies.command:main",
    ),
    "replay": (
        "run a policy on recorded episodes or bags, reproducibly",
        "pushcell.replay.command:main",
    ),
    "episodes": (
        "list, check, repair and edit recorded episodes",
        "pushcell.recording.command:main",
    ),
    "bench": ("run a benchmark", "pushcell.cli.bench:main"),
    "completion": ("print a shell completion script", "pushcell.cli.completion:main"),
}
"""Name -> (one line, "module:function"); the function takes the words and gives the exit code."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand. 0: done and good, 1: done and not good, 2: could not be done."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words in (["-h"], ["--help"]):
        print(_help())
        return 0
    if words == ["--version"]:
        print(__version__)
        return 0
    try:
        return _run(words)
    except PushcellError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _run(words: Sequence[str]) -> int:
    if words:
        words = [old_names.renamed(words[0], old_names.COMMANDS, "pushcell"), *words[1:]]
    if not words or words[0] not in COMMANDS:
        asked = f"unknown command {words[0]!r}" if words else "no command given"
        raise PushcellError(f"{asked}; choose one of: {', '.join(COMMANDS)} (see pushcell --help)")
    module, function = COMMANDS[words[0]][1].split(":")
    options = old_names.renamed_options(words[0], words[1:])
    try:
        return getattr(importlib.import_module(module), function)(options)
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if missing not in EXTRAS:
            raise
        raise PushcellError(
            f"pushcell {words[0]} needs {error.name}, which is not installed: {advice(missing)}"
        ) from None


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {line}" for name, (line, _) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: pushcell COMMAND ... (details: pushcell COMMAND --help; pushcell --version)",
            "",
            "Train and run policies for a robot arm that pushes an object on a table.",
            "",
            *lines,
            "",
            "example: pushcell launch rollout.launch.yaml policy:=planner",
        ]
    )
