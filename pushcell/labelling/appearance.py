"""What a slider looks like to a cell's cameras: learned from episodes, kept in a file."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pushcell.errors import ConfigError
from pushcell.labelling.colours import COLOURS, ColourModel

_MOST_BYTES = 16 << 20
# What numpy raises for files that are none of its own, or damaged; it reads headers as Python.
_UNREADABLE = (
    OSError, ValueError, KeyError, AttributeError, EOFError, NotImplementedError, RuntimeError,
    SyntaxError, TypeError, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@dataclass(frozen=True)
class SliderAppearance:
    """A slider's name, its thickness [m], and its colours by camera."""

    slider: str
    height_m: float
    colours: dict[str, ColourModel]

    def save(self, path: Path) -> None:
        """Write it as a file of numpy."""
        path.parent.mkdir(parents=True, exist_ok=True)
        shares = {f"colours/{name}": model.share for name, model in self.colours.items()}
        with path.open("wb") as file:
            np.savez_compressed(
                file,
                slider=np.array(self.slider),
                height_m=np.array(self.height_m),
                **shares,  # type: ignore[arg-type]
            )

    @classmethod
    def load(cls, path: Path) -> SliderAppearance:
        """Read one; raises ConfigError for what ``pushcell label --appearance`` did not write."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                if sum(part.file_size for part in arrays.zip.infolist()) > _MOST_BYTES:
                    raise ValueError(f"it holds more than {_MOST_BYTES >> 20} MB")
                colours = {
                    name.removeprefix("colours/"): _colours(arrays[name])
                    for name in arrays.files
                    if name.startswith("colours/")
                }
                slider, height_m = str(arrays["slider"]), float(arrays["height_m"])
            if not 0 < height_m < 0.2:
                raise ValueError(f"the slider would be {height_m} m thick")
        except FileNotFoundError:
            raise ConfigError(
                f"there is no file {path}: pushcell label EPISODES --appearance FILE writes it"
            ) from None
        except _UNREADABLE as error:
            raise ConfigError(
                f"{path} is not what pushcell label --appearance writes ({error})"
            ) from None
        return cls(slider, height_m, colours)


def _colours(share: np.ndarray) -> ColourModel:
    if share.shape != (COLOURS,) or share.dtype != np.float32:
        raise ValueError(f"colours of shape {share.shape} {share.dtype}")
    if not ((share >= 0) & (share <= 1)).all():
        raise ValueError("a share of a colour that is not in 0 to 1")
    return ColourModel(share)
