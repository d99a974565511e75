"""The generated home: rich enough, and physically possible. Needs no simulator but for the interpenetration test."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embodied_mem.envs.mujoco.home import Home, free_space, generate_home
from embodied_mem.envs.mujoco.stocking import STANDING_GAP_M
from embodied_mem.envs.mujoco.viewpoints import find_viewpoints
from embodied_mem.errors import ConfigError

SEEDS = st.integers(0, 2**32 - 1)


def home_of(seed: int, num_rooms: int = 5) -> Home:
    return generate_home(np.random.default_rng(seed), num_rooms)


@settings(max_examples=4, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_a_home_has_rooms_receptacles_many_things_and_look_alikes(seed: int) -> None:
    home = home_of(seed)
    furnished = {f.room for f in home.plan.furniture} - {"hallway"}
    assert len(furnished) >= 4
    assert len(home.objects) >= 40
    assert len({o.kind.name for o in home.objects}) >= 15
    assert len({o.receptacle for o in home.objects}) >= 12
    twins = [(a, b) for a, b in itertools.combinations(home.objects, 2) if a.twin == b.id]
    assert len(twins) >= 2
    for a, b in twins:
        assert (a.kind, a.colour) == (b.kind, b.colour)
        assert math.dist(a.position_world, b.position_world) >= 0.35


@settings(max_examples=4, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_things_of_one_kind_differ_in_colour_unless_they_are_twins(seed: int) -> None:
    for a, b in itertools.combinations(home_of(seed).objects, 2):
        if a.kind == b.kind and a.twin != b.id:
            assert a.colour_name != b.colour_name


@settings(max_examples=4, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_every_thing_stands_on_a_surface_of_its_receptacle(seed: int) -> None:
    home = home_of(seed)
    for thing in home.objects:
        x, y, z = thing.position_world
        bottom = z - thing.size_m[2] / 2
        surfaces = home.plan.receptacle(thing.receptacle).surfaces
        below = [s for s in surfaces if s.bounds.contains(x, y)]
        assert min(abs(bottom - s.centre_world[2] - STANDING_GAP_M) for s in below) < 1e-9


@settings(max_examples=4, deadline=None, derandomize=True)
@given(seed=SEEDS, num_rooms=st.integers(4, 7))
def test_every_receptacle_can_be_seen_from_two_sides(seed: int, num_rooms: int) -> None:
    plan = home_of(seed, num_rooms).plan
    space = free_space(plan)
    assert all(not find_viewpoints(plan, space, room.name)[1] for room in plan.rooms)


@settings(max_examples=4, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_a_route_leads_from_the_start_into_every_room(seed: int) -> None:
    plan = home_of(seed).plan
    space = free_space(plan)
    for room in plan.rooms:
        end = space.route(plan.start[:2], room.bounds.centre)[-1]
        assert plan.room_of(*end) == room.name


def test_the_same_numbers_give_the_same_home() -> None:
    assert home_of(7) == home_of(7)
    assert home_of(7) != home_of(8)


def test_an_impossible_number_of_rooms_is_refused_with_the_range() -> None:
    with pytest.raises(ConfigError, match="4 to 8"):
        home_of(0, num_rooms=3)


@pytest.mark.mujoco
@settings(max_examples=3, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_nothing_interpenetrates(seed: int) -> None:
    """Exact distances between the solids of every thing and all other solids near it."""
    from embodied_mem.envs.mujoco.engine import mujoco
    from embodied_mem.envs.mujoco.mjcf import write_mjcf
    from embodied_mem.envs.mujoco.world import HouseholdWorld

    home = home_of(seed)
    world = HouseholdWorld(home, write_mjcf(home, fovy_deg=58.0, offscreen_px=(16, 16)))
    model, data = world.model, world.data
    names = np.array([world.instances[i].name for i in world.instance_of_geom])
    reach = model.geom_rbound
    for thing in home.objects:
        own = np.flatnonzero(names == thing.id)
        for geom in own:
            gap = np.linalg.norm(data.geom_xpos - data.geom_xpos[geom], axis=1) - reach - reach[geom]
            for other in np.flatnonzero((gap < 0.0) & (names != thing.id)):
                distance = mujoco.mj_geomDistance(model, data, int(geom), int(other), 0.05, None)
                assert distance > -1e-4, (thing.id, names[other], distance)
