"""The household env as Gymnasium sees it, and as geometry sees it."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import embodied_mem.envs
from embodied_mem.errors import ConfigError, UnknownConfigKey

pytestmark = pytest.mark.mujoco

SMALL = (60, 80)


def make(**options: Any) -> Any:
    options.setdefault("image_size", SMALL)
    return gymnasium.make(embodied_mem.envs.HOUSEHOLD_ID, **options)


def action(
    speed: float = 0.0, turn: float = 0.0, *, pan: float = 0.0, tilt: float = 0.0, hand: int = 0
) -> Any:
    return {
        "base": np.array([speed, turn], np.float32),
        "head": np.array([pan, tilt], np.float32),
        "hand": hand,
    }


def assert_same_bytes(a: Any, b: Any) -> None:
    assert a.keys() == b.keys()
    for key in a:
        assert np.asarray(a[key]).tobytes() == np.asarray(b[key]).tobytes(), key


def test_the_environment_keeps_gymnasiums_contract() -> None:
    env = make(render_mode="rgb_array")
    check_env(env.unwrapped)
    env.close()


def test_a_seed_resets_to_the_byte_and_two_environments_stay_equal_step_by_step() -> None:
    first, second = make(script="demo"), make(script="demo")
    before, _ = first.reset(seed=3)
    first.step(action(1.0))
    for env in (first, second):
        again, _ = env.reset(seed=3)
        assert_same_bytes(before, again)
    for step in range(12):
        command = action(0.8, 1.0 - 0.2 * step, pan=0.5, tilt=0.3)
        a, b = first.step(command), second.step(command)
        assert_same_bytes(a[0], b[0])
        assert a[4] == b[4]
    first.close()
    second.close()


def test_another_seed_is_another_home() -> None:
    env = make()
    env.reset(seed=1)
    first = env.unwrapped.world.home
    env.reset(seed=2)
    assert env.unwrapped.world.home != first
    env.close()


def test_segmentation_ids_are_drawn_anew_at_every_frame_unless_asked_to_stay() -> None:
    for ids, expected in (("shuffled", False), ("constant", True)):
        env = make(instance_ids=ids)
        a, _ = env.reset(seed=0)
        b = env.step(action())[0]
        assert (a["segmentation"].tobytes() == b["segmentation"].tobytes()) is expected
        assert (a["segmentation"] // 1000 == b["segmentation"] // 1000).all()  # the same categories
        env.close()


def test_depth_and_camera_pose_reproduce_true_surfaces_to_3_mm() -> None:
    """Every back-projected pixel of an axis-aligned floor, tabletop or box lies on that solid's surface."""
    env = make(image_size=(120, 160)).unwrapped
    env.reset(seed=0)
    worst = []
    for command in [action(turn=1.2, tilt=0.8)] * 6 + [action(0.9, -0.6)] * 6:
        seen = env.step(command)[0]
        worst.append(worst_box_error_m(env, seen))
    assert max(worst) < 0.003
    env.close()


def worst_box_error_m(env: Any, seen: Any) -> float:
    """The largest distance (99.9th percentile within a solid) between pixels' points and the box they show."""
    world = env.world
    env._camera._view.look_through(world.head_camera)
    depth, geoms = env._camera._view.depth_and_geoms()
    np.testing.assert_array_equal(np.where(depth > 0.2, depth, 0), seen["depth"])
    v, u = np.nonzero(seen["depth"])
    z = seen["depth"][v, u].astype(np.float64)
    K, T = seen["intrinsics"], seen["T_world_camera"]
    camera = np.stack([(u - K[0, 2]) / K[0, 0] * z, (v - K[1, 2]) / K[1, 1] * z, z], axis=1)
    points = camera @ T[:3, :3].T + T[:3, 3]
    errors = []
    for geom in np.unique(geoms[v, u]):
        if world.model.geom_type[geom] != 6:  # mjGEOM_BOX
            continue
        own = points[geoms[v, u] == geom]
        local = (own - world.data.geom_xpos[geom]) @ world.data.geom_xmat[geom].reshape(3, 3)
        outside = np.abs(local) - world.model.geom_size[geom]
        errors.append(float(np.abs(outside.max(axis=1)).max()))
    assert len(errors) >= 3
    return max(errors)


def test_the_truth_is_in_info_only_when_asked_for() -> None:
    env = make()
    _, info = env.reset(seed=0)
    assert set(info) == {"stamp_ns", "events"}
    env.close()
    env = make(truth_in_info=True)
    _, info = env.reset(seed=0)
    assert len(info["truth"]["objects"]) >= 40
    env.close()


def test_stamps_start_at_the_epoch_and_rise_by_the_control_period() -> None:
    env = make(control_hz=20.0, epoch_ns=5_000_000_000)
    stamps = [env.reset(seed=0)[1]["stamp_ns"]] + [env.step(action())[4]["stamp_ns"] for _ in range(3)]
    assert stamps == [5_000_000_000 + k * 50_000_000 for k in range(4)]
    env.close()


def test_the_base_stops_at_walls_and_furniture() -> None:
    from embodied_mem.envs.mujoco.mjcf import ROBOT_RADIUS_M
    from embodied_mem.envs.mujoco.parts import distance_to_nearest

    env = make(image_size=(16, 16)).unwrapped
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(150):
        env.step(action(1.0, float(rng.uniform(-1.8, 1.8))))
        here = np.array([[env.world.robot.x, env.world.robot.y]])
        assert distance_to_nearest(here, env.world.solid_now()).min() >= ROBOT_RADIUS_M - 1e-6
    env.close()


def test_the_robot_carries_what_it_picks_and_knows_its_own_actions() -> None:
    env = make(truth_in_info=True).unwrapped
    env.reset(seed=0)
    thing = next(o for o in env.world.home.objects if o.receptacle == "kitchen counter")
    stand_before(env, thing)
    _, _, _, _, info = env.step(action(hand=1))
    (event,) = info["events"]
    assert (event["kind"], event["outcome"]) == ("pick", "success")
    held = env.world.robot.holding
    before = np.array(info["truth"]["objects"][held]["centre_world"])
    seen, _, _, _, info = env.step(action(-0.5))
    assert seen["proprio"][7] == 1.0
    moved = np.array(info["truth"]["objects"][held]["centre_world"]) - before
    assert np.linalg.norm(moved) == pytest.approx(0.05, abs=1e-6)
    stand_before(env, thing)
    _, _, _, _, info = env.step(action(hand=2))
    (event,) = info["events"]
    assert (event["kind"], event["outcome"]) == ("place", "success")
    assert event["end_ns"] == info["stamp_ns"]
    assert info["truth"]["objects"][held]["receptacle"] is not None
    assert "id" not in event
    env.close()


def test_a_hand_that_reaches_nothing_fails_and_changes_nothing() -> None:
    env = make(truth_in_info=True).unwrapped
    _, before = env.reset(seed=0)
    _, _, _, _, info = env.step(action(hand=1))
    assert info["events"][0]["outcome"] == "failed"
    assert info["truth"]["objects"] == before["truth"]["objects"]
    env.close()


def stand_before(env: Any, thing: Any) -> None:
    from embodied_mem.envs.mujoco.person import standing_place

    x, y = standing_place(env.world, thing.receptacle, thing.position_world)
    robot = env.world.robot
    robot.x, robot.y = x, y
    robot.yaw_rad = float(np.arctan2(thing.position_world[1] - y, thing.position_world[0] - x))


def test_noise_on_request_roughens_depth_and_loses_pixels() -> None:
    clean, noisy = (
        make(),
        make(depth_noise={"floor_m": 0.001, "growth": 0.002, "rim_dropout": 0.5, "dropout": 0.01}),
    )
    a, b = clean.reset(seed=0)[0]["depth"], noisy.reset(seed=0)[0]["depth"]
    lost = (a > 0) & (b == 0)
    assert 0.005 < lost.mean() < 0.3
    kept = (a > 0) & (b > 0) & (a < 4)
    assert 0.0005 < float(np.abs(a - b)[kept].mean()) < 0.03
    clean.close()
    noisy.close()


def test_the_picture_from_above_shows_the_home() -> None:
    env = make(render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    assert picture.shape == (480, 640, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100
    env.close()


def test_an_episode_is_truncated_at_max_steps() -> None:
    env = make(max_steps=2)
    env.reset(seed=0)
    assert [env.step(action())[3] for _ in range(2)] == [False, True]
    env.close()


def test_an_unknown_option_is_refused_with_the_nearest_one() -> None:
    from embodied_mem.envs.mujoco.household import HouseholdEnv

    with pytest.raises(UnknownConfigKey, match="Did you mean 'num_rooms'"):
        HouseholdEnv(num_room=5)
    with pytest.raises(ConfigError, match="script is 'dem'"):
        HouseholdEnv(script="dem")


def test_every_script_name_of_the_config_has_a_script() -> None:
    from embodied_mem.envs.mujoco.config import SCRIPT_NAMES
    from embodied_mem.envs.mujoco.script import SCRIPTS

    assert set(SCRIPT_NAMES) == set(SCRIPTS)


def test_a_plan_can_be_had_for_a_seed_without_the_env() -> None:
    from embodied_mem.envs.mujoco.household import plan_of

    env = make()
    env.reset(seed=4)
    assert plan_of(4) == env.unwrapped.plan
    env.close()
