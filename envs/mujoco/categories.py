"""Everything a segmentation can name, in a fixed order, and the panoptic layout of its ids."""

from __future__ import annotations

from .catalog import KINDS

ID_DIVISOR = 1000
STRUCTURE = ("void", "wall", "floor", "ceiling", "rug", "picture", "door", "person", "robot")
FURNITURE = (
    "counter",
    "table",
    "chair",
    "fridge",
    "shelf",
    "sofa",
    "coffee table",
    "tv stand",
    "bed",
    "wardrobe",
    "dresser",
    "nightstand",
    "desk",
    "side table",
    "washstand",
    "console table",
    "drawer",
)
CATEGORY_NAMES: tuple[str, ...] = (*STRUCTURE, *FURNITURE, *(kind.name for kind in KINDS))
CATEGORY_INDEX: dict[str, int] = {name: index for index, name in enumerate(CATEGORY_NAMES)}
STUFF_CATEGORIES = frozenset({"wall", "floor", "ceiling"})


def category_of_id(segmentation_id: int, names: tuple[str, ...] = CATEGORY_NAMES) -> str:
    """The category a segmentation id stands for."""
    return names[segmentation_id // ID_DIVISOR]
