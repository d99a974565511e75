"""A whole demo episode at a tiny picture size: the tour, the script, the log, and the truth read from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import embodied_mem.envs
from embodied_mem.errors import InvalidQuery

pytestmark = pytest.mark.mujoco


class DemoEpisode:
    """What a finished demo episode left behind."""

    def __init__(self, folder: Path) -> None:
        from embodied_mem.envs.mujoco.tour import TourPolicy
        from embodied_mem.envs.mujoco.truth import HouseholdTruth

        path = folder / "truth.jsonl"
        env: Any = gymnasium.make(
            embodied_mem.envs.HOUSEHOLD_ID,
            script="demo",
            log_path=path,
            image_size=(24, 32),
            truth_in_info=True,
        ).unwrapped
        observation, info = env.reset(seed=5)
        policy = TourPolicy(env.plan, may_return=lambda: env.script_is_over)
        self.phases: list[str] = []
        self.was_person_seen_at_start = "person" in visible_categories(env, observation)
        while not policy.done and len(self.phases) < 3000:
            observation, _, _, _, info = env.step(policy.act(observation, info))
            assert all(event["kind"] != "remove" for event in info["events"])
            self.phases.append(policy.phase)
        self.is_done, self.final, self.plan = policy.done, info["truth"], env.plan
        env.close()
        self.truth = HouseholdTruth.from_log(path)


@pytest.mark.parametrize("seed", [9, 11])
def test_every_stop_is_reached_at_the_first_attempt(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from embodied_mem.envs.mujoco.sensing import HeadCamera
    from embodied_mem.envs.mujoco.tour import TourPolicy

    blank = (
        np.zeros((24, 32, 3), np.uint8),
        np.zeros((24, 32), np.float32),
        np.zeros((24, 32), np.int32),
        {},
    )
    monkeypatch.setattr(HeadCamera, "shoot", lambda _: blank)  # the tour reads no picture
    env: Any = gymnasium.make(embodied_mem.envs.HOUSEHOLD_ID, script="demo", image_size=(24, 32)).unwrapped
    observation, info = env.reset(seed=seed)
    policy = TourPolicy(env.plan, may_return=lambda: env.script_is_over)
    for _ in range(3000):
        observation, _, _, _, info = env.step(policy.act(observation, info))
        if policy.done:
            break
    env.close()
    assert policy.done
    assert policy.num_put_off == 0


def visible_categories(env: Any, observation: Any) -> set[str]:
    return {env.category_names[i // 1000] for i in set(observation["segmentation"].ravel().tolist())}


@pytest.fixture(scope="module")
def episode(tmp_path_factory: pytest.TempPathFactory) -> DemoEpisode:
    return DemoEpisode(tmp_path_factory.mktemp("demo"))


def test_the_tour_explores_leaves_returns_and_ends(episode: DemoEpisode) -> None:
    assert episode.is_done
    order = list(dict.fromkeys(episode.phases))
    assert order == ["explore", "away", "return", "done"]


def test_the_person_is_seen_leaving_and_acts_only_while_the_robot_is_away(episode: DemoEpisode) -> None:
    truth = episode.truth
    assert episode.was_person_seen_at_start
    left_ns, returned_ns = truth.away() or (0, 0)
    deeds = truth.changes(actor="person")
    assert [d.kind for d in deeds] == ["pick", "place", "open", "pick", "remove"]
    assert all(left_ns <= d.start_ns <= d.end_ns <= returned_ns for d in deeds)
    assert truth.room_of(*truth.robot_pose(left_ns)[:2]) == episode.plan.away_room
    assert all(f.pixels.get("person", 0) == 0 for f in truth.frames_between(left_ns, returned_ns))


def test_one_mug_changes_rooms_and_one_thing_is_gone(episode: DemoEpisode) -> None:
    truth = episode.truth
    pick, place, _, _, remove = truth.changes(actor="person")
    assert pick.subject == place.subject
    mug = str(place.subject)
    assert truth.objects[mug].category == "mug"
    first, last = truth.history(mug)
    assert first.room == pick.room_before != last.room == place.room_after
    assert truth.where(mug, truth.start_ns).centre_world == first.centre_world
    assert truth.where(mug).centre_world == place.after
    gone = str(remove.subject)
    assert truth.is_gone(gone)
    assert truth.where(gone).centre_world is None
    assert not truth.is_gone(gone, truth.start_ns)
    category = truth.objects[gone].category
    assert truth.count(category) == truth.count(category, at_ns=truth.start_ns) - 1


def test_look_alikes_stay_where_they_are(episode: DemoEpisode) -> None:
    twins = [o for o in episode.truth.objects.values() if o.twin is not None]
    assert len(twins) >= 4
    assert all(len(episode.truth.history(o.id)) == 1 for o in twins)


def test_what_lies_in_an_opened_drawer_slides_out_with_it(episode: DemoEpisode) -> None:
    truth = episode.truth
    drawer = next(str(d.subject) for d in truth.deeds if d.kind == "open")
    inside = [o for o in truth.objects if truth.where(o).receptacle == drawer]
    assert inside
    for thing in inside:
        before, after = truth.where(thing, truth.start_ns).centre_world, truth.where(thing).centre_world
        assert before is not None
        assert after is not None
        travel = sum(abs(a - b) for a, b in zip(before, after, strict=True))
        assert travel == pytest.approx(episode.plan.receptacle(drawer).travel_m)
        assert len(truth.history(thing)) == 1


def test_the_log_ends_as_the_world_does(episode: DemoEpisode) -> None:
    for name, state in episode.final["objects"].items():
        place = episode.truth.where(name)
        assert place.receptacle == state["receptacle"]
        assert place.room == state["room"]
        if place.centre_world is not None:
            assert place.centre_world == pytest.approx(state["centre_world"])


def test_everything_in_the_open_is_seen_in_both_rounds(episode: DemoEpisode) -> None:
    truth = episode.truth
    left_ns, returned_ns = truth.away() or (0, 0)
    for name in truth.objects:
        start = truth.where(name, truth.start_ns)
        if truth.receptacles[str(start.receptacle)]["drawer"] is not None:
            assert not truth.observed(name, 1, until_ns=left_ns)
            continue
        assert truth.observed(name, 1, until_ns=left_ns), name
        assert truth.is_gone(name) or truth.observed(name, 1, since_ns=returned_ns), name


def test_every_room_is_visited_twice_but_the_last(episode: DemoEpisode) -> None:
    for room in episode.plan.rooms:
        if room.name != episode.plan.away_room:
            assert len(episode.truth.visited(room.name)) >= 2


def test_an_unknown_object_is_refused_with_the_nearest_name(episode: DemoEpisode) -> None:
    with pytest.raises(InvalidQuery, match="Did you mean 'toaster_1'"):
        episode.truth.where("toastr_1")


def test_a_log_without_frames_is_refused(tmp_path: Path) -> None:
    from embodied_mem.envs.mujoco.truth import HouseholdTruth

    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    with pytest.raises(InvalidQuery, match="no episode"):
        HouseholdTruth.from_log(empty)
