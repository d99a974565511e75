"""The arm over the table: its hand is where the gripper would be, experts still solve everything, chance is still chance.

No `mujoco` marker: the arm's meshes are an extra, and without them these tests are skipped even where MuJoCo is required.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import gymnasium
import numpy as np
import pytest

import embodied_mem.envs
from embodied_mem.envs.mujoco.tabletop import TASK_NAMES
from embodied_mem.envs.mujoco.tabletop.world import HIGH_M, LOW_M
from embodied_mem.errors import ConfigError, MissingExtra

needs_the_arm = pytest.mark.skipif(
    importlib.util.find_spec("gymnasium_robotics") is None,
    reason="gymnasium-robotics is not installed: pip install 'embodied_mem[panda]'",
)
SEED, NUM_SEQUENCES = 11, 2


def make(task: str, **options: Any) -> Any:
    options = {"image_size": (32, 32), "robot": "panda", **options}
    return gymnasium.make(embodied_mem.envs.task_id(task), **options).unwrapped


def played_by_the_expert(env: Any, seed: int) -> bool:
    """Whether the expert succeeds. Without pictures, which are no part of what decides."""
    from embodied_mem.envs.mujoco.tabletop.expert import ScriptedExpert

    env.reset(seed=seed)
    expert = ScriptedExpert(env.episode)
    while not env.episode.is_over:
        env.episode.advance(expert.act())
    return bool(env.episode.is_right)


def test_without_its_meshes_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"embodied_mem\[panda\]"):
        make("CountBlinks")
    with pytest.raises(ConfigError, match="allowed: one of"):
        make("CountBlinks", robot="pando")


@needs_the_arm
def test_the_fingertips_are_where_the_gripper_without_an_arm_has_them_and_point_down() -> None:
    env = make("PutBlockBack")
    table, rng = env._table, np.random.default_rng(0)
    tip = table.model.site("end_effector").id
    for x, y, z in rng.uniform((-0.24, -0.26, 0.02), (0.20, 0.26, 0.20), (40, 3)).tolist():
        table.act(np.array((x, y, z)), close=False)
        table.refresh()
        assert table.tip == (x, y, z)
        np.testing.assert_allclose(table.data.site_xpos[tip], (x, y, z), atol=2e-5)
        assert table.data.site_xmat[tip][8] < -0.99  # within eight degrees of straight down
        fingers = [table.data.body(f"panda0_{side}finger").xpos[1] for side in ("left", "right")]
        assert abs(fingers[0] - fingers[1]) == pytest.approx(table.opening_m, abs=0.002)
    env.close()


@needs_the_arm
def test_a_place_out_of_reach_is_approached_as_far_as_the_arm_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    from embodied_mem.envs.mujoco.tabletop import panda

    monkeypatch.setattr(panda, "BASE_M", (0.75, 0.0, 0.06))
    env = make("PutBlockBack")
    table, far = env._table, np.array((-0.30, 0.0, 0.05))
    table.act(far, close=False)
    table.refresh()
    assert 0.05 < np.linalg.norm(far - table.tip) < 0.4
    assert abs(table.tip[1]) < 0.05  # straight ahead
    shown = table.data.site_xpos[table.model.site("end_effector").id]
    np.testing.assert_allclose(shown, table.tip, atol=2e-5)
    env.close()


@needs_the_arm
def test_all_of_the_table_is_reached_but_for_its_far_corners() -> None:
    env = make("PutBlockBack")
    table, rng = env._table, np.random.default_rng(3)
    corners = [np.array((-0.32, y, 0.0)) for y in (-0.34, 0.34)]
    missed_m = []
    for place in (*corners, *rng.uniform(LOW_M, HIGH_M, (100, 3))):
        table.act(place, close=False)
        table.refresh()
        shown = table.data.site_xpos[table.model.site("end_effector").id]
        np.testing.assert_allclose(shown, table.tip, atol=2e-5)
        missed_m.append(float(np.linalg.norm(place - table.tip)))
    assert max(missed_m) < 0.07
    assert np.mean(np.array(missed_m) > 0.001) < 0.05
    env.close()


@needs_the_arm
def test_the_pose_of_the_arm_tells_nothing_of_the_way_there() -> None:
    env, rng, at_home = make("PutBlockBack"), np.random.default_rng(1), set()
    for _ in range(3):
        for place in rng.uniform((-0.3, -0.3, 0.0), (0.3, 0.3, 0.3), (4, 3)):
            env._table.act(place, close=bool(rng.integers(2)))
        env._table.send_home()
        at_home.add(env._table.data.qpos.tobytes())
    assert len(at_home) == 1
    env.close()


@needs_the_arm
@pytest.mark.parametrize("control", ["key_pose", "velocity"])
@pytest.mark.parametrize("task", TASK_NAMES)
def test_the_expert_solves_the_task_with_the_arm_too(task: str, control: str) -> None:
    env = make(task, control=control)
    assert all(played_by_the_expert(env, seed) for seed in range(5 if control == "key_pose" else 1))
    env.close()


@needs_the_arm
@pytest.mark.parametrize("task", [name for name in TASK_NAMES if name not in ("LiftNTimes", "TakeItBack")])
def test_nothing_seen_from_the_gate_to_the_commit_depends_on_the_hidden_value(task: str) -> None:
    from embodied_mem.envs.mujoco.tabletop.expert import key_pose_action
    from embodied_mem.envs.mujoco.tabletop.task import Hidden

    env = make(task)
    env.reset(seed=SEED)
    shoot = env._cameras.shoot
    blank = shoot()
    env._cameras.shoot = lambda: blank if env.episode.phase == "cue" else shoot()  # half of the time

    def trace(hidden: int, sequence: int) -> list[bytes]:
        """All that is seen from the gate on; what is done before differs by `hidden`."""
        env.reset(seed=SEED + sequence, options={"hidden": hidden})
        before, after = np.random.default_rng([sequence, hidden]), np.random.default_rng(sequence)
        seen, is_over = [], False
        while not is_over:
            rng = before if env.episode.phase == "cue" else after
            poses = env.task.choice_poses(env.episode.layout, Hidden(index=int(rng.integers(k))))
            observation, _, terminated, truncated, _ = env.step(
                key_pose_action(poses[int(rng.integers(len(poses)))])
            )
            is_over = terminated or truncated
            if env.episode.phase != "cue":
                seen += [np.asarray(value).tobytes() for value in observation.values()]
        return seen

    k = env.task.facts.num_choices
    for sequence in range(NUM_SEQUENCES):
        traces = [trace(hidden, sequence) for hidden in range(min(k, 4))]
        assert all(one == traces[0] for one in traces[1:])
    env.close()


@needs_the_arm
def test_pictures_show_the_arm_as_the_robot() -> None:
    env = make("CountBlinks", image_size=(64, 64), cameras=("side",))
    seen, _ = env.reset(seed=0)
    seen, *_ = env.step(np.array((0.0, 0.0, 0.0, -1.0), dtype=np.float32))
    is_robot = seen["segmentation"] // 1000 == env.category_names.index("robot")
    plain = make("CountBlinks", image_size=(64, 64), cameras=("side",), robot="gripper")
    plain.reset(seed=0)
    gripper, *_ = plain.step(np.array((0.0, 0.0, 0.0, -1.0), dtype=np.float32))
    assert (
        is_robot.sum() > 2 * (gripper["segmentation"] // 1000 == env.category_names.index("robot")).sum() > 0
    )
    env.close()
    plain.close()
