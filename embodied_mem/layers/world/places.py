"""Rooms from free space: where passages are narrow, one room ends and the next begins; contents say what it is for.

After Hydra (Hughes et al. 2022, section V): obstacles are dilated over a range of sizes, and the number of free parts
that lasts longest is the number of rooms. We do so in the layer of free space above most furniture where nothing tall
stands, and only up to the width of a doorway.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import Bool, Float, Float64, Int32
from scipy import ndimage

from embodied_mem.layers.world.placements import Placements
from embodied_mem.messages import FLOOR_BLOCKED, FLOOR_FREE, FLOOR_UNKNOWN, Area, FloorMap

HALF_PASSAGES_M = np.arange(0.4, 0.601, 0.05)
"""Half widths of the passages at which rooms may be told apart: doorways from 0.8 to 1.2 m, also where the wall above
them was not seen."""
MIN_CORE_M2 = 0.4
MIN_ROOM_M2 = 1.5
INTO_WALL_CELLS = 2
"""From both sides; what hangs on a wall belongs to its room, and above a doorway there is wall, too."""
INTO_UNKNOWN_CELLS = 8
SAME_ROOM_IOU = 0.3

FURNISHING: Mapping[str, tuple[str, str]] = {
    "kitchen": ("counter|fridge|stove|oven|dishwasher|kitchen cabinet|sink|microwave", "kettle|toaster|pot|pan|plate|bowl"),
    "bathroom": ("toilet|washstand|bathtub|shower", "soap bottle|toothbrush cup|toothbrush|toilet roll|towel|soap"),
    "bedroom": ("bed|wardrobe|nightstand|dresser", "pillow|teddy bear|blanket|alarm clock"),
    "living room": ("sofa|tv stand|tv|coffee table|armchair|fireplace", "remote|cushion"),
    "office": ("desk|office chair|printer|whiteboard", "laptop|keyboard|monitor|pencil case|mouse"),
    "dining room": ("dining table|table|sideboard", "chair|vase"),
    "hallway": ("console table|coat rack|shoe rack|umbrella stand", "shoe|umbrella"),
}  # fmt: skip
"""What furniture and what smaller things speak for a category; furniture counts three times."""
FURNITURE_WEIGHT, THING_WEIGHT = 3.0, 0.5
TABLE_COUNT = 1.0
"""The table counts as much as so many sightings of a label in other homes."""
SYNONYMS = {
    "kitchen": ("kitchenette",),
    "living room": ("lounge", "sitting room", "family room"),
    "bathroom": ("toilet", "restroom", "washroom", "bath"),
    "office": ("study", "home office", "workroom"),
    "hallway": ("hall", "corridor", "entrance", "entry"),
    "bedroom": ("guest room", "sleeping room"),
    "dining room": ("dining area",),
}


def find_areas(floor: FloorMap) -> list[Area]:
    """The rooms' areas, largest first: every free cell belongs to one, and what stands in it too."""
    is_open = floor.open_above == FLOOR_FREE
    is_clear = is_open & ~floor.is_shut
    cores = _cores(is_clear, floor.cell_m)
    if cores is None:
        return []
    rooms = cores
    for may_grow in (is_clear, is_open):  # across a wall whose upper part was not seen only from both sides
        rooms = _grown(rooms, may_grow, steps=max(is_open.shape) * 2)
    rooms = _grown(rooms, floor.open_above == FLOOR_UNKNOWN, steps=INTO_UNKNOWN_CELLS)
    rooms = _grown(rooms, floor.open_above == FLOOR_BLOCKED, steps=INTO_WALL_CELLS)
    areas = [
        Area(origin_world_m=floor.origin_world_m, cell_m=floor.cell_m, is_inside=np.asarray(rooms == index))
        for index in range(1, int(rooms.max()) + 1)
    ]
    areas = [area for area in areas if area.size_m2 >= MIN_ROOM_M2]
    return sorted(areas, key=lambda area: -area.size_m2)


def passages(areas: list[Area], floor: FloorMap) -> set[tuple[int, int]]:
    """Pairs of areas (by index, smaller first) between which one can drive: free floor cells of both touch."""
    rooms = np.zeros(floor.open_above.shape, dtype=np.int32)
    for index, area in enumerate(areas, start=1):
        rooms[area.is_inside & (floor.drivable == FLOOR_FREE)] = index
    found: set[tuple[int, int]] = set()
    for a, b in ((rooms[1:], rooms[:-1]), (rooms[:, 1:], rooms[:, :-1])):
        is_border = (a != b) & (a > 0) & (b > 0)
        pairs = np.unique(np.stack([a[is_border], b[is_border]], axis=1), axis=0)
        found |= {(min(x, y) - 1, max(x, y) - 1) for x, y in pairs.tolist()}
    return found


def category_of(
    labels: Iterable[tuple[str, float]], *, num_neighbors: int, area: Area, homes: Placements | None = None
) -> tuple[str, float]:
    """What a room is for, from the labels of what is in it (each with how far it is to be trusted, 0..1), with the share
    of the evidence; ('', 0.0) without any. `homes` is what was learned of other homes.
    """
    scores, votes = dict.fromkeys(FURNISHING, 0.0), dict[str, dict[str, float]]()
    for label, trust in labels:
        if label not in votes:
            votes[label] = votes_of(label, homes or Placements())
        for category, weight in votes[label].items():
            scores[category] += weight * trust
    if num_neighbors >= 2 and elongation(area) >= 2.0:
        scores["hallway"] += FURNITURE_WEIGHT * (num_neighbors - 1)  # long, and joins rooms: to walk through
    total = sum(scores.values())
    if total <= 0.0:
        return "", 0.0
    best = max(scores, key=lambda name: scores[name])
    return best, scores[best] / total


def votes_of(label: str, homes: Placements) -> dict[str, float]:
    """How much a label speaks for each kind of room: what other homes show, with the table as one home more.

    Of labels that the table does not have, those speak most that other homes have in one kind of room only.
    """
    told = [
        (category, weight)
        for category, kinds in FURNISHING.items()
        for weight, names in zip((FURNITURE_WEIGHT, THING_WEIGHT), kinds, strict=True)
        if label in names.split("|")
    ]
    seen = Counter({room: count for room, count in homes.rooms_of(label).items() if room in FURNISHING})
    if not seen:
        return dict(told)
    share = seen.total() / (seen.total() + TABLE_COUNT)
    votes = {category: (1.0 - share) * weight for category, weight in told}
    weight = max(
        (weight for _, weight in told), default=FURNITURE_WEIGHT if homes.holds(label) else THING_WEIGHT
    )
    telling = 1.0 if told else (max(seen.values()) / seen.total()) ** 2
    for category, count in seen.items():
        votes[category] = votes.get(category, 0.0) + share * telling * weight * count / seen.total()
    return votes


def elongation(area: Area) -> float:
    """How many times longer than wide an area is, from the spread of its cells."""
    cells = np.argwhere(area.is_inside).astype(np.float64)
    spread = np.linalg.eigvalsh(np.cov(cells.T)) if len(cells) > 2 else np.array([1.0, 1.0])
    return math.sqrt(float(spread[-1]) / max(float(spread[0]), 1e-6))


def overlap(a: Area, b: Area) -> float:
    """Intersection over union of two areas, whatever grids they lie on."""
    centers = _centers(a)
    if not len(centers):
        return 0.0
    shared_m2 = float(b.covers(centers).sum()) * a.cell_m**2
    return shared_m2 / max(a.size_m2 + b.size_m2 - shared_m2, 1e-9)


def distance_m(area: Area, point_world: Float[np.ndarray, "3"]) -> float:
    """How far the middle of an area's nearest cell is from a point, seen from above."""
    return float(np.linalg.norm(_centers(area) - point_world[:2], axis=1).min(initial=math.inf))


def _centers(area: Area) -> Float64[np.ndarray, "n 2"]:
    return np.asarray(np.argwhere(area.is_inside) * area.cell_m + np.array(area.origin_world_m))


def _cores(is_open: Bool[np.ndarray, "nx ny"], cell_m: float) -> Int32[np.ndarray, "nx ny"] | None:
    """The open parts that remain when passages are closed, at the width that most widths agree with."""
    distance_m = ndimage.distance_transform_edt(np.pad(is_open, 1))[1:-1, 1:-1] * cell_m
    found: list[Int32[np.ndarray, "nx ny"]] = []
    for half_m in HALF_PASSAGES_M:
        parts, num = ndimage.label(distance_m >= half_m)
        sizes_m2 = np.bincount(parts.ravel(), minlength=num + 1) * cell_m**2
        is_core = sizes_m2 >= MIN_CORE_M2
        is_core[0] = False
        renumbered = np.cumsum(is_core) * is_core
        found.append(renumbered[parts].astype(np.int32))
    counts = [int(parts.max()) for parts in found]
    positive = [count for count in counts if count > 0]
    if not positive:
        return None
    best = max(set(positive), key=lambda count: (counts.count(count), count))
    return found[counts.index(best)]


def _grown(
    rooms: Int32[np.ndarray, "nx ny"], may_grow: Bool[np.ndarray, "nx ny"], *, steps: int
) -> Int32[np.ndarray, "nx ny"]:
    """Numbers spread to neighbouring cells that may be grown into, nearest first."""
    for _ in range(steps):
        spread = ndimage.grey_dilation(rooms, footprint=np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]]))
        is_new = may_grow & (rooms == 0) & (spread > 0)
        if not is_new.any():
            break
        rooms = np.where(is_new, spread, rooms)
    return rooms
