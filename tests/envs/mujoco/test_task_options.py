"""Every option of the memory tasks does something in every one of them, at the table and in a home."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

from embodied_mem.envs import task_id
from embodied_mem.envs.mujoco.mobile import HOME_TASK_NAMES
from embodied_mem.envs.mujoco.tabletop import TASK_NAMES
from embodied_mem.errors import ConfigError

pytestmark = pytest.mark.mujoco

SEED, SIZE, SCENE_STEPS = 5, (32, 40), 3
EVERY_TASK = (*TASK_NAMES, *HOME_TASK_NAMES)


def make(task: str, **options: Any) -> Any:
    return gymnasium.make(task_id(task), image_size=SIZE, disable_env_checker=True, **options).unwrapped


def actor_of(env: Any, task: str) -> Any:
    """The expert, except that it searches in vain, where it would find the thing at once."""
    from embodied_mem.envs.mujoco.tabletop.expert import ScriptedExpert

    if task == "SearchNoRevisit":
        return lambda: 1
    return env.expert_action if task in HOME_TASK_NAMES else ScriptedExpert(env.episode).act


def played_to_the_end_of_the_gate(env: Any, task: str) -> tuple[list[dict[str, Any]], list[int], int]:
    """What is seen up to when the gate opens, its stamps, and for how many steps it was shut."""
    observation, info = env.reset(seed=SEED, options={"hidden": 0} if task == "SearchNoRevisit" else None)
    act, seen, stamps, num_shut = actor_of(env, task), [observation], [info["stamp_ns"]], 0
    while True:
        observation, *_, info = env.step(act())
        phase = env.phase if task in HOME_TASK_NAMES else env.episode.phase
        seen.append(observation)
        stamps.append(info["stamp_ns"])
        if phase == "gate":
            num_shut += 1
        elif num_shut:
            return seen, stamps, num_shut


@pytest.mark.parametrize("task", EVERY_TASK)
def test_options_of_the_gate_and_of_noise_do_what_they_say(task: str) -> None:
    plain, other = (
        make(task),
        make(task, delay=5, interference=2, noise=1.0, instance_ids="constant", epoch_ns=7),
    )
    seen, stamps, num_shut = played_to_the_end_of_the_gate(plain, task)
    faulty, later, num_longer_shut = played_to_the_end_of_the_gate(other, task)
    assert num_longer_shut - num_shut == (5 - 2) + 2 * SCENE_STEPS
    assert stamps[0] - later[0] == 1_000_000_000 - 7
    assert (seen[0]["depth"] != faulty[0]["depth"]).mean() > 0.5
    first, second = (set(np.unique(one["segmentation"])) for one in (seen[0], seen[-1]))
    assert not (first & second) - {0}  # ids are drawn anew
    first, second = (set(np.unique(one["segmentation"])) for one in (faulty[0], faulty[-1]))
    assert len(first & second) > 1
    plain.close()
    other.close()


@pytest.mark.parametrize("task", EVERY_TASK)
def test_options_of_pictures_do_what_they_say(task: str) -> None:
    first, second = ("head", "left") if task in HOME_TASK_NAMES else ("front", "side")
    both = make(task, cameras=(first, second), obs_modes=("rgb", "depth"), truth_in_info=True)
    alone = make(task, cameras=(second,), obs_modes=("rgb",))
    seen, info = both.reset(seed=SEED)
    view, plain_info = alone.reset(seed=SEED)
    of_one = {"rgb", "depth", "intrinsics", "T_world_camera"}
    assert set(seen) == of_one | {f"{key}_{second}" for key in of_one} | {"proprio", "instruction"}
    assert set(view) == {"rgb", "intrinsics", "T_world_camera", "proprio", "instruction"}
    assert seen in both.observation_space
    assert view in alone.observation_space
    assert view["rgb"].shape == (*SIZE, 3)
    np.testing.assert_array_equal(view["rgb"], seen[f"rgb_{second}"])
    assert (seen["rgb"] != view["rgb"]).any()
    assert not np.allclose(seen["T_world_camera"], view["T_world_camera"])
    assert ("truth" in info, "truth" in plain_info) == (True, False)
    both.close()
    alone.close()


@pytest.mark.parametrize("task", ["PutBlockBack", "FetchSeenObject", "TrackPerson"])
def test_what_the_shared_options_cannot_be_is_refused(task: str) -> None:
    for options, message in (
        ({"cameras": ("behind",)}, "cameras is"),
        ({"obs_modes": ()}, "obs_modes is"),
        ({"noise": -1.0}, "noise is"),
        ({"delay": 0}, "delay is 0"),
        ({"instance_ids": "some"}, "instance_ids is"),
    ):
        with pytest.raises(ConfigError, match=message):
            make(task, **options)


def test_the_cameras_of_a_robot_in_a_home_look_to_its_four_sides() -> None:
    env = make("FetchSeenObject", cameras=("head", "left", "right", "back"), obs_modes=("depth",))
    seen, _ = env.reset(seed=SEED)
    yaw = env.stage.world.robot.yaw_rad
    for camera, turned in (("left", 90.0), ("right", -90.0), ("back", 180.0)):
        ahead = seen[f"T_world_camera_{camera}"][:3, 2]
        expected = yaw + np.radians(turned)
        np.testing.assert_allclose(ahead, (np.cos(expected), np.sin(expected), 0.0), atol=1e-6)
    env.close()


def test_looking_on_changes_nothing() -> None:
    watched, alone = make("WhatChanged", render_mode="rgb_array"), make("WhatChanged")
    for env in (watched, alone):
        env.reset(seed=SEED)
    picture = watched.render()
    one, other = watched.step(0)[0], alone.step(0)[0]
    assert picture.shape == (*SIZE, 3)
    for key in one:
        assert np.asarray(one[key]).tobytes() == np.asarray(other[key]).tobytes()
    watched.close()
    alone.close()


def test_a_home_task_plays_in_processes_of_its_own_and_is_recorded_as_a_video(tmp_path: Any) -> None:
    import functools

    env_id = task_id("WhatChanged", num_distracting_scenes=3)
    # A spawned process knows nothing of this one: the id names the module that registers it.
    make_one = functools.partial(gymnasium.make, f"embodied_mem.envs:{env_id}", image_size=SIZE)
    together = gymnasium.vector.AsyncVectorEnv([make_one], context="spawn")
    alone = gymnasium.wrappers.RecordVideo(
        gymnasium.make(env_id, image_size=SIZE, render_mode="rgb_array"), str(tmp_path), disable_logger=True
    )
    try:
        seen, _ = together.reset(seed=[SEED])
        moved, *_ = together.step(np.array([0]))
        mine, _ = alone.reset(seed=SEED)
        assert seen["rgb"][0].tobytes() == mine["rgb"].tobytes()
        assert moved["rgb"][0].tobytes() == alone.step(0)[0]["rgb"].tobytes()
    finally:
        together.close()
        alone.close()
    (video,) = tmp_path.glob("*.mp4")
    assert video.stat().st_size > 500
