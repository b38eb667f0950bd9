"""Episodes that show the target world's lights and shadows, and copies of them that lack things."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pushcell.bags.bag_reader import BagReader
from pushcell.bags.bag_writer import BagWriter, Topic
from pushcell.bags.messages import COMPRESSED_IMAGE, IMAGE, image_cdr, jpeg_cdr
from pushcell.config.cell import CellConfig
from pushcell.demonstrations.episode_generator import EpisodeGenerator
from pushcell.demonstrations.generation_config import GenerationConfig
from pushcell.recording.episode_info import INFO_FILE, EpisodeInfo
from pushcell.recording.store import BAG_FILE, METADATA_FILE
from pushcell.simulation.shifts import Shifts

Change = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def make_episodes(folder: Path, cell: CellConfig, count: int, visual_gap: bool = False) -> None:
    """Quick pushes; without a visual gap they look as the target world does."""
    generator = EpisodeGenerator(
        GenerationConfig(cell, "source", "planner", 5, Shifts(visual_gap=visual_gap))
    )
    for index in range(count):
        made = generator.make(index)[-1]
        (folder / made.name).mkdir(parents=True)
        for name, content in made.files.items():
            (folder / made.name / name).write_bytes(content)


def copy_without(
    episode: Path,
    out: Path,
    topics: tuple[str, ...] = (),
    pictures: dict[str, Change] | None = None,
    jpeg_quality: int | None = None,
) -> Path:
    """A copy that lacks topics, has some cameras' pictures changed, or all of them as JPEG."""
    out.mkdir(parents=True)
    changes = pictures or {}
    stream = io.BytesIO()
    with BagReader(episode / BAG_FILE) as bag:
        kept = [topic for topic in bag.summary.topics if topic.name not in topics]
        writer = BagWriter(stream, [_stored(topic, jpeg_quality) for topic in kept])
        for message in bag.messages([topic.name for topic in kept]):
            topic, cdr = message.topic, message.cdr
            if bag.types[topic] == IMAGE:
                change = changes.get(topic)
                if change is not None:
                    image = change(bag.pixels(message))
                    cdr = image_cdr(bag.stamp_ns(message), "camera", image)
                if jpeg_quality is not None:
                    topic, cdr = topic + "/compressed", jpeg_cdr(cdr, jpeg_quality)
            writer.add(topic, message.log_ns, cdr)
    metadata = writer.close(BAG_FILE).metadata_yaml(BAG_FILE)
    (out / BAG_FILE).write_bytes(stream.getvalue())
    (out / METADATA_FILE).write_text(metadata)
    (out / INFO_FILE).write_bytes((episode / INFO_FILE).read_bytes())
    return out


def rewrite_info(episode: Path, **changes: object) -> None:
    """Change what ``episode.yaml`` says."""
    info = EpisodeInfo.load(episode).model_copy(update=changes)
    (episode / INFO_FILE).write_text(info.to_yaml())


def _stored(topic: Topic, jpeg_quality: int | None) -> Topic:
    if topic.message_type != IMAGE or jpeg_quality is None:
        return topic
    return Topic(topic.name + "/compressed", COMPRESSED_IMAGE)
