"""The tabletop envs as Gymnasium sees them, and what their experts and rules do."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from ctypes.util import find_library
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import embodied_mem.envs
from embodied_mem.envs.frames import to_events, to_frame
from embodied_mem.envs.mujoco.tabletop import TASK_NAMES
from embodied_mem.errors import ConfigError, UnknownConfigKey

pytestmark = pytest.mark.mujoco

NUM_EXPERT_SEEDS = 100


def make(task: str, **options: Any) -> Any:
    options.setdefault("image_size", (32, 32))
    return gymnasium.make(embodied_mem.envs.task_id(task), **options)


def expert_of(env: Any) -> Any:
    from embodied_mem.envs.mujoco.tabletop.expert import ScriptedExpert

    return ScriptedExpert(env.unwrapped.episode)


def play_expert(env: Any, seed: int) -> tuple[list[Any], dict[str, Any]]:
    observation, info = env.reset(seed=seed)
    expert, seen, is_over = expert_of(env), [observation], False
    while not is_over:
        observation, _, terminated, truncated, info = env.step(expert.act())
        seen.append(observation)
        is_over = terminated or truncated
    return seen, info


def assert_same_bytes(a: Any, b: Any) -> None:
    assert a.keys() == b.keys()
    for key in a:
        assert np.asarray(a[key]).tobytes() == np.asarray(b[key]).tobytes(), key


def test_the_names_that_are_registered_are_those_of_the_catalog() -> None:
    from embodied_mem.envs.mujoco.tabletop.catalog import TASKS, make_task

    assert tuple(TASKS) == TASK_NAMES
    for name in TASK_NAMES:
        assert make_task(name).facts.name == name
    with pytest.raises(ConfigError, match="Did you mean 'PutBlockBack'"):
        make_task("PutBlokBack")


@pytest.mark.parametrize("task", TASK_NAMES)
def test_every_task_keeps_gymnasiums_contract(task: str) -> None:
    env = make(task, render_mode="rgb_array")
    check_env(env.unwrapped)
    env.close()


@pytest.mark.parametrize("task", TASK_NAMES)
def test_seeds_reproduce_to_the_byte(task: str) -> None:
    first, second = make(task), make(task)
    second.reset(seed=9)  # what went before leaves nothing behind
    second.step(second.action_space.sample())
    (a, info_a), (b, info_b) = play_expert(first, 3), play_expert(second, 3)
    assert len(a) == len(b)
    for one, other in zip(a, b, strict=True):
        assert_same_bytes(one, other)
    assert info_a == info_b
    first.close()
    second.close()


@pytest.mark.parametrize("control", ["key_pose", "velocity"])
@pytest.mark.parametrize("task", TASK_NAMES)
def test_the_expert_solves_every_seed(task: str, control: str) -> None:
    """Without pictures, which are no part of what decides."""
    from embodied_mem.envs.mujoco.tabletop.config import TabletopConfig
    from embodied_mem.envs.mujoco.tabletop.episode import Episode, Streams, draw_hidden
    from embodied_mem.envs.mujoco.tabletop.expert import ScriptedExpert

    env = make(task, control=control).unwrapped
    config, solved = TabletopConfig(control=control), 0
    num_seeds = NUM_EXPERT_SEEDS if control == "key_pose" else NUM_EXPERT_SEEDS // 10
    for seed in range(num_seeds):
        streams = Streams.of(seed)
        episode = Episode(
            task=env.task, table=env._table, config=config, hidden=draw_hidden(env.task, streams.hidden),
            nuisance=streams.nuisance,
        )  # fmt: skip
        expert = ScriptedExpert(episode)
        while not episode.is_over:
            episode.advance(expert.act())
        solved += episode.is_right
    assert solved == num_seeds
    env.close()


def test_a_step_becomes_a_frame_and_events_like_those_of_every_other_env() -> None:
    env = make("PutBlockBack", image_size=(48, 64))
    observation, info = env.reset(seed=1)
    frame = to_frame(observation, info, env.unwrapped.category_names)
    labels = [detection.label for detection in frame.detections]
    assert (labels.count("block"), labels.count("pad")) == (1, 4)
    *_, info = env.step(expert_of(env).act())
    (event,) = to_events(info)
    assert (event.kind, event.objects[0].label) == ("pick", "block")
    env.close()


def test_depth_and_the_cameras_pose_put_the_block_where_it_stands() -> None:
    for camera in ("front", "top", "side"):
        env = make("RememberColor3", image_size=(128, 128), cameras=(camera,)).unwrapped
        seen, _ = env.reset(seed=4)
        is_block = seen["segmentation"] // 1000 == env.category_names.index("block")
        v, u = np.nonzero(is_block)
        z, K, T = seen["depth"][v, u].astype(float), seen["intrinsics"], seen["T_world_camera"]
        points = (
            np.stack([(u - K[0, 2]) / K[0, 0] * z, (v - K[1, 2]) / K[1, 1] * z, z], 1) @ T[:3, :3].T
            + T[:3, 3]
        )
        name = next(n for n in env.task.names if env._table.is_here(n))
        local = points - np.array(env._table.position(name)) - (0.0, 0.0, 0.0225)
        assert len(points) > 20
        assert np.abs(np.abs(local).max(axis=1) - 0.0225).max() < 0.003
        env.close()


def test_more_cameras_and_fewer_modes_give_the_keys_that_were_asked_for() -> None:
    env = make("CountBlinks", cameras=("top", "front"), obs_modes=("rgb",))
    seen, _ = env.reset(seed=0)
    assert set(seen) == {
        "rgb", "intrinsics", "T_world_camera", "rgb_front", "intrinsics_front", "T_world_camera_front", "proprio",
        "instruction",
    }  # fmt: skip
    assert (seen["rgb"] != seen["rgb_front"]).any()
    env.close()


def test_noise_disturbs_images_and_the_same_seed_disturbs_them_equally() -> None:
    clean, noisy = make("RememberColor3"), make("RememberColor3", noise=1.0)
    a, b, c = clean.reset(seed=5)[0], noisy.reset(seed=5)[0], noisy.reset(seed=5)[0]
    assert_same_bytes(b, c)
    assert (a["rgb"] != b["rgb"]).mean() > 0.3
    assert (a["depth"] != b["depth"]).mean() > 0.3
    clean.close()
    noisy.close()


def test_delay_and_distracting_scenes_lengthen_the_gate_and_nothing_else() -> None:
    def phases(**options: Any) -> list[str]:
        env = make("RememberColor3", **options)
        env.reset(seed=2)
        expert, seen, is_over = expert_of(env), [], False
        while not is_over:
            *_, terminated, truncated, _ = env.step(expert.act())
            seen.append(env.unwrapped.episode.phase)
            is_over = terminated or truncated
        env.close()
        return seen

    plain, longer, busy = phases(), phases(delay=7), phases(interference=2)
    assert plain.count("gate") == 2
    assert longer.count("gate") == 7
    assert busy.count("gate") == 2 + 2 * 3
    assert plain.count("choice") == longer.count("choice") == busy.count("choice")


def test_the_interference_variant_shows_blocks_behind_the_gate() -> None:
    env = gymnasium.make(
        embodied_mem.envs.task_id("CountBlinks", num_distracting_scenes=3), image_size=(48, 48)
    ).unwrapped
    env.reset(seed=0)
    block, num_with_blocks = env.category_names.index("block"), 0
    while env.episode.phase != "choice":
        seen = env.step(np.zeros(4, np.float32))[0]
        num_with_blocks += block in np.unique(seen["segmentation"] // 1000)
    assert num_with_blocks == 9
    env.close()


def test_a_wrong_commit_ends_a_strict_episode_and_only_costs_time_in_a_lenient_one() -> None:
    from embodied_mem.envs.mujoco.tabletop.expert import key_pose_action
    from embodied_mem.envs.mujoco.tabletop.task import Hidden

    for strict in (True, False):
        env = make("RememberColor3", strict=strict).unwrapped
        env.reset(seed=0, options={"hidden": 0})
        while env.episode.phase != "choice":
            env.step(expert_of(env).act())
        wrong, right = (
            key_pose_action(env.task.choice_poses(env.episode.layout, Hidden(index=i))[0]) for i in (1, 0)
        )
        *_, terminated, _, info = env.step(wrong)
        assert terminated is strict
        assert info["failure"] == ("recall" if strict else "")
        if not strict:
            _, reward, terminated, _, info = env.step(right)
            assert (reward, terminated, info["success"]) == (1.0, True, True)
        env.close()


def test_lenient_rules_leave_things_as_the_robot_left_them_and_wait_for_the_block_to_be_moved() -> None:
    env = make("PutBlockBack", strict=False).unwrapped
    env.reset(seed=0)
    block = env._table.position("block")
    from embodied_mem.envs.mujoco.tabletop.expert import key_pose_action
    from embodied_mem.envs.mujoco.tabletop.task import press

    for pose in press(env.episode.layout.places["button"]):
        env.step(key_pose_action(pose))
    assert env.episode.phase == "cue"  # the block is still on its pad
    expert = expert_of(env)
    while env.episode.phase == "cue":
        env.step(expert.act())
    assert env.episode.phase == "choice"
    assert env._table.position("block") != block
    env.close()


def test_failures_are_told_apart() -> None:
    for act, expected in (("rest", "no_commit"), ("lift", "motor")):
        env = make("PutBlockBack").unwrapped
        env.reset(seed=0)
        from embodied_mem.envs.mujoco.tabletop.expert import REST, key_pose_action
        from embodied_mem.envs.mujoco.tabletop.task import KeyPose

        truncated = False
        while not truncated:
            pose = REST
            if act == "lift" and env.episode.phase == "choice":
                pose = KeyPose(position_m=env._table.grasp_point("block"), close=True)
            *_, terminated, truncated, info = env.step(key_pose_action(pose))
            assert not terminated
        assert (info["failure"], info["success"]) == (expected, False)
        env.close()


def test_the_truth_is_in_info_only_when_asked_for() -> None:
    plain, telling = make("CountBlinks"), make("CountBlinks", truth_in_info=True)
    assert "truth" not in plain.reset(seed=0)[1]
    assert telling.reset(seed=0, options={"hidden": 4})[1]["truth"]["hidden"] == 4
    with pytest.raises(ConfigError, match="takes 0 to 4"):
        plain.reset(seed=0, options={"hidden": 5})
    plain.close()
    telling.close()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"delay": 0}, "delay is 0"),
        ({"cameras": ("wrist",)}, "cameras"),
        ({"control": "torque"}, "control"),
        ({"obs_modes": ()}, "obs_modes"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        make("CountBlinks", **options)


def test_an_unknown_option_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(UnknownConfigKey, match="Did you mean 'delay'"):
        make("CountBlinks", delays=3)


def test_environments_in_processes_of_their_own_give_what_one_in_this_process_gives() -> None:
    env_id = embodied_mem.envs.task_id("RememberColor3")
    # A spawned process knows nothing of this one: the id names the module that registers it.
    make_one = functools.partial(gymnasium.make, f"embodied_mem.envs:{env_id}", image_size=(32, 32))
    together = gymnasium.vector.AsyncVectorEnv([make_one, make_one], context="spawn")
    alone = make("RememberColor3")
    try:
        seen, _ = together.reset(seed=[5, 6])
        action = together.action_space.sample()
        moved, *_ = together.step(action)
        for i, seed in enumerate((5, 6)):
            mine, _ = alone.reset(seed=seed)
            assert seen["rgb"][i].tobytes() == mine["rgb"].tobytes()
            assert moved["rgb"][i].tobytes() == alone.step(action[i])[0]["rgb"].tobytes()
    finally:
        together.close()
        alone.close()


def test_osmesa_draws_what_egl_draws() -> None:
    """MuJoCo takes one renderer for good when it is imported, so each draws in a process of its own."""
    env_id = embodied_mem.envs.task_id("RememberColor3")
    code = (
        f"import gymnasium, sys; env = gymnasium.make('embodied_mem.envs:{env_id}', image_size=(32, 32)).unwrapped;"
        "seen, _ = env.reset(seed=7); env.close(); sys.stdout.write(seen['rgb'].tobytes().hex())"
    )
    pictures = []
    # The renderer that this process has taken names its platform in the environment.
    inherited = {name: value for name, value in os.environ.items() if name != "PYOPENGL_PLATFORM"}
    for renderer in ("egl", "osmesa") if find_library("OSMesa") else ("egl",):
        drawn = subprocess.run(
            [sys.executable, "-c", code], env={**inherited, "MUJOCO_GL": renderer}, capture_output=True, text=True, check=True
        )  # fmt: skip
        pictures.append(np.frombuffer(bytes.fromhex(drawn.stdout), dtype=np.uint8).astype(float))
    assert len(pictures[0]) == 32 * 32 * 3
    assert np.ptp(pictures[0]) > 50
    for other in pictures[1:]:
        assert np.abs(other - pictures[0]).mean() < 2.0


def test_an_episode_can_be_recorded_as_a_video(tmp_path: Path) -> None:
    env = gymnasium.wrappers.RecordVideo(
        make("RememberColor3", render_mode="rgb_array", image_size=(64, 64)),
        str(tmp_path),
        disable_logger=True,
    )
    play_expert(env, 0)
    env.close()
    (video,) = tmp_path.glob("*.mp4")
    assert video.stat().st_size > 1000
