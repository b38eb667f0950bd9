"""What a power cut leaves of a recording, by a log of all that was done on the disk."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.disk_log import build, folder_after, read_log
from benchmarks.power_cut import cuts

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")

WRITES = """
import os, sys
from pathlib import Path
from pushcell.bags.durable_bag import sync_folder
folder = Path(sys.argv[1])
for name in ("synced", "nameless", "unsynced"):
    with (folder / name).open("wb") as file:
        file.write(b"x" * 10_000)
        file.flush()
        if name != "unsynced":
            os.fsync(file.fileno())
    if name == "synced":
        sync_folder(folder)
(folder / "synced").rename(folder / "moved")
"""


def test_only_what_was_synced_is_certain(tmp_path: Path) -> None:
    folder, log = tmp_path / "disk", tmp_path / "log"
    folder.mkdir()
    preloaded = {"LD_PRELOAD": str(build(tmp_path)), "DISK_LOG": str(log)}
    environment = {**os.environ, **preloaded, "DISK_LOG_UNDER": str(folder)}
    subprocess.run([sys.executable, "-c", WRITES, str(folder)], env=environment, check=True)
    left = set()
    for seed in range(60):
        folder_after(read_log(log), folder).restore(tmp_path / str(seed), random.Random(seed))
        found = {path.name: path.read_bytes() for path in (tmp_path / str(seed)).iterdir()}
        (first,) = found.keys() & {"synced", "moved"}
        assert found[first] == b"x" * 10_000
        assert found.get("nameless", b"x" * 10_000) == b"x" * 10_000
        left.add((first, "nameless" in found, len(found.get("unsynced", b""))))
    assert {first for first, _, _ in left} == {"synced", "moved"}
    assert {named for _, named, _ in left} == {True, False}
    assert len({length for _, _, length in left}) > 2


def test_a_power_cut_costs_at_most_the_last_moments(tmp_path: Path) -> None:
    found = list(cuts(8, seed=0, picture=(24, 32)))
    assert len(found) == 8
    assert not any(cut.holes for cut in found)
    assert max(cut.lost_s for cut in found) <= 1.0
