"""YAML that is made to take long, or all of the memory, is refused in one sentence."""

import time
from pathlib import Path

import pytest

from pushcell.config.cell import load_cell
from pushcell.config.strict_yaml import parse_yaml
from pushcell.errors import ConfigError
from tests.conftest import SIM_CELL

LAUGHS = b"a0: &a0 [1, 2]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 12)
)
MANY_KEYS = b"\n".join(b"k%d: 0" % n for n in range(9_000))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (LAUGHS, "more than 20000 values"),
        (MANY_KEYS, "more problems"),
        (MANY_KEYS * 3, "more than 131072 bytes"),
        (b"arm: 1\n" * 9_000, "key 'arm' is given twice"),
        (b"arm: " + b"9" * 100_000, "a number of 100000 characters"),
        (b"arm: 0x" + b"f" * 100_000, "a number of 100002 characters"),
        (b"arm: 1" + b":59" * 40_000, "a number of 120001 characters"),
        (b"arm: 1." + b"0" * 100_000, "a number of 100002 characters"),
        (b"arm: " + b"x" * 100_000, "arm = 'xxxx"),
        (b"? " * 500 + b"x", "deep"),
        (b"[" * 100_000, "nest"),
        (b"[" * 90 + b"]" * 90, "nested more than 50 deep"),
        (b"arm: &a [*a]", "deep"),
        (b"arm: &a {b: *a}", "deep"),
        (b"#" * (1 << 20), "more than 131072 bytes"),
        (b"arm: 1\n? [arm]\n: 2", "a key is no plain word"),
        (b"arm: 2001-99-99", "is not YAML"),
        (b"\xff\xfe\xfd", "is not YAML"),
        (b"arm: !!python/object:os.system x", "is not YAML"),
    ],
    ids=range(19),
)
def test_what_takes_long_is_refused(tmp_path: Path, text: bytes, problem: str) -> None:
    path = tmp_path / "cell.yaml"
    path.write_bytes(text)
    began_s = time.process_time()
    with pytest.raises(ConfigError) as caught:
        load_cell(path)
    assert time.process_time() - began_s < 2.0
    message = str(caught.value)
    assert problem in message
    assert "cell.yaml" in message
    assert len(message) < 5000


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cell.yaml"
    path.write_text(SIM_CELL.read_text().replace("urdf: null", f"urdf: {'x' * 10_000}"))
    with pytest.raises(ConfigError, match="a URDF file, or null") as caught:
        load_cell(path)
    assert len(str(caught.value)) < 12_000


def test_an_endless_file_is_not_read_to_its_end() -> None:
    with pytest.raises(ConfigError, match="more than 131072 bytes"):
        load_cell("/dev/zero")


def test_aliases_are_no_fault() -> None:
    assert parse_yaml(b"a: &a [1, 2]\nb: *a\nc: {<<: {d: 1}, e: 2}", "here") == {
        "a": [1, 2],
        "b": [1, 2],
        "c": {"d": 1, "e": 2},
    }
