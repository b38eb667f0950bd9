"""Workers that cannot begin say why; how many there are is at least one."""

import pytest

from pushcell.errors import ConfigError
from pushcell.processes.worker_pool import worker_count, worker_pool


def prepare(problem: str) -> None:
    if problem:
        raise ConfigError(problem)


def test_what_stands_in_a_workers_way_is_its_result():
    with worker_pool(1, prepare, "no such policy") as pool:
        for _ in range(2):
            with pytest.raises(ConfigError, match="no such policy"):
                pool.submit(len, "abc").result(60)
        with pytest.raises(ConfigError, match="no such policy"):
            list(pool.map(len, ["abc"]))
    with worker_pool(1, prepare, "") as pool:
        assert list(pool.map(len, ["abc", "d"])) == [3, 1]


def test_there_is_at_least_one():
    assert worker_count(3) == 3
    assert worker_count(None) >= 1
    for count in (0, -1):
        with pytest.raises(ConfigError, match=f"must be at least 1, not {count}"):
            worker_count(count)
