"""Every YAML file under configs/ composes, builds its dataclasses and runs."""

import dataclasses

import pytest

pytest.importorskip("hydra")

from embodied_mem.benchmarks.episode import run_episode
from embodied_mem.benchmarks.run_configs import EpisodeConfig, ReplayConfig
from embodied_mem.cli import compose
from embodied_mem.robot_memory import RobotMemory
from embodied_mem.testing.synthetic_room import SyntheticRoom

CHOICES = sorted((group, name) for group, names in compose.groups().items() for name in names)
PRIMARY = sorted(path.stem for path in compose.config_folder().glob("*.yaml"))


def test_every_file_is_covered_here():
    files = {path.relative_to(compose.config_folder()) for path in compose.config_folder().rglob("*.yaml")}
    assert len(files) == len(CHOICES) + len(PRIMARY)
    assert set(PRIMARY) == {"demo", "episode", "eval", "replay", "train"}


@pytest.mark.mujoco
@pytest.mark.parametrize("primary", ["demo", "episode"])
def test_a_command_s_config_runs(primary, tmp_path):
    run(compose.load(EpisodeConfig, primary, ["max_steps=3", "env.image_size=[48,64]"]), tmp_path)


@pytest.mark.mujoco
@pytest.mark.parametrize(("group", "name"), CHOICES)
def test_a_choice_of_a_group_runs(group, name, tmp_path):
    overrides = [f"{group}={name}", "max_steps=3", "env.image_size=[48,64]"]
    run(compose.load(EpisodeConfig, "episode", overrides), tmp_path)


def test_the_replay_config_gives_a_memory_that_takes_frames():
    config = compose.load(ReplayConfig, "replay")
    with RobotMemory.open(config=config.memory) as memory:
        for frame in SyntheticRoom(0).frames(2):
            memory.observe(frame)
        assert memory.entities()


@pytest.mark.mujoco
def test_an_episode_that_only_explores_never_goes_away(tmp_path):
    phases = set()
    config = compose.load(
        EpisodeConfig, "episode", ["max_steps=40", "env.image_size=[16,16]", "observe_every=20"]
    )
    with RobotMemory.open() as memory:
        episode = run_episode(
            config, memory, log_path=tmp_path / "log.jsonl", on_step=lambda step, phase: phases.add(phase)
        )
    assert phases == {"explore"}
    assert (episode.num_steps, episode.num_frames) == (40, 2)


def run(config, tmp_path):
    with RobotMemory.open(tmp_path / "memory", dataclasses.replace(config.memory)) as memory:
        episode = run_episode(
            config, memory, log_path=tmp_path / "log.jsonl", on_step=lambda step, phase: None
        )
        assert episode.num_frames == episode.num_steps == 3
        assert episode.path_world.shape == (3, 3)
        assert len(memory.map_snapshot()) > 0
