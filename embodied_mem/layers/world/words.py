"""From a person's words to labels and colours: 'red mugs', 'the couch', 'TV'."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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
    label = " ".join(token for token in tokens if token not in colors)
    return Words(label=label, color=colors[0] if colors else None)


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
