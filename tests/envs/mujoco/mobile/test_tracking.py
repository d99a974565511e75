"""Following one of three people: nothing seen tells who, but the cue."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import embodied_mem.envs
from embodied_mem.errors import ConfigError

pytestmark = pytest.mark.mujoco

NUM_SEQUENCES, NUM_STEPS_SEEN, SEED = 20, 8, 2


def make(**options: Any) -> Any:
    options.setdefault("image_size", (24, 32))
    return gymnasium.make(embodied_mem.envs.task_id("TrackPerson"), **options).unwrapped


def as_bytes(seen: dict[str, Any]) -> dict[str, bytes]:
    return {
        key: value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
        for key, value in seen.items()
    }


def test_the_environment_keeps_gymnasiums_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    from embodied_mem.envs.mujoco.mobile import tracking

    draw = tracking.draw_episode
    monkeypatch.setattr(
        tracking, "draw_episode", lambda seed: draw((1, 2))
    )  # drawing a home takes most of a second
    env = make(render_mode="rgb_array")
    check_env(env)
    env.close()


@pytest.mark.parametrize(("num_scenes", "num_sequences"), [(0, NUM_SEQUENCES), (1, 4)])
def test_what_is_seen_after_the_gate_is_the_same_whoever_is_to_be_followed(
    num_scenes: int, num_sequences: int
) -> None:
    env = make(interference=num_scenes)
    for sequence in range(num_sequences):
        traces = []
        for hidden in range(3):
            env.reset(seed=SEED, options={"hidden": hidden})
            rng, trace = np.random.default_rng(sequence), []
            while len(trace) < NUM_STEPS_SEEN + 3 * num_scenes:
                observation, reward, terminated, _, info = env.step(int(rng.integers(6)))
                if env.phase != "cue":
                    trace.append(
                        as_bytes({**observation, "stamp_ns": info["stamp_ns"], "ends": (reward, terminated)})
                    )
            traces.append(trace)
        assert traces[0] == traces[1] == traces[2]
    env.close()


def test_whatever_the_robot_does_at_most_one_of_three_was_right() -> None:
    """So that no policy without memory succeeds more often than in one of three, nor follows for more than a third."""
    env = make()
    view = env.reset(seed=SEED)[0]
    env._observe = lambda: view  # pictures change nothing here
    for sequence in range(6):
        successes, following = 0, 0.0
        for hidden in range(3):
            env.reset(seed=SEED, options={"hidden": hidden})
            rng, is_over = np.random.default_rng(sequence), False
            while not is_over:
                *_, is_over, _, info = env.step(int(rng.choice([1, 1, 1, 4, 5, 0])))
            successes += info["success"]
            following += info["following_rate"]
        assert successes <= 1
        assert following <= 1.0
    env.close()


def test_the_cue_shows_whom_to_follow() -> None:
    env = make(image_size=(64, 80))
    shown = {env.reset(seed=SEED, options={"hidden": hidden})[0]["rgb"].tobytes() for hidden in range(3)}
    assert len(shown) == 3
    env.close()


@pytest.mark.parametrize("seed", [SEED, 3, 4, 74])  # in 74 somebody comes to rest in the robot's way
def test_the_expert_follows_the_right_one_to_the_end(seed: int) -> None:
    env = make(truth_in_info=True)
    view, _ = env.reset(seed=seed)
    env._observe = lambda: view
    is_over = False
    while not is_over:
        _, reward, is_over, _, info = env.step(env.expert_action())
    assert (reward, info["success"], info["failure"]) == (1.0, True, "")
    assert info["following_rate"] > 0.6
    assert info["collision"] in (0.0, 1.0)
    steps = info["tracking"]["following_step"], info["tracking"]["total_step"]
    assert steps[0] / steps[1] == info["following_rate"]
    env.close()


def test_the_record_of_an_episode_is_what_the_published_scorer_reads() -> None:
    from embodied_mem.benchmarks.evaluators import evt

    env = make()
    view = env.reset(seed=SEED, options={"hidden": 0})[0]
    env._observe = lambda: view
    is_over, info = False, {}
    while not is_over:
        assert "tracking" not in info
        *_, is_over, _, info = env.step(0)
    rates = evt.evaluate([info["tracking"]])
    assert rates == {
        "success_rate": 0.0,
        "tracking_rate": info["following_rate"],
        "collision_rate": info["collision"],
    }
    env.close()


def test_a_place_that_nobody_gets_to_is_approached_as_far_as_one_can() -> None:
    env = make()
    view = env.reset(seed=SEED)[0]
    env._observe = lambda: view
    inside_a_wall = (env.world.home.plan.walls[0].bounds.x0, env.world.home.plan.walls[0].bounds.y0)
    x, y = env.reachable(inside_a_wall)
    assert env.reachable((x, y)) == (x, y)
    robot = env.world.robot
    for _ in range(60):
        env.step(env.action_towards(inside_a_wall, 0.3))
    assert np.hypot(robot.x - x, robot.y - y) < 0.7
    env.close()


def test_a_robot_that_a_door_frame_stopped_gets_clear_of_it() -> None:
    env = make()
    view = env.reset(seed=109)[0]
    env._observe = lambda: view
    while env.phase != "choice":
        env.step(0)
    robot, goal = env.world.robot, (4.05, 4.45)
    robot.x, robot.y, robot.yaw_rad = 7.19, 3.89, 3.0  # the frame is right ahead of it
    for _ in range(20):
        env.step(env.action_towards(goal, 0.3))
    assert np.hypot(robot.x - goal[0], robot.y - goal[1]) < 0.7
    env.close()


def test_seeds_reproduce_to_the_byte() -> None:
    first, second = make(), make()
    assert as_bytes(first.reset(seed=SEED)[0]) == as_bytes(second.reset(seed=SEED)[0])
    for action in (0, 0, 1, 1, 4, 2, 5, 1):
        one, other = first.step(action), second.step(action)
        assert as_bytes(one[0]) == as_bytes(other[0])
        assert one[1:] == other[1:]
    first.close()
    second.close()


def test_who_follows_nobody_or_somebody_else_is_told_apart() -> None:
    env = make()
    view = env.reset(seed=SEED, options={"hidden": 0})[0]
    env._observe = lambda: view
    is_over = False
    while not is_over:
        *_, is_over, _, info = env.step(0)
    assert info["failure"] == "no_commit"
    with pytest.raises(ConfigError, match="it is 0 to 2"):
        env.reset(seed=0, options={"hidden": 3})
    env.close()
