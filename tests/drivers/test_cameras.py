"""Camera drivers; RealSense through its SDK's own software device and recorded files."""

import ctypes
import os
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from calibration.camera_latency import find_colour
from pushcell.cameras.overlay import project
from pushcell.drivers.camera import CameraFrame, CameraRequest, FrameCounter
from pushcell.drivers.file_camera import FileCamera
from pushcell.drivers.reconnecting import ReconnectingCamera
from pushcell.drivers.uvc_camera import UvcCamera
from pushcell.errors import CameraError

REQUEST = CameraRequest(64, 48, 30.0)
COLOURS = np.array([[200, 30, 10], [10, 200, 30], [30, 10, 200]], np.uint8)


def image(index):
    return np.full((48, 64, 3), COLOURS[index % 3], np.uint8)


def frame(number, captured_s):
    return CameraFrame(image(0), captured_s, number, "test")


@pytest.mark.parametrize(
    ("frames", "fresh", "counted"),
    [
        ([(1, 0.0), (2, 0.1), (3, 0.2)], [1, 1, 1], (3, 0, 0, 0)),
        ([(1, 0.0), (4, 0.3)], [1, 1], (2, 2, 0, 0)),
        ([(1, 0.0), (1, 0.0), (2, 0.1)], [1, 0, 1], (2, 0, 1, 0)),
        ([(1, 0.0), (2, 0.0), (3, 0.1)], [1, 0, 1], (2, 1, 1, 0)),
        ([(8, 5.0), (9, 2.0), (10, 2.1)], [1, 0, 1], (2, 0, 0, 1)),
        ([(900, 0.0), (1, 0.3), (2, 0.4)], [1, 1, 1], (3, 2, 0, 0)),
    ],
)
def test_lost_and_repeated_frames_are_counted(frames, fresh, counted):
    counter = FrameCounter(10.0)
    assert [counter.fresh(frame(*f)) for f in frames] == [bool(f) for f in fresh]
    got = counter.frames, counter.dropped, counter.duplicated, counter.backwards
    assert got == counted


@pytest.fixture
def folder(tmp_path):
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"{index}.png"), image(index)[:, :, ::-1])
    return tmp_path


def test_a_folder_is_played_in_order_and_stamped(folder):
    with FileCamera(folder, REQUEST) as camera:
        frames = [camera.read(1.0) for _ in range(3)]
        with pytest.raises(CameraError, match="no more images"):
            camera.read(1.0)
    for index, shown in enumerate(frames):
        np.testing.assert_array_equal(shown.image, image(index))
        assert shown.number == index + 1
    assert np.all(np.diff([f.captured_s for f in frames]) > 0)
    assert abs(frames[-1].captured_s - time.time()) < 5


def test_a_video_is_played_over_and_over(tmp_path):
    path = tmp_path / "video.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 30, (64, 48))
    for index in range(3):
        writer.write(image(index)[:, :, ::-1])
    writer.release()
    with FileCamera(path, REQUEST, repeat=True) as camera:
        seen = [camera.read(1.0).image.mean(axis=(0, 1)) for _ in range(6)]
    np.testing.assert_allclose(seen, np.tile(COLOURS, (2, 1)), atol=12)


def test_the_simulated_cell_is_a_camera_too(cell):
    pytest.importorskip("pydrake", reason="no drake: install pushcell[sim]")
    from pushcell.simulation.simulated_camera import SimulatedCamera

    with SimulatedCamera(cell, "overhead", CameraRequest(320, 240, 50.0)) as camera:
        shown = [camera.read(1.0) for _ in range(3)]
    assert [frame.number for frame in shown] == [1, 2, 3]
    assert shown[0].clock == "simulated"
    colour = find_colour(shown[0].image, np.array(cell.pusher.colour))
    tip = [[*cell.task.pusher_home_m, cell.pusher.tip_height_m]]
    overhead = cell.camera("overhead")
    place = project(overhead, overhead.pose_in_link, tip)[0]
    assert np.linalg.norm(colour - place, axis=1).min() < 60, "the rod above its tip"


def test_files_that_cannot_be_played_are_told(folder, tmp_path):
    with pytest.raises(CameraError, match="there is no video"):
        FileCamera(tmp_path / "gone.mp4", REQUEST)
    with (
        FileCamera(folder, CameraRequest(32, 24, 30.0)) as camera,
        pytest.raises(CameraError, match="64x48, asked for are 32x24"),
    ):
        camera.read(1.0)
    (folder / "0.png").write_bytes(b"nonsense")
    with (
        FileCamera(folder, REQUEST) as camera,
        pytest.raises(CameraError, match=r"0\.png cannot be read"),
    ):
        camera.read(1.0)


def test_a_missing_uvc_camera_is_told():
    with pytest.raises(CameraError, match="there is no camera /dev/video97"):
        UvcCamera("/dev/video97", REQUEST).__enter__()


def test_a_file_that_is_no_uvc_camera_is_told(tmp_path):
    path = tmp_path / "video9"
    path.write_text("")
    with pytest.raises(CameraError, match="cannot be opened"):
        UvcCamera(str(path), REQUEST).__enter__()


def test_a_camera_that_goes_is_opened_again(folder):
    camera = ReconnectingCamera(lambda: FileCamera(folder, REQUEST), pause_s=0.01)
    numbers, problems = [], []
    with camera:
        while len(numbers) < 7:
            seen = camera.read(0.2)
            problems.append(camera.problem)
            if seen is not None:
                numbers.append(seen.number)
    assert numbers == [1, 2, 3, 1, 2, 3, 1]
    assert camera.reconnected == 2
    assert any("no more images" in str(problem) for problem in problems)
    assert camera.problem is None


def test_a_camera_that_was_never_there_stops_the_start(tmp_path):
    with pytest.raises(CameraError, match="there is no video"):
        ReconnectingCamera(lambda: FileCamera(tmp_path / "gone", REQUEST)).__enter__()


def has_libusb():
    try:
        ctypes.CDLL("libusb-1.0.so.0")
    except OSError:
        return False
    return True


needs_sdk = pytest.mark.skipif(not has_libusb(), reason="no libusb-1.0.so.0")


class Software:
    """The SDK's software device with one colour sensor."""

    def __init__(self, usb="3.2", without=()):
        rs = pytest.importorskip("pyrealsense2", reason="no pyrealsense2: pushcell[realsense]")
        self.rs = rs
        self.device = rs.software_device()
        self.device.register_info(rs.camera_info.serial_number, "0815")
        self.device.register_info(rs.camera_info.name, "Software")
        self.device.register_info(rs.camera_info.usb_type_descriptor, usb)
        self.sensor = self.device.add_sensor("RGB")
        for option, low, high in (
            (rs.option.enable_auto_exposure, 0, 1),
            (rs.option.exposure, 1, 10000),
            (rs.option.enable_auto_white_balance, 0, 1),
            (rs.option.white_balance, 2800, 6500),
            (rs.option.global_time_enabled, 0, 1),
        ):
            if option not in without:
                span = rs.option_range()
                span.min, span.max, span.step, span.default = low, high, 1, low
                self.sensor.add_option(option, span, True)
        stream = rs.video_stream()
        stream.type, stream.index, stream.uid = rs.stream.color, 0, 0
        stream.width, stream.height, stream.fps, stream.bpp = 64, 48, 30, 3
        stream.fmt = rs.format.rgb8
        lens = rs.intrinsics()
        lens.width, lens.height, lens.fx, lens.fy, lens.ppx, lens.ppy = 64, 48, 60, 60, 32, 24
        stream.intrinsics = lens
        self.profile = self.sensor.add_video_stream(stream).as_video_stream_profile()

    def show(self, number, stamp_s, domain=None):
        rs = self.rs
        shown = rs.software_video_frame()
        shown.pixels, shown.stride, shown.bpp = image(number), 64 * 3, 3
        shown.timestamp, shown.frame_number = 1e3 * stamp_s, number
        shown.domain = domain or rs.timestamp_domain.global_time
        shown.profile = self.profile
        self.sensor.set_metadata(rs.frame_metadata_value.actual_exposure, 8000)
        self.sensor.on_video_frame(shown)

    def camera(self, request=REQUEST, **options):
        from pushcell.drivers.realsense_camera import RealSenseCamera

        return RealSenseCamera(self.device, request, **options)


@needs_sdk
def test_a_libusb_that_cannot_be_loaded_is_told(tmp_path):
    pytest.importorskip("pyrealsense2", reason="no pyrealsense2: pushcell[realsense]")
    (tmp_path / "libusb-1.0.so.0").write_text("nothing that could be loaded")
    script = "from pushcell.drivers.realsense_camera import load_sdk; load_sdk()"
    run = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "CameraError: RealSense cameras need libusb-1.0.so.0: apt install" in run.stderr


@needs_sdk
def test_realsense_frames_come_with_the_cameras_own_number_and_time():
    software = Software()
    with software.camera() as camera:
        for number in (5, 6, 9):
            software.show(number, 1000.0 + number / 30)
            got = camera.read(1.0)
            np.testing.assert_array_equal(got.image, image(number))
            assert got.number == number
            assert got.captured_s == pytest.approx(1000.0 + number / 30)
            assert got.clock == "global_time"
            assert got.exposure_s == pytest.approx(0.008)
        assert camera.read(0.05) is None


@needs_sdk
def test_realsense_exposure_is_locked_within_its_range():
    software = Software()
    sensor, option = software.sensor, software.rs.option
    for automatic in (option.enable_auto_exposure, option.enable_auto_white_balance):
        sensor.set_option(automatic, 1)
    with software.camera(exposure_us=5000, white_balance_k=4000):
        assert sensor.get_option(option.exposure) == 5000
        assert sensor.get_option(option.white_balance) == 4000
        assert sensor.get_option(option.enable_auto_exposure) == 0
        assert sensor.get_option(option.enable_auto_white_balance) == 0
        assert sensor.get_option(option.global_time_enabled) == 1
    with pytest.raises(CameraError, match="exposure = 20000, allowed: 1 to 10000"):
        Software().camera(exposure_us=20000).__enter__()
    with pytest.raises(CameraError, match="does not let white_balance be set"):
        Software(without=[option.white_balance]).camera(white_balance_k=4000).__enter__()


@needs_sdk
def test_a_realsense_that_goes_is_opened_again():
    first, second = Software(), Software()
    devices = [first, second]
    camera = ReconnectingCamera(lambda: devices.pop(0).camera(), pause_s=0.01)
    with camera:
        first.show(7, 1000.0)
        assert camera.read(1.0).number == 7
        # Its clock is of another kind all at once, as after a reset: it is of no use as it is.
        first.show(8, 1000.1, first.rs.timestamp_domain.system_time)
        assert camera.read(1.0) is None
        assert "start it again" in camera.problem
        while camera.reconnected == 0:
            camera.read(0.05)
        second.show(1, 1001.0)
        assert camera.read(1.0).number == 1
        assert camera.problem is None


@needs_sdk
def test_realsense_clocks_that_cannot_be_compared_are_refused():
    software = Software()
    with software.camera() as camera:
        software.show(1, 1.0, software.rs.timestamp_domain.hardware_clock)
        with pytest.raises(CameraError, match="switch global time on"):
            camera.read(1.0)
    software = Software()
    with software.camera() as camera:
        software.show(1, 1.0)
        camera.read(1.0)
        software.show(2, 1.1, software.rs.timestamp_domain.system_time)
        with pytest.raises(CameraError, match="from global_time to system_time"):
            camera.read(1.0)


@needs_sdk
def test_realsense_problems_are_one_sentence(tmp_path):
    from pushcell.drivers.realsense_camera import (
        choose,
        find_realsense,
        open_recording,
        require_usb3,
    )

    with pytest.raises(CameraError, match="no colour stream of 128x96 at 30 Hz; it has 64x48"):
        Software().camera(CameraRequest(128, 96, 30.0)).__enter__()
    with pytest.raises(CameraError, match=r"0815 is on USB 2\.1: use a USB 3 port"):
        require_usb3(Software(usb="2.1").device)
    require_usb3(Software(usb="3.2").device)
    with pytest.raises(CameraError, match="there is no RealSense camera '42'; there are: none"):
        find_realsense("42")
    software = Software()
    assert choose([software.device], "0815") is software.device
    with pytest.raises(CameraError, match="there is no RealSense camera '42'; there are: 0815"):
        choose([software.device], "42")
    with (
        software.camera(),
        pytest.raises(CameraError, match="another program has it, or it hangs"),
    ):
        software.camera().__enter__()
    with pytest.raises(CameraError, match="there is no recording"):
        open_recording(tmp_path / "gone.bag")
    (tmp_path / "bad.bag").write_text("nonsense")
    with pytest.raises(CameraError, match="is no recording"):
        open_recording(tmp_path / "bad.bag")


@needs_sdk
def test_a_realsense_recording_plays_as_a_camera(tmp_path):
    from pushcell.drivers.realsense_camera import RealSenseCamera, open_recording

    software = Software()
    try:
        path = tmp_path / "recorded.db3"
        recorder = software.rs.recorder(str(path), software.device)
    except RuntimeError:  # of an older SDK
        path = tmp_path / "recorded.bag"
        recorder = software.rs.recorder(str(path), software.device)
    sensor = recorder.query_sensors()[0]
    queue = software.rs.frame_queue(8)
    sensor.open(software.profile)
    sensor.start(queue)
    for number in range(1, 7):
        software.show(number, 1000.0 + number / 30)
        queue.wait_for_frame(1000)
    sensor.stop()
    sensor.close()
    del sensor, recorder
    with RealSenseCamera(open_recording(path), REQUEST) as camera:
        got = camera.read(5.0)
        np.testing.assert_array_equal(got.image, image(got.number))
        assert got.captured_s == pytest.approx(1000.0 + got.number / 30, abs=1e-3)
