"""The scene of an episode, read from the simulator's own log and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from embodied_mem.benchmarks.demo.grading import TrueChange, TrueStay
from embodied_mem.benchmarks.demo.scene import Scene, SceneObject
from embodied_mem.envs.mujoco.truth import HouseholdTruth, TrueDeed
from embodied_mem.errors import DamagedStore
from embodied_mem.geometry import Box

CEILING_M = 2.5
WALL_HALF_M = 0.06
"""Rooms reach to the middle of their walls, so that what stands against one counts as inside."""


def scene_from_log(path: Path) -> Scene:
    """What was true in the last episode of the log at `path`.

    The robot was away from the first thing that the person did to the last one; without a person, all is "before".

    Raises:
        DamagedStore: it is not a whole simulator log.
    """
    try:
        return _scene(HouseholdTruth.from_log(path))
    except (OSError, ValueError, LookupError) as error:
        raise DamagedStore(
            f"the simulator's log {path} cannot be read ({error}); run the episode again with this log_path."
        ) from error


def _scene(truth: HouseholdTruth) -> Scene:
    deeds = truth.changes()
    by_person = [deed for deed in deeds if deed.actor != "robot"]
    left_ns = min((deed.start_ns for deed in by_person), default=truth.end_ns + 1) - 1
    returned_ns = max((deed.end_ns for deed in by_person), default=truth.end_ns)
    objects = tuple(
        SceneObject(
            object_id=name,
            category=thing.category,
            color=thing.colour,
            stays=_stays(truth, name, [deed for deed in deeds if deed.subject == name]),
            best_pixels_before=truth.best_pixels(name, until_ns=left_ns),
            best_pixels_after=truth.best_pixels(name, since_ns=returned_ns + 1),
            best_pixels_away=truth.best_pixels(name, since_ns=left_ns + 1, until_ns=returned_ns),
        )
        for name, thing in truth.objects.items()
    )
    opened = tuple(_opening(deed) for deed in by_person if deed.kind in ("open", "close"))
    rooms = {
        name: Box(
            min_m=(room.x0 - WALL_HALF_M, room.y0 - WALL_HALF_M, -0.1),
            max_m=(room.x1 + WALL_HALF_M, room.y1 + WALL_HALF_M, CEILING_M),
        )
        for name, room in truth.rooms.items()
    }
    return Scene(
        objects=objects,
        rooms=rooms,
        left_ns=left_ns,
        returned_ns=returned_ns,
        end_ns=truth.end_ns,
        opened=opened,
    )


def _opening(deed: TrueDeed) -> TrueChange:
    return TrueChange(
        kind="open" if deed.kind == "open" else "close", label=deed.category or "", before_world_m=None,
        after_world_m=None, start_ns=deed.start_ns, end_ns=deed.end_ns,
    )  # fmt: skip


def _stays(truth: HouseholdTruth, name: str, deeds: Sequence[TrueDeed]) -> tuple[TrueStay, ...]:
    """From one place to the next: a pick ends a stay, a place begins one."""
    first = truth.where(name, truth.start_ns).centre_world
    if first is None:
        raise ValueError(f"{name} begins out of the home")
    stays = [TrueStay(position_world_m=first, from_ns=0, to_ns=None)]
    for deed in deeds:
        if deed.kind == "pick":
            last = stays[-1]
            stays[-1] = TrueStay(
                position_world_m=last.position_world_m, from_ns=last.from_ns, to_ns=deed.start_ns
            )
        elif deed.kind == "place" and deed.after is not None:
            stays.append(TrueStay(position_world_m=deed.after, from_ns=deed.start_ns, to_ns=None))
    return tuple(stays)
