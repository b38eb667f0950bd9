"""The ``pushcell`` command itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pushcell.cli import main as cli
from tests.conftest import ROOT


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    script = (
        "import sys; from pushcell.cli.main import main; main(['--help']);"
        "heavy = {'numpy', 'pydantic', 'tyro', 'yaml', 'cv2', 'rich'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    for name in cli.COMMANDS:
        assert f"  {name} " in result.stdout


def test_wrong_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lunch"]) == 2
    assert cli.main([]) == 2
    error = capsys.readouterr().err
    assert "error: unknown command 'lunch'; choose one of: launch, " in error
    assert "error: no command given" in error


def test_errors_become_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sorry.py").write_text(
        "from pushcell.errors import PushcellError\n"
        "def fail(words): raise PushcellError('the door is shut: open it')\n"
        "def stop(words): raise KeyboardInterrupt\n"
        "def lack(words): raise ModuleNotFoundError(name='pydrake.all')\n"
        "def give(words): return len(words)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    table = {name: ("", f"sorry:{name}") for name in ("fail", "stop", "lack", "give")}
    monkeypatch.setattr(cli, "COMMANDS", table)
    assert cli.main(["fail"]) == 2
    assert capsys.readouterr().err == "error: the door is shut: open it\n"
    assert cli.main(["stop"]) == 130
    assert cli.main(["lack"]) == 2
    assert "pip install 'pushcell[sim]'" in capsys.readouterr().err
    assert cli.main(["give", "--json", "-"]) == 2
    assert cli.main(["give"]) == 0


def test_launch_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["launch", "--help"])
    assert "pushcell launch rollout.launch.yaml" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["ev"], "evaluate"),
        (["launch", "roll"], "rollout.launch.yaml"),
        (["convert", "--interv"], "--interventions"),
    ],
)
def test_bash_completes(typed: list[str], offered: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", "bash"]) == 0
    words = " ".join(["pushcell", *typed])
    shell = (
        f'pushcell() {{ {sys.executable} -m pushcell.cli "$@"; }}\n{capsys.readouterr().out}\n'
        f"COMP_WORDS=({words}); COMP_CWORD={len(typed)}; _pushcell; echo ${{COMPREPLY[@]}}"
    )
    result = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, cwd=ROOT)
    assert result.stdout.split() == [offered], result.stderr


def test_arguments_are_shown_to_a_reader_that_stops_early() -> None:
    command = [sys.executable, "-m", "pushcell.cli", "launch", "rollout", "--show-args"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


@pytest.mark.parametrize(
    "command",
    [
        "episodes merge --out new",
        "convert --to packed --out new",
        "compare",
        "calibrate intrinsics --board chessboard:9x7:0.020 --out new",
    ],
)
def test_a_command_without_its_inputs_is_refused(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(command.split()) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
