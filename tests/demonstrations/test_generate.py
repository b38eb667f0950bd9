"""Generation: the same episodes in any order, one configuration in a folder, and the command."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from pushcell.cli import main as cli
from pushcell.demonstrations.episode_generator import EpisodeGenerator, GeneratedEpisode
from pushcell.demonstrations.generate import generate
from pushcell.demonstrations.generation_config import GenerationConfig
from pushcell.errors import ConfigError, EpisodeError
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.simulation.shifts import RUN_TIME_SHIFTS, Shifts
from tests.conftest import ROOT
from tests.demonstrations.examples import config_of, generated_here, silently


def test_any_order_and_any_number_make_the_same_episode(cell) -> None:
    generator = EpisodeGenerator(config_of(cell, images=True))
    first, again = generator.make(5), [generator.make(0), generator.make(5)][1]
    assert first == again
    assert EpisodeGenerator(config_of(cell, images=True, seed=2)).make(5) != first


def test_two_do_not_write_into_one_folder(cell, tmp_path) -> None:
    def nested(
        config: GenerationConfig, indices: Iterable[int]
    ) -> Iterator[list[GeneratedEpisode]]:
        generate(config, tmp_path, 1, generated_here, silently)
        yield from ()

    with pytest.raises(EpisodeError, match="another pushcell is writing there"):
        generate(config_of(cell), tmp_path, 1, nested, silently)
    assert generate(config_of(cell), tmp_path, 1, generated_here, silently).complete == 1


def test_another_configuration_is_not_mixed_in(cell, tmp_path) -> None:
    generate(config_of(cell), tmp_path, 1, generated_here, silently)
    for other in (
        config_of(cell, seed=2),
        config_of(cell, "goal=2"),
        config_of(cell, world="target"),
    ):
        with pytest.raises(EpisodeError, match="choose another folder"):
            generate(other, tmp_path, 2, generated_here, silently)
    (tmp_path / "generation.yaml").write_text("")
    with pytest.raises(EpisodeError, match=r"generation.yaml is damaged"):
        generate(config_of(cell), tmp_path, 2, generated_here, silently)


def test_a_folder_in_which_nothing_was_made_takes_any_configuration(cell, tmp_path) -> None:
    generate(config_of(cell, seed=2), tmp_path, 0, generated_here, silently)
    assert generate(config_of(cell), tmp_path, 1, generated_here, silently).complete == 1


def test_what_cannot_be_made_is_refused(cell) -> None:
    with pytest.raises(ConfigError, match="no demonstrator 'nobody'; known are: planner"):
        config_of(cell, demonstrator="nobody")
    for noise_m in (-0.001, np.nan, np.inf):
        with pytest.raises(ConfigError, match="noise must be a length"):
            config_of(cell, noise_m=noise_m)
    with pytest.raises(ConfigError, match="only the source world"):
        GenerationConfig(cell, "target", "planner", 0, Shifts(visual_gap=False))
    for name in RUN_TIME_SHIFTS:
        with pytest.raises(ConfigError, match=f"{name} is a shift of a policy's run time"):
            config_of(cell, f"{name}=2")


def test_the_command_tells_what_it_made(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    words = ["generate", "--world", "source", "--demonstrator", "planner", "--episodes", "3"]
    words += ["--no-images", "--workers", "1", "--out", str(tmp_path), "--json", "-"]
    assert cli.main([*words, "--shift", "goal=2", "--shift", "object=box"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["episodes"], figures["failed"]) == (3, 0)
    assert figures["real_time_factor"] > 0
    assert (tmp_path / "summary.png").stat().st_size > 10_000
    assert cli.main([*words, "--shift", "goal=3"]) == 2
    assert "choose another folder" in capsys.readouterr().err
    assert cli.main([*words, "--start-box", "nan", "0.3"]) == 2
    assert "--start-box must be positive" in capsys.readouterr().err
    fresh = [*words[:-4], "--out", str(tmp_path / "fresh")]
    assert cli.main([*fresh, "--shift", "object=triangle", "centre_of_mass=4"]) == 2
    assert "workers die" not in capsys.readouterr().err
    assert cli.main([*words, "--cell", "nowhere.yaml"]) == 2
    assert "there is no cell 'nowhere.yaml'" in capsys.readouterr().err


def test_a_folder_of_an_older_release_is_completed(cell, tmp_path, capsys) -> None:
    config = config_of(cell, demonstrator="scripted_operator")
    generate(config, tmp_path, 1, generated_here, silently)
    new, old = tmp_path / "generation.yaml", tmp_path / "recipe.yaml"
    text = new.read_text()
    old.write_text(text.replace("scripted_operator", "operator"))
    new.unlink()
    assert generate(config, tmp_path, 2, generated_here, silently).complete == 2
    assert new.read_text() == text
    assert "recipe.yaml is now called generation.yaml" in capsys.readouterr().err
    new.unlink()
    old.write_text(text.replace("seed: ", "seed: 1"))
    with pytest.raises(EpisodeError, match="holds episodes with seed"):
        generate(config, tmp_path, 2, generated_here, silently)


def test_old_names_of_demonstrators_are_taken(tmp_path, capsys) -> None:
    words = ["--world", "source", "--episodes", "1", "--no-images", "--workers", "1"]
    assert cli.main(["generate", "--demonstrator", "steady", "--out", str(tmp_path), *words]) == 0
    assert "steady is now called memoryless_expert" in capsys.readouterr().err
    (episode,) = tmp_path.glob("episode_*")
    assert EpisodeInfo.load(episode).generation.demonstrator == "memoryless_expert"
