"""From a launch file and its arguments to the processes that are to run.

The tags are visited in order, depth first, as ``ros2 launch`` does. As there, what an ``include``
passes stays set for the tags behind it; a ``group`` keeps its changes to itself unless
``scoped: false``. Other than there, ``$(dirname)`` is a file's own again behind an ``include``.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from pushcell.errors import LaunchError
from pushcell.launcher.model import Launch, ProcessSpec, RosArguments
from pushcell.launcher.packages import find_program
from pushcell.launcher.parameters import parameter_groups
from pushcell.launcher.substitutions import Scope, Template, evaluate
from pushcell.launcher.tags import Tag, load_tags

_NODE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAMESPACE = re.compile(r"/|(/[A-Za-z_][A-Za-z0-9_]*)+")


def resolve(file: Path, arguments: Mapping[str, str], environment: Mapping[str, str]) -> Launch:
    """Settle a launch file; raises LaunchError, before anything has been started."""
    resolver = _Resolver(Scope(dict(arguments), dict(environment), Path()))
    resolver.visit_file(file)
    return resolver.launch


def launch_folder(file: Path) -> Path:
    """What ``$(dirname)`` is in that file."""
    return Path(os.path.abspath(file)).parent


class _Resolver:
    def __init__(self, scope: Scope) -> None:
        self.launch = Launch()
        self._scope = scope
        self._files: list[Path] = []
        self._visitors: dict[str, Callable[[Tag], None]] = {
            "arg": self._arg,
            "let": self._let,
            "set_env": self._set_env,
            "group": self._group,
            "push-ros-namespace": self._push_namespace,
            "include": self._include,
            "node": self._node,
            "executable": self._executable,
        }

    def visit_file(self, file: Path) -> None:
        if file in self._files:
            raise LaunchError(f"{file}: the launch file includes itself")
        outer = self._scope.directory
        self._files.append(file)
        self._scope.directory = launch_folder(file)
        self._visit(load_tags(file))
        self._scope.directory = outer
        self._files.pop()

    def _visit(self, tags: list[Tag]) -> None:
        for tag in tags:
            with tag.blamed():
                if self._applies(tag):
                    self._visitors[tag.kind](tag)

    def _applies(self, tag: Tag) -> bool:
        for attribute in ("if", "unless"):
            if attribute in tag.attributes:
                word = self._text(tag, attribute).strip().lower()
                if word not in ("true", "1", "false", "0"):
                    raise ValueError(f"{attribute}: {word!r} must be true, false, 1 or 0")
                return (word in ("true", "1")) == (attribute == "if")
        return True

    def _text(self, tag: Tag, attribute: str) -> str:
        return evaluate(tag.get(attribute, ()), self._scope)

    def _pairs(self, tags: list[Tag], key: str, value: str) -> list[tuple[str, str]]:
        return [(self._text(tag, key), self._text(tag, value)) for tag in tags]

    def _arg(self, tag: Tag) -> None:
        name = tag.get("name")
        if name not in self._scope.variables:
            if "default" not in tag.attributes:
                raise ValueError(f"the argument has no default: give it as {name}:=VALUE")
            self._scope.variables[name] = self._text(tag, "default")
        choices = [choice.get("value") for choice in tag.get("choice", ())]
        value = self._scope.variables[name]
        if choices and value not in choices:
            raise ValueError(f"{value!r} is not one of the choices: {', '.join(choices)}")

    def _let(self, tag: Tag) -> None:
        self._scope.variables[self._text(tag, "name")] = self._text(tag, "value")

    def _set_env(self, tag: Tag) -> None:
        self._scope.environment[self._text(tag, "name")] = self._text(tag, "value")

    def _group(self, tag: Tag) -> None:
        outer = self._scope
        if tag.get("scoped", True):
            self._scope = outer.copy()
        self._visit(tag.get("children"))
        self._scope = outer

    def _push_namespace(self, tag: Tag) -> None:
        self._scope.namespace = self._namespace(tag)

    def _namespace(self, tag: Tag) -> str | None:
        """The one that holds, changed by the tag's own; one with a slash before it replaces it."""
        if "namespace" not in tag.attributes:
            return self._scope.namespace
        own = self._text(tag, "namespace")
        outer = (self._scope.namespace or "").rstrip("/")
        namespace = own if own.startswith("/") else f"{outer}/{own}"
        if not _NAMESPACE.fullmatch(namespace):
            raise ValueError(f"namespace {namespace!r} is not allowed; one is /cell/left")
        return namespace

    def _include(self, tag: Tag) -> None:
        file = Path(self._text(tag, "file"))
        for name, value in self._pairs(tag.get("arg", []), "name", "value"):
            self._scope.variables[name] = value
        self.visit_file(file)

    def _node(self, tag: Tag) -> None:
        package, executable = self._text(tag, "pkg"), self._text(tag, "exec")
        name = self._text(tag, "name") if "name" in tag.attributes else None
        if name is not None and not _NODE_NAME.fullmatch(name):
            raise ValueError(f"name {name!r} must be letters, digits and _, no digit first")
        ros = RosArguments(
            name,
            self._namespace(tag),
            self._words(tag, "ros_args"),
            parameter_groups(tag.get("param", []), self._scope),
            tuple(self._pairs(tag.get("remap", []), "from", "to")),
        )
        program = find_program(package, executable, self._scope.environment)
        self._add(tag, name or executable, program + self._words(tag, "args"), ros)

    def _executable(self, tag: Tag) -> None:
        program = self._words(tag, "cmd")
        if not program:
            raise ValueError("cmd is empty")
        if shutil.which(program[0], path=self._scope.environment.get("PATH")) is None:
            raise ValueError(f"there is no program {program[0]!r}")
        label = self._text(tag, "name") or os.path.basename(program[0])
        if "/" in label:
            raise ValueError(f"name {label!r} must not have a slash: it names the log")
        self._add(tag, label, program, None)

    def _add(
        self, tag: Tag, label: str, program: tuple[str, ...], ros: RosArguments | None
    ) -> None:
        taken = {process.label for process in self.launch.processes}
        candidates = (label, *(f"{label}-{count}" for count in range(2, len(taken) + 3)))
        environment = dict(self._scope.environment)
        environment.update(self._pairs(tag.get("env", []), "name", "value"))
        self.launch.processes.append(
            ProcessSpec(
                label=next(candidate for candidate in candidates if candidate not in taken),
                program=program,
                environment=environment,
                output=tag.get("output", "log"),
                ends_run="on_exit" in tag.attributes,
                ros=ros,
            )
        )

    def _words(self, tag: Tag, attribute: str) -> tuple[str, ...]:
        words = split_words(tag.get(attribute, ()))
        return tuple(evaluate(word, self._scope) for word in words)


def split_words(template: Template) -> list[Template]:
    """Split a command as a shell would, without splitting what substitutions bring in."""
    words: list[Template] = []
    word: Template = ()
    for piece in template:
        if not isinstance(piece, str):
            word += (piece,)
            continue
        starts_word = piece[0].isspace()
        for token in shlex.split(piece):
            if starts_word and word:
                words.append(word)
                word = ()
            word += (token,)
            starts_word = True
        if word and piece[-1].isspace():
            words.append(word)
            word = ()
    return [*words, word] if word else words
