import cv2
import numpy as np
import pytest

from calibration.boards import parse_board
from calibration.synthetic_images import SyntheticCamera
from calibration.views import find_board
from pushcell import se3
from pushcell.errors import CalibrationError
from tests.calibration import rig

POSE = se3.from_rvec([0.3, -0.2, 0.1], [-0.1, -0.08, 0.4])
BOARDS = ("charuco:7x5:0.030:0.021:DICT_4X4_50", "chessboard:9x6:0.020", "chessboard:9x7:0.020")


@pytest.mark.parametrize("text", BOARDS)
def test_corners_are_found_where_they_are(text):
    board = parse_board(text)
    found = board.find(SyntheticCamera(board, rig.LENS, seed=1).take(POSE))
    expected = [
        rig.LENS.project(board.corners_m[found.ids] @ T[:3, :3].T + T[:3, 3])
        for T in ([POSE] if board.half_turn is None else [POSE, POSE @ board.half_turn])
    ]
    off = min((found.pixels - e for e in expected), key=lambda e: np.abs(e).max())
    assert len(found.ids) > 0.6 * len(board.corners_m)
    assert np.abs(off).max() < 0.4
    assert np.abs(off.mean(axis=0)).max() < 0.05, "a half pixel is lost somewhere"


@pytest.mark.parametrize(
    ("columns", "rows", "symmetric"), [(9, 6, False), (9, 7, True), (8, 6, True)]
)
def test_a_board_that_looks_the_same_turned_round_is_told(columns, rows, symmetric):
    board = parse_board(f"chessboard:{columns}x{rows}:0.02")
    picture = board.draw(500)
    assert np.array_equal(picture, picture[::-1, ::-1]) == symmetric
    assert (board.half_turn is not None) == symmetric
    if symmetric:
        turned = board.corners_m @ board.half_turn[:3, :3].T + board.half_turn[:3, 3]
        np.testing.assert_allclose(turned, board.corners_m[::-1], atol=1e-12)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("charuco:7x5", "write charuco"),
        ("circles:7x5:0.03", "not understood"),
        ("charuco:7x5:30:21:DICT_4X4_50", "30 mm are 0.03"),
        ("chessboard:9x7:20", "20 mm are 0.02"),
        ("charuco:7x5:0.021:0.030:DICT_4X4_50", "markers are smaller"),
        ("charuco:7x5:0.030:0.021:DICT_9X9", "DICT_4X4_50"),
        ("charuco:20x20:0.030:0.021:DICT_4X4_50", "needs 200"),
        ("charuco:7x5:0.030:0.021:DICT_4X4_50:40", "needs 17 from id 40 on"),
        ("chessboard:2x2:0.02", "3x3"),
    ],
)
def test_a_bad_description_is_told(text, problem):
    with pytest.raises(CalibrationError, match=problem):
        parse_board(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("charuco:8x5:0.030:0.021:DICT_4X4_50", "count its squares"),
        ("charuco:6x5:0.030:0.021:DICT_4X4_50", "count its squares"),
        ("charuco:7x5:0.030:0.021:DICT_5X5_50", "of DICT_4X4_"),
        ("chessboard:9x7:0.020", "6x4 inner corners is seen"),
    ],
)
def test_another_board_than_is_seen_is_told(pictures, text, problem):
    with pytest.raises(CalibrationError, match=problem):
        find_board(pictures[:4], parse_board(text))


@pytest.mark.parametrize(
    "text", ["chessboard:8x7:0.02", "chessboard:10x7:0.02", "chessboard:9x6:0.02"]
)
def test_a_chessboard_of_another_size_is_told(text):
    picture = SyntheticCamera(parse_board("chessboard:9x7:0.02"), rig.LENS, seed=1).take(POSE)
    with pytest.raises(CalibrationError, match="9x7 inner corners is seen"):
        find_board([("a", picture)], parse_board(text))


@pytest.mark.parametrize(
    "printed",
    [
        "charuco:7x6:0.03:0.021:DICT_4X4_50:legacy",
        "charuco:7x6:0.03:0.021:DICT_4X4_50:12",
        "charuco:7x6:0.03:0.021:DICT_4X4_50:legacy:29",
    ],
)
def test_older_boards_and_other_ids_are_found_by_trying(printed):
    board = parse_board(printed)
    picture = SyntheticCamera(board, rig.LENS, seed=2).take(POSE)
    views = find_board([("a", picture)], parse_board("charuco:7x6:0.030:0.021:DICT_4X4_50"))
    assert views.board == board
    assert views.board.text == printed
    (seen,) = views.found
    expected = board.corners_m[seen.corners.ids] @ POSE[:3, :3].T + POSE[:3, 3]
    assert len(seen.corners.ids) > 15
    assert np.abs(seen.corners.pixels - rig.LENS.project(expected)).max() < 0.4


def test_mirrored_images_are_told(pictures, charuco):
    mirrored = [(name, cv2.flip(image, 1)) for name, image in pictures[:4]]
    with pytest.raises(CalibrationError, match="mirrored"):
        find_board(mirrored, charuco)


def test_images_of_two_sizes_are_told(pictures, charuco):
    small = cv2.resize(pictures[1][1], (320, 240))
    with pytest.raises(CalibrationError, match=r"small\.png is 320x240, 00\.png is 640x480"):
        find_board([pictures[0], ("small.png", small)], charuco)


def test_no_board_at_all_is_told(charuco):
    with pytest.raises(CalibrationError, match="no markers are seen"):
        find_board([("grey", np.full((480, 640), 128, np.uint8))], charuco)
