"""Where things of a kind are kept, counted over homes: how many lie on each kind of furniture in each kind of room.

TIDEE (Sarch et al. 2022) learns such priors with a network; here they are counts, so that a handful of homes is enough
and nobody has to guess what was learned. A rate backs off from (label, furniture, room) to (label, furniture) to label.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

from embodied_mem.errors import InvalidMessage

FLOOR = "floor"
"""What things lie on that lie on nothing known."""
BACKING = 2.0
"""A rate of a special kind starts as if so many receptacles had shown the rate of the general kind."""
LEAST_RATE = 0.003
"""Things of a label per receptacle where none was ever seen."""

Kind = tuple[str, str]
"""A kind of receptacle: its label and the category of its room ('' when that is not known)."""


class Placements:
    """Counts of receptacles by kind, and of things on them by label; add homes with `add_home` or `merged`."""

    def __init__(self) -> None:
        self.receptacles: Counter[Kind] = Counter()
        self.things: dict[str, Counter[Kind]] = {}
        self.num_homes = 0

    def add_home(self, receptacles: Iterable[Kind], things: Iterable[tuple[str, Kind]]) -> None:
        """Count one home: every receptacle once, and every thing as (label, kind of receptacle that it is on)."""
        self.num_homes += 1
        self.receptacles.update(receptacles)
        for label, kind in things:
            self.things.setdefault(label, Counter())[kind] += 1

    def merged(self, other: Placements) -> Placements:
        """The counts of both."""
        both = Placements()
        both.num_homes = self.num_homes + other.num_homes
        both.receptacles = self.receptacles + other.receptacles
        both.things = {
            label: self.things.get(label, Counter()) + other.things.get(label, Counter())
            for label in (*self.things, *(key for key in other.things if key not in self.things))
        }
        return both

    def rate(self, label: str, kind: Kind) -> float:
        """How many things of a label to expect on one receptacle of a kind; labels never seen count as any thing."""
        counts = self.things.get(label)
        if counts is None:
            counts = sum(self.things.values(), Counter())
            scale = 1.0 / max(1, len(self.things))
        else:
            scale = 1.0
        holder, _ = kind
        of_label = _rate(counts.total(), self.receptacles.total(), LEAST_RATE)
        alike = [other for other in self.receptacles if other[0] == holder]
        of_holder = _rate(
            sum(counts[other] for other in alike), sum(self.receptacles[k] for k in alike), of_label
        )
        return max(LEAST_RATE, scale * _rate(counts[kind], self.receptacles[kind], of_holder))

    def rooms_of(self, label: str) -> Counter[str]:
        """In which kinds of rooms furniture or things of a label were, and how often."""
        found: Counter[str] = Counter()
        for (holder, room), count in self.receptacles.items():
            found[room] += count if holder == label else 0
        for (_, room), count in self.things.get(label, Counter()).items():
            found[room] += count
        return +found

    def holds(self, label: str) -> bool:
        """Whether something of a label was seen to be a receptacle."""
        return any(holder == label for holder, _ in self.receptacles)

    def to_json(self) -> str:
        """The counts as text, for a file or another robot."""
        return json.dumps(
            {
                "num_homes": self.num_homes,
                "receptacles": sorted([*kind, count] for kind, count in self.receptacles.items()),
                "things": {
                    label: sorted([*kind, count] for kind, count in self.things[label].items())
                    for label in sorted(self.things)
                },
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Placements:
        """What `to_json` gave.

        Raises:
            InvalidMessage: it is something else.
        """
        found = cls()
        try:
            payload = json.loads(text)
            found.num_homes = int(payload["num_homes"])
            found.receptacles = _counter(payload["receptacles"])
            found.things = {str(label): _counter(rows) for label, rows in payload["things"].items()}
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidMessage(
                f"these are no placements ({error}); give what Placements.to_json() wrote."
            ) from error
        return found


def _counter(rows: Iterable[tuple[str, str, int]]) -> Counter[Kind]:
    return Counter({(str(holder), str(room)): int(count) for holder, room, count in rows})


def _rate(num_things: float, num_receptacles: float, general: float) -> float:
    return (num_things + BACKING * general) / (num_receptacles + BACKING)
