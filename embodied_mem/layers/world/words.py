"""From a person's words to labels and colours: 'red mugs', 'the couch', 'TV'."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from embodied_mem.perception.colors import COLOR_NAMES

SYNONYMS: tuple[frozenset[str], ...] = tuple(
    frozenset(group.split("|"))
    for group in (
        "mug|cup|coffee cup|coffee mug",
        "sofa|couch|settee",
        "tv|television|telly|tv set",
        "fridge|refrigerator",
        "person|human|man|woman",
        "trash can|bin|garbage can|dustbin",
        "laptop|notebook computer",
        "phone|cell phone|mobile|mobile phone",
        "plant|potted plant|houseplant",
        "teddy bear|teddy|plush bear",
        "remote|remote control",
        "wardrobe|closet",
        "nightstand|bedside table",
        "bookshelf|bookcase",
    )
)
COLOR_SYNONYMS = {"grey": "gray", "violet": "purple", "turquoise": "cyan"}
ACHROMATIC = {"white": ("gray",), "gray": ("white", "black"), "black": ("gray",)}
"""Shades that light alone turns into each other."""
HUES = {
    "red": (0.82, 0.10, 0.10), "orange": (0.95, 0.48, 0.05), "yellow": (0.95, 0.82, 0.10), "green": (0.12, 0.58, 0.18),
    "cyan": (0.10, 0.72, 0.78), "blue": (0.12, 0.25, 0.80), "purple": (0.50, 0.16, 0.62), "pink": (0.95, 0.50, 0.68),
    "brown": (0.42, 0.25, 0.12),
}  # fmt: skip
MIN_TINT = 0.025
MIN_TINT_COSINE = 0.75
FILLERS = frozenset(("the", "a", "an", "my", "our", "that", "this"))


@dataclass(frozen=True, kw_only=True)
class Words:
    """What words ask for: a label phrase ('' for any) and a colour (None for any)."""

    label: str
    color: str | None


def parse(text: str) -> Words:
    """Split words into a colour and a label phrase: 'the red coffee mug' -> red, 'coffee mug'."""
    tokens = [token for token in text.lower().replace("_", " ").split() if token not in FILLERS]
    tokens = [COLOR_SYNONYMS.get(token, token) for token in tokens]
    colors = [token for token in tokens[:-1] if token in COLOR_NAMES]
    # The last word is what is meant even where it is a colour, too: an orange orange.
    label = " ".join([*(token for token in tokens[:-1] if token not in colors), *tokens[-1:]])
    return Words(label=label, color=colors[0] if colors else None)


def may_be(color: str, name: str, mean_rgb: tuple[float, float, float] | None) -> bool:
    """Whether a thing named `name` by its mean colour may be called `color` when nothing is called that exactly.

    Only shades of gray are doubtful: light turns white into gray, and a pale dial or label washes out a hue, whose
    tint remains in the mean.
    """
    if name in ACHROMATIC.get(color, ()):
        return True
    if mean_rgb is None or name not in ACHROMATIC or color not in HUES:
        return False
    tint, wanted = _tint(np.array(mean_rgb)), _tint(np.array(HUES[color]))
    size = float(np.linalg.norm(tint))
    return size >= MIN_TINT and float(tint @ wanted) >= MIN_TINT_COSINE * size * float(np.linalg.norm(wanted))


def _tint(rgb: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "3"]:
    """How a colour of unit brightness differs from gray."""
    return np.asarray(rgb / max(float(rgb.sum()), 1e-9) - 1 / 3)


def labels_named(phrase: str, known: Iterable[str]) -> frozenset[str]:
    """Those of the known labels that a phrase names: the same word, its plural, or a synonym."""
    wanted = _synonyms(_singular(phrase.lower().replace("_", " ")))
    exact = {
        label for label in known if _singular(label.lower().replace("_", " ")) == _singular(phrase.lower())
    }
    if exact:
        return frozenset(exact)
    return frozenset(label for label in known if _singular(label.lower().replace("_", " ")) in wanted)


def _synonyms(phrase: str) -> frozenset[str]:
    return frozenset({phrase}).union(*(group for group in SYNONYMS if phrase in group))


def _singular(phrase: str) -> str:
    if phrase.endswith(("ches", "shes", "xes", "sses")):
        return phrase[:-2]
    if phrase.endswith("shelves"):
        return phrase[:-3] + "f"
    if phrase.endswith("s") and not phrase.endswith(("ss", "us", "headphones", "scissors", "glasses")):
        return phrase[:-1]
    return phrase
