"""``pushcell completion``: what a shell needs to complete commands, launch files and options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import tyro
from tyro.conf import Positional

from pushcell.cli.main import COMMANDS
from pushcell.shipped import LAUNCH_FILES

# Options are those that a command's own --help shows; asked for once in a shell.
_SCRIPT = r"""
declare -gA _pushcell_options
_pushcell() {
  local word="${COMP_WORDS[COMP_CWORD]}" command="${COMP_WORDS[1]}"
  COMPREPLY=()
  if (( COMP_CWORD == 1 )); then
    COMPREPLY=( $(compgen -W "@COMMANDS@ --help --version" -- "$word") )
  elif [[ $command == launch && COMP_CWORD -eq 2 && $word != -* ]]; then
    COMPREPLY=( $(compgen -W "@LAUNCH_FILES@" -- "$word") )
  elif [[ $word == -* ]]; then
    if [[ -z ${_pushcell_options[$command]} ]]; then
      _pushcell_options[$command]=$(pushcell "$command" --help 2>/dev/null |
        grep -oE -- '--[a-z][a-z-]*' | sort -u | tr '\n' ' ')
    fi
    COMPREPLY=( $(compgen -W "${_pushcell_options[$command]}" -- "$word") )
  fi
}
complete -o default -F _pushcell pushcell
"""


@dataclass(frozen=True)
class Completion:
    """Print a completion script. Append it to the file that your shell reads when it starts.

    example:
      pushcell completion bash >> ~/.bashrc
    """

    shell: Positional[Literal["bash"]]
    """The shell."""


def main(words: Sequence[str]) -> int:
    """Print the script."""
    tyro.cli(Completion, prog="pushcell completion", args=list(words))
    files = sorted(path.name for path in LAUNCH_FILES.names().values())
    script = _SCRIPT.replace("@COMMANDS@", " ".join(COMMANDS))
    print(script.replace("@LAUNCH_FILES@", " ".join(files)))
    return 0
