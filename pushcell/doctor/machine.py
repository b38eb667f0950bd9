"""Cores, memory, clocks, disk, graphics and what this user may do."""

from __future__ import annotations

import ctypes.util
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from pushcell.doctor.finding import DoctorFinding, bad, good, worth_knowing

_FEW_CORES, _GOOD_CORES = 2, 4
_LITTLE_SPACE_GB, _NO_SPACE_GB = 20.0, 2.0
_COARSE_TIMER_S = 0.002
_SOCKET_BYTES = 4 * 2**20
_SHARED_BYTES = 256 * 2**20
_GROUPS = {"video": "cameras", "dialout": "serial devices"}


def examine() -> Iterator[DoctorFinding]:
    """Everything that no configuration tells."""
    yield _cores()
    yield _space(Path.cwd())
    yield _timer()
    yield _clock()
    yield _real_time()
    yield _sockets()
    yield _shared_memory()
    yield _graphics_card()
    yield _usb()


def _cores() -> DoctorFinding:
    cores = len(os.sched_getaffinity(0))
    if cores < _FEW_CORES:
        return bad("cores", str(cores), f"the node graph needs at least {_FEW_CORES}")
    if cores < _GOOD_CORES:
        return worth_knowing("cores", str(cores), "enough if nothing else runs beside the cell")
    return good("cores", str(cores))


def _space(folder: Path) -> DoctorFinding:
    free_gb = shutil.disk_usage(folder).free / 1e9
    found = f"{free_gb:.0f} GB free in {folder}"
    if free_gb < _NO_SPACE_GB:
        return bad("disk", found, "free some space: a recording would stop")
    if free_gb < _LITTLE_SPACE_GB:
        return worth_knowing("disk", found, "an hour of two cameras takes some 20 GB")
    return good("disk", found)


def _timer() -> DoctorFinding:
    """How late a sleep of one millisecond wakes, at worst of a hundred."""
    late_s = 0.0
    for _ in range(100):
        began = time.monotonic()
        time.sleep(0.001)
        late_s = max(late_s, time.monotonic() - began - 0.001)
    found = f"wakes {1e3 * late_s:.1f} ms late at worst"
    if late_s < _COARSE_TIMER_S:
        return good("timer", found)
    return worth_knowing(
        "timer", found, "the machine is busy or in a power-saving mode: see docs/hardware.md"
    )


def _clock() -> DoctorFinding:
    """Whether the clock is disciplined; only more than one machine needs that."""
    timedatectl = shutil.which("timedatectl")
    advice = "needed if cameras, policy or arm are on other machines: set up chrony"
    if timedatectl is None:
        return worth_knowing("clock", "unknown whether it is synchronised", advice)
    asked = subprocess.run(
        [timedatectl, "show", "--property=NTPSynchronized", "--value"],
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.stdout.strip() == "yes":
        return good("clock", "synchronised")
    return worth_knowing("clock", "not synchronised", advice)


def _real_time() -> DoctorFinding:
    soft, _ = resource.getrlimit(resource.RLIMIT_RTPRIO)
    if os.geteuid() == 0 or soft != 0:
        return good("real-time priority", "allowed")
    return worth_knowing(
        "real-time priority",
        "not allowed",
        "add a line '@realtime - rtprio 20' to /etc/security/limits.d, and this user to that group",
    )


def _sockets() -> DoctorFinding:
    path = Path("/proc/sys/net/core/rmem_max")
    size = int(path.read_text()) if path.exists() else 0
    advice = "enough on one machine; for images from another: sysctl -w net.core.rmem_max=4194304"
    return _sized("socket buffers", size, _SOCKET_BYTES, advice)


def _shared_memory() -> DoctorFinding:
    path = Path("/dev/shm")
    size = shutil.disk_usage(path).total if path.is_dir() else 0
    advice = "images are sent through it; in a container: docker run --shm-size 512m"
    return _sized("shared memory", size, _SHARED_BYTES, advice)


def _sized(what: str, size_bytes: int, enough_bytes: int, advice: str) -> DoctorFinding:
    found = f"{size_bytes / 2**20:.1f} MiB"
    if size_bytes >= enough_bytes:
        return good(what, found)
    return worth_knowing(what, found, advice)


def _graphics_card() -> DoctorFinding:
    program = shutil.which("nvidia-smi")
    if program is None:
        return worth_knowing("GPU", "none", "not needed to roll out; training images takes longer")
    asked = subprocess.run(
        [program, "--query-gpu=name,driver_version", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode:
        return bad("GPU", asked.stdout.strip() or asked.stderr.strip(), "repair its driver")
    return good("GPU", asked.stdout.strip().replace("\n", "; "))


def _usb() -> DoctorFinding:
    """What a RealSense needs on the machine, and who may open devices."""
    if ctypes.util.find_library("usb-1.0") is None:
        return worth_knowing("libusb", "missing", "for RealSense cameras: apt install libusb-1.0-0")
    import grp

    mine = {grp.getgrgid(group).gr_name for group in os.getgroups()}
    missing = [name for name in _GROUPS if name not in mine]
    if os.geteuid() == 0 or not missing:
        return good("devices", "may be opened")
    whose = " and ".join(f"{name} ({_GROUPS[name]})" for name in missing)
    return worth_knowing(
        "devices", f"this user is not in {whose}", f"sudo usermod -aG {','.join(missing)} $USER"
    )
