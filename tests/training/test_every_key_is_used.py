"""Every key of a training's configuration is read by code outside the schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pushcell.training.config import TrainConfig, train_config_of
from pushcell.training.export import export
from pushcell.training.trainer import LAST, train
from tests.key_reads import keys_of, record
from tests.training import examples
from tests.training.test_object_frame_denoiser import OBJECT_FRAME
from tests.training.test_policies import POLICIES

CONSTANT = {("ActConfig", "max_prefix"), ("NearestConfig", "max_prefix")}  # 0
IMAGES = {
    "steps": 1,
    "features": ["pusher"],
    "vision": {"cameras": ["overhead"], "image_px": [16, 16], "crop_px": [12, 12], "width": 8},
}
VARIANTS: dict[str, dict[str, Any]] = {
    name: {"policy": policy} for name, policy in POLICIES.items()
} | {
    "object_frame": {
        **OBJECT_FRAME,
        "observation": {
            **OBJECT_FRAME["observation"],
            "features": [*OBJECT_FRAME["observation"]["features"], "pusher_near_home"],
            "home": [0.5, 0.1],
        },
    },
    "images": {"policy": POLICIES["flow"], "observation": IMAGES},
    "labelled": {"domains": {"target": "others", "label": True, "drop_label": 0.1}},
    "alike": {"domains": {"target": "others", "adversarial": 0.1, "mmd": 0.1, "source_from": 0.1}},
    "pose_estimator": {
        "policy": {"kind": "pose", "hidden": 16, "corners": examples.CORNERS},
        "observation": IMAGES,
    },
}


def described(folder: Path, sections: dict[str, Any]) -> TrainConfig:
    """One of the variants, of two data sets."""
    values = examples.config_values(folder, training={"steps": 2}, log={"validate_every": 1})
    names = ("walks", "others")
    values["data"]["sets"] = [
        {"name": name, "path": str(folder / f"{name}.parquet"), "weight": 1.0} for name in names
    ]
    values["data"]["mixture"] = {"kind": "weights"}
    if "object_frame" in str(sections):
        values["data"]["sets"] = [{**item, "weight": None} for item in values["data"]["sets"]]
        values["data"]["mixture"] = {"kind": "fixed", "target": "others", "alpha": 0.5}
    return train_config_of({**values, **sections}, "test")


def test_every_key_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, name in enumerate(("walks", "others")):
        examples.packed(tmp_path / f"{name}.parquet", 4, number, cameras=("overhead",))
    configs = {name: described(tmp_path, sections) for name, sections in VARIANTS.items()}
    read = record(monkeypatch, ("pushcell.training.config", "pushcell.config"))
    for name, config in configs.items():
        (tmp_path / name).mkdir()
        train(config, tmp_path / name, None, lambda *_: None)
    export(tmp_path / "object_frame" / LAST, tmp_path / "bundle", 4, "fp32")
    read = set(read)  # before this test reads them all itself
    keys = keys_of(tuple(configs.values()))
    unread = {key for key in keys - read if key[1] != "kind" and key not in CONSTANT}
    assert not unread, sorted(unread)
