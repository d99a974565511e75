"""How good the memory's beliefs about unseen things are: on simulated weeks, against last-seen and against uniform."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from embodied_mem.benchmarks.world.calibration import Bin, reliability
from embodied_mem.benchmarks.world.habits import HabitHome, HabitThing, memory_of
from embodied_mem.context import Recall
from embodied_mem.layers.world import WorldLayer
from embodied_mem.layers.world.placements import Placements

TRAINING_HOMES = range(500, 530)
FIRST_HOME = 480
"""What a memory learns in this home alone is used in the others, too (`one_home`)."""
HOURS_BETWEEN = 6.0
VISIT_RATE = 0.7
"""The share of the rooms that a patrol looks into."""
LAST_SEEN_TRUST = 0.8
"""What the last-seen baseline puts on the last place, the rest being uniform: its best value on the tuning homes."""
LEAST = 1e-4
LOOK_HOURS = 0.05
METHODS = ("ours", "last_seen", "uniform")


@dataclass
class Foresight:
    """Beliefs in the true receptacle, ranks of it, and every stated probability with whether it came true."""

    truth: dict[str, list[float]] = field(default_factory=dict)
    ranks: dict[str, list[float]] = field(default_factory=dict)
    stated: dict[str, list[tuple[float, bool]]] = field(default_factory=dict)
    moved_truth: dict[str, list[float]] = field(default_factory=dict)
    moved_ranks: dict[str, list[float]] = field(default_factory=dict)
    unseen_ranks: dict[str, list[float]] = field(default_factory=dict)
    naming_looks: dict[str, list[int]] = field(default_factory=dict)
    brier: dict[str, list[float]] = field(default_factory=dict)

    def note(self, method: str, belief: Mapping[str, float], true: str, *, has_moved: bool) -> None:
        """Score one belief over receptacles."""
        rank = rank_of(belief, true)
        self.truth.setdefault(method, []).append(belief.get(true, 0.0))
        self.ranks.setdefault(method, []).append(rank)
        self.stated.setdefault(method, []).extend((p, key == true) for key, p in belief.items())
        self.brier.setdefault(method, []).append(sum((p - (key == true)) ** 2 for key, p in belief.items()))
        if has_moved:
            self.moved_truth.setdefault(method, []).append(belief.get(true, 0.0))
            self.moved_ranks.setdefault(method, []).append(rank)

    def log_loss(self, method: str, *, moved: bool = False) -> float:
        """Mean surprise at where things were, nats."""
        found = (self.moved_truth if moved else self.truth).get(method, [])
        return float(-np.mean(np.log(np.maximum(found, LEAST)))) if found else float("nan")

    def calibration(self, method: str) -> list[Bin]:
        """Beliefs that a thing is at a place, beside how often it was."""
        return reliability(self.stated.get(method, []), bins=10)

    def calibration_error(self, method: str) -> float:
        """Expected calibration error over all stated probabilities, weighted by their mass."""
        found = self.calibration(method)
        if not found:
            return float("nan")
        num_true = sum(is_so for _, is_so in self.stated[method])
        return sum(one.error for one in found) / max(num_true, 1)


def rank_of(belief: Mapping[str, float], true: str) -> float:
    """How many receptacles one looks at until the true one, in order of belief; ties count half."""
    here = belief.get(true, 0.0)
    above = sum(p > here + 1e-12 for p in belief.values())
    same = sum(abs(p - here) <= 1e-12 for p in belief.values())
    return above + (same + 1) / 2


def measure_foresight(seeds: Sequence[int], num_patrols: int, progress: Callable[[str], None]) -> Foresight:
    """Live in each home, and before every patrol ask where each thing is that was ever seen."""
    homes = Placements()
    for seed in TRAINING_HOMES:
        progress(f"learning from home {seed}")
        HabitHome(seed).count_into(homes)
    found, one_home = Foresight(), learned_in(HabitHome(FIRST_HOME))
    for seed in seeds:
        progress(f"living in home {seed}")
        _live(
            HabitHome(seed),
            seed,
            {"no_home": Placements(), "one_home": one_home, "ours": homes},
            num_patrols,
            found,
        )
    return found


def learned_in(home: HabitHome) -> Placements:
    """What a memory that has looked into every room of a home hands on to others, as text."""
    world, recall = memory_of(home)
    for room in home.plan.rooms:
        home.look_into(room.name, world)
    return Placements.from_json(recall.expect.placements().to_json())


def _live(
    home: HabitHome, seed: int, learned: Mapping[str, Placements], num_patrols: int, found: Foresight
) -> None:
    rng = np.random.default_rng([11, seed])
    for method, looks in looks_to_name_rooms(seed, learned).items():
        found.naming_looks.setdefault(method, []).extend(looks)
    world, recall = memory_of(home)
    for room in home.plan.rooms:
        home.look_into(room.name, world, with_things=False)
    furniture = furniture_ids(home, world)
    for method, placements in learned.items():  # what was learned last is kept
        recall.expect.learn_from(placements)
        ranks = found.unseen_ranks.setdefault(method, [])
        ranks += looks_for_unseen(home, recall, furniture)
    found.unseen_ranks.setdefault("uniform", []).extend([(len(home.boxes) + 1) / 2] * len(home.things))
    home.hour += 0.1
    names: dict[str, tuple[str, str]] = {}
    for patrol in range(num_patrols):
        for room in home.plan.rooms:
            if patrol == 0 or rng.random() < VISIT_RATE:
                home.look_into(room.name, world)
        _note_ids(home, world, names)
        home.advance(HOURS_BETWEEN)
        if patrol > 0:
            _ask(home, recall, furniture, names, found)


def furniture_ids(home: HabitHome, world: WorldLayer) -> dict[str, str]:
    """Which entity each piece of furniture became."""
    entities = world.entities()
    found: dict[str, str] = {}
    for piece in home.plan.furniture:
        center = home.boxes[piece.name].center
        nearest = min(entities, key=lambda e: float(np.linalg.norm(e.placement.box.center - center)))
        found[piece.name] = nearest.entity_id
    return found


def _note_ids(home: HabitHome, world: WorldLayer, names: dict[str, tuple[str, str]]) -> None:
    """Thing -> (its entity, the furniture it was last seen on), for those that a present entity stands for."""
    entities = [entity for entity in world.entities() if entity.is_present]
    for thing in home.things.values():
        center = home.box_of(thing).center
        near = [
            entity
            for entity in entities
            if entity.label == thing.label and np.linalg.norm(entity.placement.box.center - center) < 0.1
        ]
        if near:
            names[thing.name] = (near[0].entity_id, thing.on)


def looks_for_unseen(home: HabitHome, recall: Recall, furniture: Mapping[str, str]) -> list[float]:
    """For each thing, none of which was ever seen here: how many receptacles one looks at until it is found."""
    ranks: list[float] = []
    for thing in home.things.values():
        answer = recall.expect.where_to_look(thing.label, k=1000)
        belief = {one.receptacle: one.probability for one in answer.value or () if one.receptacle}
        ranks.append(rank_of(belief, furniture[thing.on]))
    return ranks


def looks_to_name_rooms(seed: int, learned: Mapping[str, Placements]) -> dict[str, list[int]]:
    """For each room, at how many of its things one has looked when it is called what it is, and is so from then on; one
    more than there are when it never is. Things come into view one after the other, in an order drawn anew.
    """
    home, rng = HabitHome(seed), np.random.default_rng([13, seed])
    world, recall = memory_of(home)
    found: dict[str, list[int]] = {method: [] for method in learned}
    for room in home.plan.rooms:
        contents = home.contents(room.name)
        order = rng.permutation(len(contents))
        is_right: dict[str, list[bool]] = {method: [] for method in learned}
        for number in range(1, len(order) + 1):
            home.show(room.name, [contents[int(index)] for index in order[:number]], world)
            home.hour += LOOK_HOURS
            for method, homes in learned.items():
                recall.expect.learn_from(homes)
                rooms = recall.rooms().value or ()
                center = np.array([(*room.bounds.centre, 1.0)])
                names = [one.category for one in rooms if one.area.contains(center)[0]]
                is_right[method].append(names == [room.kind])
        for method, rights in is_right.items():
            wrong = [number for number, right in enumerate(rights, start=1) if not right]
            found[method].append(max(wrong, default=0) + 1)
    return found


def _ask(
    home: HabitHome,
    recall: Recall,
    furniture: Mapping[str, str],
    names: Mapping[str, tuple[str, str]],
    found: Foresight,
) -> None:
    for name, (entity_id, last_on) in names.items():
        thing: HabitThing = home.things[name]
        true, last = furniture[thing.on], furniture[last_on]
        has_moved = true != last
        answer = recall.expect.where_to_look(entity_id, k=1000)
        ours = {one.receptacle: one.probability for one in answer.value or () if one.receptacle}
        uniform = {key: 1.0 / len(furniture) for key in furniture.values()}
        last_seen = {key: (1.0 - LAST_SEEN_TRUST) * share for key, share in uniform.items()}
        last_seen[last] += LAST_SEEN_TRUST
        for method, belief in zip(METHODS, (ours, last_seen, uniform), strict=True):
            found.note(method, belief, true, has_moved=has_moved)
