"""The real simulator on a home whose boxes are known. Run by `make test-habitat`."""

import os
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import embodied_mem.envs  # noqa: F401 (registers the ids)
from embodied_mem import RobotMemory
from embodied_mem.envs.frames import ID_DIVISOR, to_frame
from embodied_mem.geometry import back_project, transform
from embodied_mem.messages import PinholeCamera, Query

pytestmark = pytest.mark.habitat
SEED = 3
PYTHONS = ["", os.environ.get("EMBODIED_MEM_HABITAT_PYTHON", sys.executable)]
"""In this process, and in one of its own."""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    from embodied_mem.envs.habitat.homes import write_home

    return write_home(tmp_path_factory.mktemp("home"), seed=SEED)


@pytest.fixture(scope="module")
def room_of():
    """The name of the room that a place lies in, or an empty string."""
    from embodied_mem.envs.mujoco.home import generate_home

    rooms = generate_home(np.random.default_rng(SEED), 5).plan.rooms
    return lambda place: next((room.name for room in rooms if room.bounds.contains(place[0], place[1])), "")


@pytest.fixture(params=PYTHONS, ids=["here", "own process"])
def env(home, request):
    env = gymnasium.make(
        "EmbodiedMem/Habitat-v0", scene=home.scene, scene_dataset=str(home.scene_dataset),
        start_height_m=(-0.2, 0.5), python=request.param, disable_env_checker=True,
    )  # fmt: skip
    yield env
    env.close()


def velocity(speed=0.0, turn=0.0, pan=0.0, tilt=0.0):
    return {
        "base": np.array([speed, turn], dtype=np.float32),
        "head": np.array([pan, tilt], dtype=np.float32),
        "hand": 0,
    }


def go_to(env, goal_world, each):
    """Drive along the shortest way to a goal; `each` gets every observation and info."""
    corners, length = env.unwrapped.path_to([goal_world])
    assert np.isfinite(length), "no way"
    for corner in corners[1:]:
        for _ in range(200):
            proprio = env.unwrapped._observation()["proprio"]
            offset = corner[:2] - proprio[:2]
            distance = float(np.hypot(*offset))
            if distance < 0.08:
                break
            wrong = (np.arctan2(offset[1], offset[0]) - proprio[2] + np.pi) % (2 * np.pi) - np.pi
            speed = min(1.0, 10 * distance) if abs(wrong) < 0.2 else 0.0
            observation, _, _, _, info = env.step(velocity(speed, float(np.clip(10 * wrong, -1.8, 1.8))))
            each(observation, info)


def face_free_space(env):
    """Turn until nothing is nearer than 1.8 m where things will be put; what is seen then."""
    for _ in range(36):
        observation, *_ = env.step(velocity(turn=1.75))
        if observation["depth"][60:230, 60:260].min() > 1.8:
            return observation
    raise AssertionError("the start of this seed has no free space around it; choose another")


def look_around(env, each):
    for _ in range(36):
        observation, _, _, _, info = env.step(velocity(turn=1.75))
        each(observation, info)


def test_the_environment_keeps_gymnasiums_contract(env):
    check_env(env.unwrapped, skip_render_check=True)


def test_two_runs_of_one_seed_are_identical(env):
    def run():
        observation, _ = env.reset(seed=11)
        kept = [observation]
        for step in range(6):
            kept.append(env.step(velocity(0.5, 0.6 * (-1) ** step, 0.2, 0.1))[0])
        return kept

    for one, other in zip(run(), run(), strict=True):
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[key], other[key]) for key in one)


def test_depth_and_semantics_agree_with_the_known_boxes(env, home):
    """Every point of a thing's pixels lies in that thing's box, to 2 cm."""
    env.reset(seed=5)
    checked = set()
    by_category = {}
    for category, box in home.boxes.values():
        by_category.setdefault(category, []).append(box)
    for _ in range(24):
        observation, *_ = env.step(velocity(turn=1.8, tilt=0.02))
        camera = PinholeCamera.from_matrix(observation["intrinsics"], width_px=320, height_px=240)
        v, u = np.nonzero((observation["depth"] > 0) & (observation["segmentation"] > 0))
        points = transform(
            observation["T_world_camera"], back_project(camera, observation["depth"][v, u], u * 1.0, v * 1.0)
        )
        ids = observation["segmentation"][v, u]
        for one in np.unique(ids):
            category = env.unwrapped.category_names[one // ID_DIVISOR]
            if category in ("wall", "floor", "ceiling") or (ids == one).sum() < 30:
                continue
            own = points[ids == one]
            inside = [box.contains(own, margin_m=0.02).mean() for box in by_category[category]]
            assert max(inside) > 0.99, category
            checked.add(category)
    assert len(checked) >= 4


def test_a_tour_through_two_rooms_gives_a_memory_that_knows_where_things_are(env, home, room_of):
    memory = RobotMemory.open()
    names = env.unwrapped

    def remember(observation, info):
        memory.observe(to_frame(observation, info, names.category_names))

    env.reset(seed=2)
    look_around(env, remember)
    start = env.unwrapped._observation()["proprio"][:2]
    floor = [p for p in (env.unwrapped.random_point() for _ in range(60)) if abs(p[2]) < 0.5]
    elsewhere = [p for p in floor if room_of(p) not in ("", room_of(start))]
    far = max(elsewhere, key=lambda p: float(np.hypot(*(p[:2] - start))))
    go_to(env, far, remember)
    look_around(env, remember)
    by_category = {}
    for category, box in home.boxes.values():
        by_category.setdefault(category, []).append(box)
    known = [e for e in memory.entities() if e.is_present and e.num_views >= 10 and e.label in by_category]
    answers = [memory.where(entity.entity_id) for entity in known]
    right = [
        any(box.contains(np.array([answer.value.placement.position_world_m]), margin_m=0.1).all() for box in by_category[e.label])
        for e, answer in zip(known, answers, strict=True)
    ]  # fmt: skip
    assert len(known) >= 6
    assert len({room_of(answer.value.placement.position_world_m) for answer in answers} - {""}) >= 2
    assert sum(right) >= 0.9 * len(known)
    memory.close()


def test_something_added_moved_and_removed_is_noticed(env, home):
    memory = RobotMemory.open()
    names = env.unwrapped

    def remember(observation, info):
        memory.observe(to_frame(observation, info, names.category_names))

    env.reset(seed=4)
    x, y, yaw = face_free_space(env)["proprio"][:3]
    ahead = np.array([np.cos(yaw), np.sin(yaw)])
    spots = [
        np.array([x, y]) + d * ahead + s * np.array([-ahead[1], ahead[0]])
        for d, s in ((0.9, -0.2), (0.9, 0.25))
    ]
    look_around(env, remember)
    thing = names.add_object(str(home.objects["box"]), "parcel", (*spots[0], 0.7))
    look_around(env, remember)
    first = memory.recall(Query(kind="where", entity="parcel"))
    assert first.status == "known"
    assert np.hypot(*(np.array(first.value.placement.position_world_m[:2]) - spots[0])) < 0.1
    names.move_object(thing, (*spots[1], 0.7))
    look_around(env, remember)
    look_around(env, remember)
    second = memory.recall(Query(kind="where", entity="parcel"))
    assert np.hypot(*(np.array(second.value.placement.position_world_m[:2]) - spots[1])) < 0.1
    names.remove_object(thing)
    for _ in range(3):
        look_around(env, remember)
    kinds = [change.kind for change in memory.changes().value if change.label == "parcel"]
    assert kinds[-2:] == ["move", "vanish"]
    memory.close()
