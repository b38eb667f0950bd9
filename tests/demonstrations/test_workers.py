"""Workers: the same bytes whoever makes them, and none lost or made twice when some die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator

import psutil
import pytest

from pushcell.demonstrations.episode_generator import GeneratedEpisode
from pushcell.demonstrations.generate import generate
from pushcell.demonstrations.generation_config import GenerationConfig
from pushcell.demonstrations.process_workers import generated_by_processes
from pushcell.errors import ClusterError, EpisodeError
from tests.conftest import ROOT
from tests.demonstrations.examples import config_of, contents, generated_here, silently


def test_workers_make_the_same_bytes_as_one_alone(cell, tmp_path) -> None:
    config = config_of(cell, images=True)
    generate(config, tmp_path / "a", 3, generated_here, silently)
    generate(
        config, tmp_path / "b", 3, lambda *work: generated_by_processes(*work, workers=2), silently
    )
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert len(contents(tmp_path / "a")) == 9
    assert "OPENBLAS_NUM_THREADS" not in set(os.environ) - set(os.environb)


def test_ray_makes_the_same_bytes(cell, tmp_path) -> None:
    pytest.importorskip("ray", reason="no ray: install pushcell[ray]")
    from pushcell.demonstrations.ray_workers import generated_by_ray
    from pushcell.processes.ray_cluster import LOCAL

    config = config_of(cell)
    generate(config, tmp_path / "a", 3, generated_here, silently)
    generate(config, tmp_path / "b", 3, lambda *work: generated_by_ray(*work, 2, LOCAL), silently)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_ray_cluster_that_is_not_there_is_told(cell) -> None:
    pytest.importorskip("ray", reason="no ray: install pushcell[ray]")
    from pushcell.demonstrations.ray_workers import generated_by_ray

    with pytest.raises(ClusterError, match=r"no Ray cluster at 127\.0\.0\.1:9"):
        next(generated_by_ray(config_of(cell), range(1), 1, "127.0.0.1:9"))


def test_episodes_go_on_after_a_kill_and_none_is_lost_or_made_twice(cell, tmp_path) -> None:
    words = ["generate", "--world", "source", "--demonstrator", "planner", "--no-images"]
    words += ["--seed", "1", "--workers", "1", "--start-box", *map(str, cell.task.start_box_m)]
    words += ["--episodes", "25", "--out", str(tmp_path / "killed")]
    process = subprocess.Popen(
        [sys.executable, "-m", "pushcell.cli", *words],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "killed").glob("episode_*/episode.yaml"))) < 5:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    while _others_of_the_group(process.pid):  # its workers see that they are alone
        assert time.monotonic() < deadline
        time.sleep(0.05)
    before = contents(tmp_path / "killed")
    assert len(before) < 3 * 25
    config = config_of(cell)
    episode: list[int] = []

    def counted(
        config: GenerationConfig, indices: Iterable[int]
    ) -> Iterator[list[GeneratedEpisode]]:
        for index in indices:
            episode.append(index)
            yield from generated_here(config, [index])

    done = generate(config, tmp_path / "killed", 25, counted, silently)
    assert done.complete == 25
    assert len(episode) == 25 - len(before) / 3
    after = contents(tmp_path / "killed")
    assert {name: after[name] for name in before} == before
    generate(config, tmp_path / "whole", 25, generated_here, silently)
    assert after == contents(tmp_path / "whole")
    for folder in ("killed", "whole"):
        lines = (tmp_path / folder / "journal.jsonl").read_text().splitlines()
        assert sorted(json.loads(line)["index"] for line in lines) == list(range(25))


class Deadly(GenerationConfig):
    """Ends every process that it is sent to."""

    def __reduce__(self):
        return os._exit, (1,)


def test_workers_that_die_are_replaced_and_their_episodes_made(cell, tmp_path) -> None:
    config, killed = config_of(cell), []

    def struck(
        config: GenerationConfig, indices: Iterable[int]
    ) -> Iterator[list[GeneratedEpisode]]:
        for episode in generated_by_processes(config, indices, workers=2):
            if len(killed) < 2:
                killed.append(psutil.Process().children()[-1])
                killed[-1].kill()
            yield episode

    assert generate(config, tmp_path / "struck", 12, struck, silently).complete == 12
    assert len(killed) == 2
    generate(config, tmp_path / "whole", 12, generated_here, silently)
    assert contents(tmp_path / "struck") == contents(tmp_path / "whole")


def test_workers_that_die_again_and_again_are_an_error(cell) -> None:
    config = config_of(cell)
    deadly = Deadly(**{name: getattr(config, name) for name in config.__dataclass_fields__})
    with pytest.raises(EpisodeError, match="workers die as soon as they make episode 4"):
        list(generated_by_processes(deadly, [4, 5], workers=1))


def _others_of_the_group(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True
