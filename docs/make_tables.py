"""Writes the tables of what is read into the documents, from the code that reads it.

python docs/make_tables.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pushcell.bags.inflated_bag import FORMAT
from pushcell.bags.pixels import ENCODINGS
from pushcell.cameras.camera_model import COEFFICIENTS
from pushcell.formats.lerobot_files import IMAGE_KINDS, VERSIONS
from pushcell.formats.lerobot_layout import VECTORS
from pushcell.formats.pusht_format import BRIGHTNESS, PLACES
from pushcell.replay.message_reader import CHUNK, IMAGES
from pushcell.replay.open_recording import SUFFIXES
from pushcell.replay.poses import POSES, TWIST

DOCS = Path(__file__).parent
BEGIN, END = "<!-- what is read: docs/make_tables.py writes this -->", "<!-- to here -->"


def replay_table() -> str:
    """Of bags."""
    return _table(
        ("in a bag", "what is read"),
        [
            ("files", f"{_code(SUFFIXES)}; folders of them with `metadata.yaml` or without"),
            ("compression", f"by chunk (zstd, lz4), by file, by message ({FORMAT})"),
            ("poses, targets", _code(POSES)),
            ("velocities", f"`{TWIST}`, with `integrate_from`"),
            ("other types", "by `fields`"),
            ("chunks", f"`{CHUNK}`"),
            ("images", _code(IMAGES)),
            ("encodings", _code(ENCODINGS)),
            ("compressed images", "JPEG, PNG, and `compressedDepth` of `16UC1` in PNG"),
        ],
    )


def data_table() -> str:
    """Of data sets."""
    features = f"features {_code(VECTORS)} and `observation.images.*`"
    places = f"places of {PLACES.least:g} to {PLACES.most:g} px"
    light = f"images of {BRIGHTNESS.least:g} to {BRIGHTNESS.most:g}"
    kinds = " or ".join(IMAGE_KINDS)
    return _table(
        ("in a data set", "what is read"),
        [
            ("LeRobot", f"{', '.join(VERSIONS)}; {features}"),
            ("images there", f"{kinds}; in Parquet, in files beside it, any video of FFmpeg"),
            ("rows there", "by `frame_index`; `timestamp` must be `frame_index / fps`"),
            ("Push-T", f"{places}, {light}, radians; also as a zip"),
        ],
    )


def lens_table() -> str:
    """Of camera_info files."""
    rows = [(f"`{model}`", " or ".join(map(str, n))) for model, n in COEFFICIENTS.items()]
    return _table(("lens model", "coefficients"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "replay.md": replay_table,
    "demonstrations.md": data_table,
    "calibration.md": lens_table,
}


def with_table(text: str, table: str) -> str:
    """A document with its table made anew."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table}\n{END}{rest.partition(END)[2]}"


def main() -> None:
    """Write all of them."""
    for name, table in TABLES.items():
        path = DOCS / name
        path.write_text(with_table(path.read_text(encoding="utf-8"), table()), encoding="utf-8")


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    main()
