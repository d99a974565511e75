"""The demo's questions: made from what truly happened, about things that the robot had a fair look at.

A question names a thing as a person would: by its category when the home has one of them, else by colour and
category when that is unique. Things that no such words single out are asked about in numbers and regions. Two-coloured
kinds are never asked about by colour.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from embodied_mem.benchmarks.demo.grading import (
    TrueAbsence,
    TrueChange,
    TrueChanges,
    TrueCount,
    TrueHistory,
    TruePlace,
    TruePlaces,
    Truth,
)
from embodied_mem.benchmarks.demo.scene import Scene, SceneObject
from embodied_mem.envs.mujoco.catalog import TWO_COLOURED
from embodied_mem.errors import InvalidQuery
from embodied_mem.messages import Interval, Query, Region

NUM_STATIC = 4


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question in words and as data, and what a right answer says."""

    text: str
    query: Query
    truth: Truth


def demo_questions(scene: Scene) -> tuple[Question, ...]:
    """At least twelve questions over where, find, history, changes and count.

    Raises:
        InvalidQuery: the episode did not move one thing and take one away, the robot had no fair look at the one that
            moved, or too few questions can be made.
    """
    moved = _only([one for one in scene.objects if one.is_moved and not one.is_gone], "moved")
    removed = _only([one for one in scene.objects if one.is_gone], "removed")
    if not moved.was_seen_before:
        raise InvalidQuery(
            f"the robot had no fair look at {moved.object_id}, which was moved. Give the episode more steps (max_steps)."
        )
    questions = (
        *_about_the_moved(scene, moved),
        *_about_the_removed(scene, removed),
        *_about_changes(scene, moved, removed),
        *_about_look_alikes(scene),
        *_about_still_things(scene),
        *_about_rooms(scene, moved),
    )
    if len(questions) < 12:
        raise InvalidQuery(
            f"only {len(questions)} fair questions could be made; 12 are wanted. The robot saw too little: give the "
            "episode more steps (max_steps)."
        )
    return questions


def words_for(scene: Scene, thing: SceneObject) -> str | None:
    """The words that single `thing` out among all that the home ever held; None when none do."""
    if len(scene.named(thing.category)) == 1:
        return thing.category
    if len(scene.named(thing.category, thing.color)) == 1:
        return f"{thing.color} {thing.category}"
    return None


def _about_the_moved(scene: Scene, moved: SceneObject) -> Iterator[Question]:
    words = _words(scene, moved)
    old, new = moved.stays[0].position_world_m, moved.stays[-1].position_world_m
    before_ns, away_ns = scene.left_ns, scene.returned_ns
    yield Question(
        text=f"Where is the {words}?",
        query=Query(kind="where", entity=words),
        truth=TruePlace(position_world_m=new),
    )
    yield Question(
        text=f"Where was the {words} before you left?",
        query=Query(kind="where", entity=words, as_of_ns=before_ns),
        truth=TruePlace(position_world_m=old),
    )
    if not moved.was_glimpsed_while_away:
        yield Question(
            text=f"Where did you think the {words} was while you were away?",
            query=Query(kind="where", entity=words, as_of_ns=away_ns, known_at_ns=away_ns),
            truth=TruePlace(position_world_m=old),
        )
    yield Question(
        text=f"Where has the {words} been?",
        query=Query(kind="history", entity=words),
        truth=TrueHistory(stays=moved.stays),
    )


def _about_the_removed(scene: Scene, removed: SceneObject) -> Iterator[Question]:
    if not removed.was_seen_before:
        return
    words = _words(scene, removed)
    old = removed.stays[0].position_world_m
    yield Question(
        text=f"Where is the {words}?", query=Query(kind="where", entity=words), truth=TrueAbsence()
    )
    yield Question(
        text=f"Where was the {words} before you left?",
        query=Query(kind="where", entity=words, as_of_ns=scene.left_ns),
        truth=TruePlace(position_world_m=old),
    )
    others = [one for one in scene.named(removed.category) if one is not removed]
    if all(one.was_never_seen or one.was_seen_before for one in others):
        known = sum(one.was_seen_before for one in others)
        for text, as_of_ns, number in (
            ("are there", None, known),
            ("were there before you left", scene.left_ns, known + 1),
        ):
            yield Question(
                text=f"How many {removed.category}s {text}?",
                query=Query(kind="count", label=removed.category, as_of_ns=as_of_ns),
                truth=TrueCount(number=number),
            )


def _about_changes(scene: Scene, moved: SceneObject, removed: SceneObject) -> Iterator[Question]:
    move, vanish = _move(moved), _vanish(removed)
    changes: tuple[TrueChange, ...] = (move, vanish)
    may_name = scene.opened
    if not removed.was_seen_before:
        changes, may_name = (move,), (*scene.opened, vanish)
    interval = Interval(from_ns=scene.left_ns)
    yield Question(
        text="What has changed since you left?",
        query=Query(kind="changes", interval=interval),
        truth=TrueChanges(changes=changes, may_name=may_name),
    )
    if not (moved.was_glimpsed_while_away or removed.was_glimpsed_while_away):
        yield Question(
            text="What did you know to have changed while you were away?",
            query=Query(kind="changes", known_at_ns=scene.returned_ns),
            truth=TrueChanges(changes=()),
        )


def _about_look_alikes(scene: Scene) -> Iterator[Question]:
    looks = Counter((one.category, one.color) for one in scene.objects)
    for (category, color), number in sorted(looks.items()):
        twins = scene.named(category, color)
        if number != 2 or category in TWO_COLOURED:
            continue
        if not all(one in scene.untouched and one.was_seen_before for one in twins):
            continue
        query = Query(kind="count", label=category, attributes={"color": color})
        yield Question(
            text=f"How many {color} {category}s are there?", query=query, truth=TrueCount(number=number)
        )
        yield Question(
            text=f"Where are the {color} {category}s?",
            query=Query(kind="find", label=category, attributes={"color": color}),
            truth=TruePlaces(positions_world_m=tuple(one.stays[-1].position_world_m for one in twins)),
        )


def _about_still_things(scene: Scene) -> Iterator[Question]:
    fair = [
        one for one in scene.untouched
        if words_for(scene, one) is not None and one.was_seen_before and one.was_seen_after
        and (one.category not in TWO_COLOURED or len(scene.named(one.category)) == 1)
    ]  # fmt: skip
    # One of each room in turn rather than the first few of the list, which may all stand on one table.
    fair.sort(key=lambda one: one.object_id)
    rooms = sorted({str(scene.room_of(one.stays[0].position_world_m)) for one in fair})
    chosen = [
        one for room in rooms
        for one in [o for o in fair if str(scene.room_of(o.stays[0].position_world_m)) == room][:1]
    ]  # fmt: skip
    for one in chosen[:NUM_STATIC]:
        words = _words(scene, one)
        place = TruePlace(position_world_m=one.stays[-1].position_world_m)
        yield Question(text=f"Where is the {words}?", query=Query(kind="where", entity=words), truth=place)
    for one in chosen[:1]:
        words = _words(scene, one)
        yield Question(
            text=f"Where has the {words} been?",
            query=Query(kind="history", entity=words),
            truth=TrueHistory(stays=one.stays),
        )


def _about_rooms(scene: Scene, moved: SceneObject) -> Iterator[Question]:
    same = [one for one in scene.named(moved.category) if one.was_seen_before or one is moved]
    if any(not one.was_never_seen and one not in same for one in scene.named(moved.category)):
        return
    rooms = {stay: scene.room_of(stay.position_world_m) for stay in (moved.stays[0], moved.stays[-1])}
    for room in dict.fromkeys(name for name in rooms.values() if name is not None):
        region = Region(box=scene.rooms[room])
        now = _positions_in(scene, same, room, scene.end_ns)
        yield Question(
            text=f"Which {moved.category}s are in the {room}?",
            query=Query(kind="find", label=moved.category, region=region),
            truth=TruePlaces(positions_world_m=now),
        )
        then = _positions_in(scene, same, room, scene.left_ns)
        yield Question(
            text=f"How many {moved.category}s were in the {room} before you left?",
            query=Query(kind="count", label=moved.category, region=region, as_of_ns=scene.left_ns),
            truth=TrueCount(number=len(then)),
        )


def _positions_in(
    scene: Scene, things: list[SceneObject], room: str, stamp_ns: int
) -> tuple[tuple[float, float, float], ...]:
    positions = (one.position_at(stamp_ns) for one in things)
    return tuple(
        position for position in positions if position is not None and scene.room_of(position) == room
    )


def _move(moved: SceneObject) -> TrueChange:
    first, last = moved.stays[0], moved.stays[-1]
    return TrueChange(
        kind="move", label=moved.category, before_world_m=first.position_world_m, after_world_m=last.position_world_m,
        start_ns=first.to_ns or 0, end_ns=last.from_ns,
    )  # fmt: skip


def _vanish(removed: SceneObject) -> TrueChange:
    last = removed.stays[-1]
    return TrueChange(
        kind="vanish", label=removed.category, before_world_m=last.position_world_m, after_world_m=None,
        start_ns=last.to_ns or 0, end_ns=last.to_ns or 0,
    )  # fmt: skip


def _words(scene: Scene, thing: SceneObject) -> str:
    words = words_for(scene, thing)
    if words is None:
        raise InvalidQuery(
            f"no words single out {thing.object_id} ({thing.color} {thing.category}); the script must touch only "
            "things that are alone in category and colour."
        )
    return words


def _only(things: list[SceneObject], what: str) -> SceneObject:
    if len(things) != 1:
        raise InvalidQuery(
            f"the episode {what} {[one.object_id for one in things]}; the demo needs exactly one such thing. Run it with "
            "script=demo and enough steps."
        )
    return things[0]
