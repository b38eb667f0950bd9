"""Strings with $(...) in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushcell.launcher.substitutions import Scope, evaluate, is_plain, parse, unparse

SCOPE = Scope({"x": "1", "name": "a b", "w": "x"}, {"HOME_": "/h"}, Path("/files"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        ("plain $ text (as it is)", "plain $ text (as it is)"),
        ("$(var x)", "1"),
        ("<$(var name)>", "<a b>"),
        ("$(var $(var w))", "1"),
        ("$(var missing default)", "default"),
        ("$(var missing 'a default')", "a default"),
        ("$(var missing '')", ""),
        ("$(env HOME_)/$(env NOT_SET none)", "/h/none"),
        ("$(dirname)/more", "/files/more"),
        ("$(equals $(var name) 'a b')", "true"),
        ("$(equals 1 TRUE)", "true"),
        ("$(equals 0.1 1e-1)", "true"),
        ("$(equals a A)", "false"),
        ("$(not-equals a A)", "true"),
        ("$(and $(var x) $(not false))", "true"),
        ("$(and yes off)", "false"),
        ("$(or 0 $(equals 2 3))", "false"),
        (r"\$(var x) \\", "$(var x) \\"),
    ],
)
def test_value(text: str, value: str) -> None:
    assert evaluate(parse(text), SCOPE) == value


@given(st.text())
def test_escaped_text_stays_what_it_is(text: str) -> None:
    escaped = re.sub(r"([\\$'\"()])", r"\\\1", text)
    assert evaluate(parse(escaped), SCOPE) == text
    assert is_plain(parse(escaped))


@given(st.text(alphabet="ab-_/.", min_size=1), st.text(alphabet="ab-_/. ", min_size=1))
def test_arguments_arrive_as_they_are(name: str, default: str) -> None:
    text = f"$(var missing{name} '{default}')"
    assert evaluate(parse(text), SCOPE) == default
    assert parse(unparse(parse(f"$(var {name})"))) == parse(f"$(var {name})")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("$(eval 1 + 1)", r"\$\(eval\) is not supported; known are: and, dirname, env, equals"),
        ("$(equals a)", r"\$\(equals\) takes 2 arguments, not 1"),
        ("$(env)", r"\$\(env\) takes 1 or 2 arguments, not 0"),
        ("$(var x", "not closed"),
        ("$(var 'x)", "a quote is not closed"),
        ("$(var  x)", "stray space"),
        ("$()", "has no name"),
    ],
)
def test_what_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("$(var y)", r"\$\(var y\) is not set here; known variables: name, w, x"),
        ("$(env NOT_SET)", "environment variable NOT_SET is not set"),
        ("$(not maybe)", "'maybe' is neither true nor false"),
        ("$(find-pkg-share not_a_package)", "package 'not_a_package' is not installed"),
    ],
)
def test_what_has_no_value(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(parse(text), SCOPE)


def test_share_of_an_installed_and_of_a_python_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    (source / "robots_x").mkdir(parents=True)
    (source / "robots_x/__init__.py").touch()
    (source / "package.xml").touch()
    monkeypatch.syspath_prepend(source)
    assert evaluate(parse("$(find-pkg-share robots_x)"), SCOPE) == str(source)

    index = tmp_path / "prefix/share/ament_index/resource_index/packages"
    index.mkdir(parents=True)
    (index / "robots_x").touch()
    scope = Scope({}, {"AMENT_PREFIX_PATH": f"/nowhere:{tmp_path}/prefix"}, Path())
    share = evaluate(parse("$(find-pkg-share robots_x)"), scope)
    assert share == f"{tmp_path}/prefix/share/robots_x"
