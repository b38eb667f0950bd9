"""Data sets: what is converted and back again is the same, and bad ones are named."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr

from pushcell.cli import main as cli
from pushcell.config.cell import CellConfig
from pushcell.errors import EpisodeError
from pushcell.formats.data_set import Demonstration
from pushcell.formats.episodes_format import EpisodeSet, write_episodes
from pushcell.formats.lerobot_writer import write_lerobot
from pushcell.formats.open_data_set import open_data_set
from pushcell.formats.packed_format import PackedSet, write_packed
from pushcell.formats.zarr_format import ZarrSet, write_zarr
from pushcell.recording.episode_steps import episode_files
from pushcell.recording.steps import Steps
from pushcell.recording.store import EpisodeStore
from tests.recording.examples import assert_same, some_info, some_steps

SIZE = (20, 28)
FORMATS = ("zarr", "lerobot", "packed", "episodes")


def some_demonstrations(size: tuple[int, int] | None = SIZE) -> list[Demonstration]:
    """Three episodes that end in the middle of chunks of any layout."""
    return [
        Demonstration(f"episode_{n:06d}", some_steps(count, seed=n, size=size))
        for n, count in enumerate((100, 7, 50))
    ]


def write(kind: str, demonstrations: list[Demonstration], path: Path, cell: CellConfig) -> None:
    if kind == "episodes":
        write_episodes(demonstrations, path, cell, "the tests")
    else:
        writers = {"zarr": write_zarr, "lerobot": write_lerobot, "packed": write_packed}
        writers[kind](demonstrations, path)


@pytest.mark.parametrize("size", [SIZE, None])
@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_back_what_it_was_given(kind, size, tmp_path, cell) -> None:
    demonstrations = some_demonstrations(size)
    write(kind, demonstrations, tmp_path / "set", cell)
    data_set = open_data_set(tmp_path / "set", SIZE[::-1])
    assert len(data_set) == 3
    for given, found in zip(demonstrations, data_set, strict=True):
        assert found.name == given.name
        assert_same(found.steps, given.steps)


def test_a_chain_of_conversions_by_command_is_exact(tmp_path, cell, capsys) -> None:
    write("episodes", some_demonstrations(), tmp_path / "0", cell)
    for number, kind in enumerate(("zarr", "packed", "lerobot", "episodes"), start=1):
        words = ["convert", str(tmp_path / str(number - 1)), "--to", kind, "--json", "-"]
        words += ["--out", str(tmp_path / str(number)), "--image-px", "28", "20"]
        assert cli.main(words) == 0
        figures = json.loads(capsys.readouterr().out)
        assert (figures["episodes"], figures["steps"]) == (3, 157)
    for given, found in zip(
        some_demonstrations(), open_data_set(tmp_path / "4", SIZE[::-1]), strict=True
    ):
        assert_same(found.steps, given.steps)
    assert cli.main([*words[:1], str(tmp_path / "0"), *words[2:]]) == 2
    assert "is there already" in capsys.readouterr().err


def test_several_sources_become_one_set_and_failures_stay_out(tmp_path, cell, capsys) -> None:
    store = EpisodeStore(tmp_path / "a")
    for seed, verdict in enumerate(("success", "failure", "unjudged")):
        steps = some_steps(9, seed)
        info = some_info(steps, cell, f"e{seed}").model_copy(update={"verdict": verdict})
        store.save(info.name, episode_files(steps, info, cell), {})
    write("packed", [Demonstration("x", some_steps(5, 9))], tmp_path / "b", cell)
    sources = [str(tmp_path / name) for name in "ab"]
    words = ["convert", *sources, "--to", "packed", "--image-px", "24", "16", "--out"]
    assert cli.main([*words, str(tmp_path / "c")]) == 0
    assert "1 episodes left out: judged a failure" in capsys.readouterr().out
    seeds = (0, 2, 9)
    for seed, found in zip(seeds, PackedSet(tmp_path / "c"), strict=True):
        assert_same(found.steps, some_steps(len(found.steps), seed))
    assert cli.main([*words, str(tmp_path / "d"), "--most", "1"]) == 0
    assert len(PackedSet(tmp_path / "d")) == 1
    assert cli.main([*words, str(tmp_path / "e"), "--most", "0"]) == 1
    assert "nothing was converted: --most is 0" in capsys.readouterr().out


# The published layout, written here as others write it: by hand, uncompressed, T = 30.


@pytest.fixture
def published(tmp_path: Path) -> Path:
    path = tmp_path / "published.zarr"
    rng = np.random.default_rng(0)
    state = rng.uniform(-1, 1, (30, 3))
    columns = {
        "state": state,
        "slider_state": rng.uniform(-1, 1, (30, 3)),
        "action": np.vstack([state[1:, :2], state[-1:, :2]]),
        "target": np.repeat(rng.uniform(-1, 1, (2, 3)), (20, 10), axis=0),
        "overhead_camera": rng.integers(0, 256, (30, 128, 128, 3), dtype=np.uint8),
        "wrist_camera": rng.integers(0, 256, (30, 128, 128, 3), dtype=np.uint8),
    }
    for folder in (path, path / "data", path / "meta"):
        folder.mkdir()
        (folder / ".zgroup").write_text('{"zarr_format": 2}')
    for name, values in columns.items():
        write_plain_array(path / "data" / name, values)
    write_plain_array(path / "meta" / "episode_ends", np.array([20, 30]))
    return path


def write_plain_array(path: Path, values: np.ndarray) -> None:
    path.mkdir(exist_ok=True)
    about = {
        "zarr_format": 2,
        "shape": values.shape,
        "chunks": values.shape,
        "dtype": values.dtype.str,
        "compressor": None,
        "filters": None,
        "fill_value": 0,
        "order": "C",
    }
    (path / ".zarray").write_text(json.dumps(about))
    (path / ".".join("0" * values.ndim)).write_bytes(values.tobytes())


def test_a_published_set_is_read_as_it_is(published: Path) -> None:
    first, second = (demonstration.steps for demonstration in ZarrSet(published))
    assert (len(first), len(second), first.rate_hz) == (20, 10, 10.0)
    group = zarr.open_group(str(published), mode="r")
    np.testing.assert_array_equal(second.pusher, group["data/state"][20:])
    np.testing.assert_array_equal(second.images["wrist"], group["data/wrist_camera"][20:])
    np.testing.assert_array_equal(second.goal, group["data/target"][25])


def test_a_published_set_through_episodes_is_the_same_layout(published, tmp_path, cell) -> None:
    write_episodes(ZarrSet(published), tmp_path / "episodes", cell, "published")
    write_zarr(EpisodeSet(tmp_path / "episodes", (128, 128)), tmp_path / "again.zarr")
    before, after = (
        zarr.open_group(str(path), mode="r") for path in (published, tmp_path / "again.zarr")
    )
    for name in ("state", "slider_state", "action", "target", "overhead_camera", "wrist_camera"):
        array = after[f"data/{name}"]
        assert array.dtype == before[f"data/{name}"].dtype
        np.testing.assert_array_equal(array[:], before[f"data/{name}"][:])
    np.testing.assert_array_equal(after["meta/episode_ends"][:], [20, 30])
    for part in ("", "data", "meta"):
        assert (tmp_path / "again.zarr" / part / ".zgroup").exists()


@pytest.mark.parametrize("name", ["data/wrist_camera", "data/slider_state", "meta/episode_ends"])
def test_a_missing_array_is_named(published: Path, name: str) -> None:
    (published / name).rename(published / "elsewhere")
    with pytest.raises(EpisodeError, match=f"lacks the arrays {name}"):
        ZarrSet(published)


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        ([20, 31], r"episode \(1\) ends at step 31, but there are 30"),
        ([20], "ends at step 20, but there are 30"),
        ([20, 15, 30], "episode 1 ends at step 15 where it begins at 20"),
        ([0, 30], "episode 0 ends at step 0"),
        ([], "there are 30 steps"),
    ],
)
def test_ends_that_do_not_match_are_told(published: Path, ends: list[int], message: str) -> None:
    write_plain_array(published / "meta" / "episode_ends", np.array(ends, dtype=np.int64))
    with pytest.raises(EpisodeError, match=message):
        ZarrSet(published)


def test_other_faults_of_a_zarr_are_told(published: Path, tmp_path: Path) -> None:
    write_plain_array(published / "data" / "action", np.zeros((29, 2)))
    with pytest.raises(EpisodeError, match=r"number of steps: .*data/action 29"):
        ZarrSet(published)
    action = np.zeros((30, 2))
    action[25] = np.nan
    write_plain_array(published / "data" / "action", action)
    with pytest.raises(EpisodeError, match=r"published\.zarr, episode 1: action must be finite"):
        list(ZarrSet(published))
    write_plain_array(published / "data" / "action", 1e3 * np.ones((30, 2)))
    with pytest.raises(EpisodeError, match=r"episode 0: an action is at 1000 m: lengths are in m"):
        list(ZarrSet(published))
    write_plain_array(published / "data" / "target", np.arange(90.0).reshape(30, 3))
    with pytest.raises(EpisodeError, match="goal changes within episode 0"):
        list(ZarrSet(published))
    with pytest.raises(EpisodeError, match="no complete episode"):
        open_data_set(tmp_path, SIZE)
    with pytest.raises(EpisodeError, match="is not there"):
        open_data_set(tmp_path / "nowhere", SIZE)


@pytest.mark.parametrize("name", ["data/state", "data/wrist_camera"])
def test_a_zarr_that_was_copied_in_part_is_refused(name: str, tmp_path: Path) -> None:
    """Its library would read zeros."""
    write_zarr(some_demonstrations(), tmp_path / "set.zarr")
    array = zarr.open_array(str(tmp_path / "set.zarr" / name), mode="r")
    (tmp_path / "set.zarr" / name / ".".join("0" * array.ndim)).unlink()
    with pytest.raises(EpisodeError, match=rf"1 of the \d chunks of {name} are not there"):
        ZarrSet(tmp_path / "set.zarr")


def test_a_damaged_chunk_is_named(tmp_path: Path) -> None:
    write_zarr(some_demonstrations(), tmp_path / "set.zarr")
    chunk = tmp_path / "set.zarr/data/action/0.0"
    chunk.write_bytes(chunk.read_bytes()[:20])
    with pytest.raises(EpisodeError, match=r"set\.zarr: data/action cannot be read"):
        list(ZarrSet(tmp_path / "set.zarr"))


def test_lerobot_files_are_laid_out_as_version_3_says(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    write_lerobot(some_demonstrations(), tmp_path / "set")
    info = json.loads((tmp_path / "set/meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0"
    assert (info["total_episodes"], info["total_frames"], info["fps"]) == (3, 157, 10)
    data = pq.ParquetFile(tmp_path / "set" / info["data_path"].format(chunk_index=0, file_index=0))
    assert data.num_row_groups == 3  # one an episode
    assert data.schema_arrow.names == list(info["features"])
    table = data.read()
    assert table["index"].to_pylist() == list(range(157))
    assert table["frame_index"].to_pylist()[99:102] == [99, 0, 1]
    assert table["timestamp"].to_pylist()[101] == pytest.approx(0.1)
    rows = pq.read_table(tmp_path / "set/meta/episodes/chunk-000/file-000.parquet").to_pylist()
    ranges = [(row["dataset_from_index"], row["dataset_to_index"]) for row in rows]
    assert ranges == [(0, 100), (100, 107), (107, 157)]
    assert (
        rows[1]["tasks"] == pq.read_table(tmp_path / "set/meta/tasks.parquet")["task"].to_pylist()
    )
    statistics = json.loads((tmp_path / "set/meta/stats.json").read_text())
    assert set(statistics) == set(info["features"])
    every = some_demonstrations()
    states = np.concatenate([d.steps.pusher for d in every])
    images = np.concatenate([d.steps.images["wrist"] for d in every]) / 255
    for key, values, axes in (
        ("observation.state", states, 0),
        ("observation.images.wrist", images, (0, 1, 2)),
    ):
        for name in ("min", "max", "mean", "std"):
            expected = getattr(values, name)(axis=axes)
            np.testing.assert_allclose(np.ravel(statistics[key][name]), expected, rtol=1e-6)
        assert statistics[key]["count"] == [157]


def test_other_lerobot_sets_are_refused(tmp_path: Path) -> None:
    write_lerobot(some_demonstrations(), tmp_path / "set")
    path = tmp_path / "set/meta/info.json"
    info = json.loads(path.read_text())
    path.write_text(json.dumps({**info, "codebase_version": "v1.6"}))
    with pytest.raises(EpisodeError, match=r"version v1\.6; those read are v3\.0, v2\.1, v2\.0"):
        open_data_set(tmp_path / "set", SIZE)
    path.write_text(json.dumps(info))
    (tmp_path / "set/meta/episodes").rename(tmp_path / "elsewhere")
    with pytest.raises(EpisodeError, match="lacks meta/episodes"):
        open_data_set(tmp_path / "set", SIZE)
    del info["features"]["goal"]
    path.write_text(json.dumps(info))
    with pytest.raises(EpisodeError, match="lacks the features goal"):
        open_data_set(tmp_path / "set", SIZE)


@pytest.mark.parametrize("kind", ["zarr", "lerobot", "packed"])
def test_sets_with_different_cameras_are_not_mixed(kind, tmp_path, cell) -> None:
    mixed = [*some_demonstrations(), Demonstration("odd", some_steps(size=None))]
    with pytest.raises(EpisodeError, match=r"odd .* convert them apart"):
        write(kind, mixed, tmp_path / "set", cell)


def test_a_full_disk_is_told(tmp_path, cell, capsys) -> None:
    write("packed", some_demonstrations(), tmp_path / "a", cell)
    (tmp_path / "b").mkdir()
    (tmp_path / "b/episode_000001.partial").mkdir()
    (tmp_path / "b/episode_000001.partial/.episode.mcap").symlink_to("/dev/full")
    with pytest.raises(EpisodeError, match=r"disk is full .* episode_000001"):
        write_episodes(PackedSet(tmp_path / "a"), tmp_path / "b", cell, "a")
    assert len(EpisodeSet(tmp_path / "b", SIZE)) == 1


def test_packed_sets_are_read_without_what_a_bare_machine_lacks(tmp_path: Path) -> None:
    write_packed(some_demonstrations(), tmp_path / "set")
    script = (
        "import sys; from pathlib import Path;"
        "from pushcell.formats.packed_format import PackedSet;"
        f"steps = PackedSet(Path({str(tmp_path / 'set')!r})).steps(1); assert len(steps) == 7;"
        "absent = {'pydantic', 'zarr', 'mcap', 'rosbags', 'pydrake', 'rclpy', 'yaml', 'tyro'};"
        "sys.exit(absent & set(sys.modules) or 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_memory_does_not_grow_with_the_set(tmp_path: Path) -> None:
    """Writers take one episode after the other, and let go of each."""
    alive: list[int] = []

    class Watched(Steps):
        def __del__(self) -> None:
            alive.remove(id(self))

    def stream() -> Iterator[Demonstration]:
        for seed in range(8):
            steps = some_steps(seed=seed)
            watched = Watched(
                steps.rate_hz, steps.pusher, steps.slider, steps.action, steps.goal, steps.images
            )
            alive.append(id(watched))
            assert len(alive) <= 3
            yield Demonstration(f"e{seed}", watched)

    for kind, writer in (("a", write_zarr), ("b", write_lerobot), ("c", write_packed)):
        writer(stream(), tmp_path / kind)
