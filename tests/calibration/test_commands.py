"""``pushcell calibrate`` as people start it."""

import json
import re

import cv2
import numpy as np
import pytest

from pushcell import se3
from pushcell.cameras.camera_info import camera_info_text, read_camera_info
from pushcell.cli.main import main
from tests.calibration import rig
from tests.calibration.conftest import CHARUCO


@pytest.fixture(scope="module")
def cell_data(tmp_path_factory, pictures, poses):
    """A folder with images, the arm's poses, and the true intrinsics."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "images").mkdir()
    for name, image in pictures:
        cv2.imwrite(str(folder / "images" / name), image)
    hands = rig.shaken(rig.hands("eye-to-hand", poses), np.random.default_rng(0))
    (folder / "poses.json").write_text(json.dumps(hands.tolist()))
    (folder / "camera.yaml").write_text(camera_info_text(rig.LENS, "overhead"))
    return folder


def calibrate(*words):
    return main(["calibrate", *map(str, words)])


def result_of(folder, kind):
    (path,) = folder.glob(f"{kind}_*.json")
    return json.loads(path.read_text())


def test_intrinsics_from_files(cell_data, tmp_path, capsys):
    words = ("intrinsics", cell_data / "images", "--board", CHARUCO, "--out", tmp_path / "out")
    assert calibrate(*words, "--json", "-") == 0
    told = json.loads(capsys.readouterr().out)
    assert np.shape(told["camera_matrix"]) == (3, 3)
    assert np.shape(told["covariance"]) == (9, 9)
    assert len(told["distortion"]) == 5
    assert 0 < told["rms_px"] < 0.15
    assert told["views_used"][0] == "00.png"
    assert told["views_rejected"] == []
    assert result_of(tmp_path / "out", "intrinsics")["held_out_px"] == told["held_out_px"]
    (info,) = (tmp_path / "out").glob("*.yaml")
    np.testing.assert_array_equal(read_camera_info(info).matrix, told["camera_matrix"])
    (report,) = (tmp_path / "out").glob("*.html")
    assert report.read_text().count("<svg") == 3
    assert "http" not in report.read_text().replace("http://www.w3.org", "").replace(
        "http://purl.org", ""
    ).replace("http://creativecommons.org", "").replace("https://matplotlib.org", "")


def test_hand_eye_from_images(cell_data, tmp_path, capsys):
    words = ("--images", cell_data / "images", "--robot-poses", cell_data / "poses.json")
    words += ("--intrinsics", cell_data / "camera.yaml", "--board", CHARUCO)
    out = tmp_path / "out"
    assert calibrate("hand-eye", "--setup", "eye-to-hand", *words, "--out", out, "--json", "-") == 0
    told = json.loads(capsys.readouterr().out)
    distance, angle = se3.errors(np.array(told["transform"]), rig.CAMERA["eye-to-hand"])
    assert distance < 0.001
    assert angle < np.radians(0.1)
    assert told["outliers"] == []
    assert np.shape(told["covariance"]) == (6, 6)
    for key in ("residual_mm", "residual_deg", "leave_one_out_mm"):
        assert told[key] > 0
    assert result_of(out, "hand_eye") == {k: v for k, v in told.items() if k != "saved"}


@pytest.fixture
def pairs(tmp_path, charuco):
    rng = np.random.default_rng(0)
    data = rig.pose_data("eye-in-hand", charuco, rng, 25)
    hands = data.hand_in_base.copy()
    hands[7, 0, 3] += 0.02
    pairs = np.stack([hands, data.target_in_camera], axis=1)
    path = tmp_path / "pairs.json"
    path.write_text(json.dumps(pairs.tolist()))
    return path


def test_outliers_are_told_by_their_index(pairs, tmp_path, capsys):
    words = ("hand-eye", "--setup", "eye-in-hand", "--pairs", pairs, "--out", tmp_path / "out")
    assert calibrate(*words) == 0
    assert result_of(tmp_path / "out", "hand_eye")["outliers"] == [7]
    assert "pose 7 is left out" in capsys.readouterr().out


def test_a_result_over_its_limits_is_saved_by_force_alone(pairs, tmp_path, capsys):
    out = tmp_path / "out"
    words = ("hand-eye", "--setup", "eye-in-hand", "--pairs", pairs, "--out", out)
    assert calibrate(*words, "--max-left-out-mm", "0.1") == 1
    assert "over its limits: leave-one-out error is" in capsys.readouterr().out
    assert not list(out.glob("*.json"))
    (report,) = out.glob("*_refused.html")
    assert "Over its limits: leave-one-out error is" in report.read_text()
    assert calibrate(*words, "--max-left-out-mm", "0.1", "--force") == 1
    assert "leave-one-out" in result_of(out, "hand_eye")["problems"][0]


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda v: v[:5], "only 5 poses"),
        (lambda v: np.swapaxes(v, 0, 1), r"\(2, 25, 4, 4\), allowed: \(N, 2, 4, 4\)"),
        (lambda v: "nonsense", "not an array of numbers"),
        (lambda v: [v[0].tolist(), [1]], "not an array of numbers"),
    ],
)
def test_bad_pairs_are_one_sentence(pairs, tmp_path, capsys, spoil, problem):
    values = spoil(np.array(json.loads(pairs.read_text())))
    pairs.write_text(json.dumps(values.tolist() if isinstance(values, np.ndarray) else values))
    out = tmp_path / "out"
    words = ("hand-eye", "--setup", "eye-in-hand", "--pairs", pairs, "--out", out)
    assert calibrate(*words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")

    assert re.search(problem, error), error
    assert not out.exists(), "no result is written"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: {"--robot-poses": cut(d, 19)}, "19 poses and there are 20 images"),
        (lambda d: {"--robot-poses": named(d)}, "no pose for"),
        (lambda d: {"--intrinsics": other_size(d)}, "640x480, .* is for 1280x960"),
        (lambda d: {"--robot-poses": d / "camera.yaml"}, "not JSON"),
        (lambda d: {"--images": d / "gone.png", "--robot-poses": cut(d, 1)}, "not an image"),
        (lambda d: {"--board": "charuco:7x5:30:21:DICT_4X4_50"}, "metres"),
    ],
)
def test_bad_files_are_one_sentence(cell_data, tmp_path, capsys, change, problem):

    words = {
        "--images": cell_data / "images",
        "--robot-poses": cell_data / "poses.json",
        "--intrinsics": cell_data / "camera.yaml",
        "--board": CHARUCO,
        "--setup": "eye-to-hand",
        "--out": tmp_path / "out",
    } | change(cell_data)
    assert calibrate("hand-eye", *(word for pair in words.items() for word in pair)) == 2
    error = capsys.readouterr().err
    assert re.search(problem, error), error
    assert not (tmp_path / "out").exists()


def cut(folder, count):
    path = folder / f"first_{count}.json"
    path.write_text(json.dumps(json.loads((folder / "poses.json").read_text())[:count]))
    return path


def named(folder):
    poses = json.loads((folder / "poses.json").read_text())
    path = folder / "named.json"
    path.write_text(json.dumps({f"{i:02}.jpg": pose for i, pose in enumerate(poses)}))
    return path


def other_size(folder):
    path = folder / "other.yaml"
    text = camera_info_text(rig.LENS, "overhead")
    path.write_text(text.replace("640", "1280").replace("480", "960"))
    return path


def touched(tmp_path, tilt=0.002, noise=0.0003):
    """Marks on the table, where the pusher touched them and where the camera sees them."""
    rng = np.random.default_rng(0)
    xy = np.stack(np.meshgrid([0.4, 0.5, 0.6, 0.7], [-0.2, 0.0, 0.2]), axis=-1).reshape(-1, 2)
    points = np.column_stack([xy, tilt * xy[:, 1] + noise * rng.normal(size=len(xy))])
    camera = se3.from_rvec([np.pi, 0, 0], [0.55, 0, 0.8])
    inside = se3.inverse(camera)
    pixels = rig.LENS.project(points @ inside[:3, :3].T + inside[:3, 3])
    entries = [
        {"xyz_m": p.tolist(), "pixel": q.tolist()} for p, q in zip(points, pixels, strict=True)
    ]
    (tmp_path / "touched.json").write_text(json.dumps(entries))
    (tmp_path / "camera.yaml").write_text(camera_info_text(rig.LENS, "overhead"))
    hand_eye = {"setup": "eye-to-hand", "transform": camera.tolist()}
    (tmp_path / "hand_eye.json").write_text(json.dumps(hand_eye))
    return tmp_path / "touched.json"


@pytest.mark.parametrize("with_camera", [False, True])
def test_table_from_touched_points(tmp_path, with_camera):
    path, out = touched(tmp_path), tmp_path / "out"
    words = ["--intrinsics", tmp_path / "camera.yaml"]
    words += ["--hand-eye", tmp_path / "hand_eye.json"] if with_camera else []
    assert calibrate("table", path, *words, "--out", out) == 0
    result = result_of(out, "table")
    assert result["plane"] == pytest.approx([0, 0.002, 0], abs=0.002)
    assert result["residual_mm"] < 0.5
    assert result["map_mm"] < 0.5
    deviations = np.sqrt(np.diag(result["covariance"]))
    assert (np.abs(np.array(result["plane"]) - [0, 0.002, 0]) < 4 * deviations).all()


def test_a_tilted_table_is_refused(tmp_path, capsys):
    assert calibrate("table", touched(tmp_path, tilt=0.02), "--out", tmp_path / "out") == 1
    assert "the table's tilt is 1.1" in capsys.readouterr().out


def signals(tmp_path, delay, noise=0.02):
    rng = np.random.default_rng(0)
    for name, times, shift, level in (
        ("command", np.arange(0, 20, 0.01), 0.0, 0.0),
        ("seen", np.arange(0, 20, 1 / 30), delay, noise),
    ):
        t = times - shift
        values = np.sin(2 * t) + np.sin(3.3 * t + 1) + level * rng.normal(size=len(t))
        rows = "\n".join(f"{a},{b}" for a, b in zip(times, values, strict=True))
        (tmp_path / f"{name}.csv").write_text(f"time_s,value\n{rows}\n")
    return "--cause", tmp_path / "command.csv", "--effect", tmp_path / "seen.csv"


@pytest.mark.parametrize("delay", [0.0, 0.0413, 0.18])
def test_latency_is_measured_finer_than_a_frame(tmp_path, delay):
    out = tmp_path / "out"
    assert calibrate("latency", *signals(tmp_path, delay), "--out", out) == 0
    result = result_of(out, "latency")
    assert result["latency_s"] == pytest.approx(delay, abs=0.003)
    assert result["spread_s"] < 0.005
    assert result["lowest_s"] <= result["latency_s"] + 0.003 <= result["highest_s"] + 0.006


def test_signals_that_have_nothing_to_do_with_each_other_are_refused(tmp_path, capsys):
    words = signals(tmp_path, 0.05, noise=20)
    assert calibrate("latency", *words, "--out", tmp_path / "out") == 1
    assert "one record and one clock" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a,b\n1,2\n", "columns time_s,value"),
        ("time_s,value\n" + "1,2\n" * 30, "time does not rise at sample 1"),
        ("time_s,value\n" + "\n".join(f"{i},1" for i in range(30)), "never changes"),
        ("time_s,value\n1,2\n", "1 samples"),
        ("time_s,value\n" + "\n".join(f"{i + 1e6},{i}" for i in range(30)), "share 0.0 s"),
    ],
)
def test_a_bad_signal_is_told(tmp_path, capsys, text, problem):
    words = signals(tmp_path, 0.1)
    (tmp_path / "seen.csv").write_text(text)
    assert calibrate("latency", *words, "--out", tmp_path / "out") == 2
    assert problem in capsys.readouterr().err


def test_kinds_are_told(capsys):
    assert calibrate("everything") == 2
    assert "choose one of: intrinsics, hand-eye, table, latency" in capsys.readouterr().err
    assert calibrate("--help") == 0
    assert "hand-eye" in capsys.readouterr().out
