"""The mobile tasks. As on the table, only the cue and the score are given the hidden variable."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from .config import NUM_PLACES
from .stage import Stage, spot_of

K = NUM_PLACES


@dataclass(frozen=True, kw_only=True)
class MobileFacts:
    """num_values: how many values the hidden variable has. cue_steps: looks before the gate shuts. chance: the success of the
    best policy without memory.
    """

    name: str
    num_values: int
    cue_steps: int
    choice_steps: int
    chance: float
    chance_because: str = "K equally likely values, nothing after the gate depends on which"


class MobileTask(ABC):
    """One task; `instruction` may name a thing of the home, never what is hidden."""

    facts: MobileFacts

    @abstractmethod
    def instruction(self, stage: Stage) -> str:
        """What the robot is told, all through the episode."""

    @abstractmethod
    def show(self, stage: Stage, hidden: int, step: int) -> None:
        """Set up (step 0) or change (later steps) the home during the cue; the robot stays where it is."""

    def is_right(self, choice: int, hidden: int) -> bool:
        """Whether the choice is what the cue asked for."""
        return choice == hidden

    @abstractmethod
    def expert_looks(self) -> list[int]:
        """Which places the expert looks at during the cue."""


class FetchSeenObject(MobileTask):
    """A thing lies in one of five rooms; after the gate go to the room where it was seen."""

    def __init__(self) -> None:
        self.facts = MobileFacts(
            name="FetchSeenObject", num_values=K, cue_steps=K + 1, choice_steps=4, chance=1 / K
        )

    def instruction(self, stage: Stage) -> str:
        return f"Look around; later go to where you saw the {stage.places[0].thing.kind.name}."

    def show(self, stage: Stage, hidden: int, step: int) -> None:
        stage.put(stage.places[0].thing.id, spot_of(stage, hidden, 0, 0))
        others = [place for place in range(K) if place != hidden]
        for thing, place in zip(range(1, K), others, strict=True):
            stage.put(stage.places[thing].thing.id, spot_of(stage, place, 0, thing))

    def expert_looks(self) -> list[int]:
        return list(range(K))


class MovedObject(MobileTask):
    """Five things are seen, then one of them is moved aside; say which after looking again."""

    def __init__(self) -> None:
        self.facts = MobileFacts(
            name="MovedObject", num_values=K, cue_steps=2 * K + 1, choice_steps=4, chance=1 / K
        )

    def instruction(self, stage: Stage) -> str:
        return "Look at all places, then again; later go to where a thing was moved in between."

    def show(self, stage: Stage, hidden: int, step: int) -> None:
        for place in range(K):
            is_moved = step > K and place == hidden
            stage.put(stage.places[place].thing.id, spot_of(stage, place, 1 if is_moved else 0, place))

    def expert_looks(self) -> list[int]:
        return [*range(K), *range(K)]


CHANGES = ("something appeared", "something vanished", "something moved", "nothing changed")


class WhatChanged(MobileTask):
    """One place is seen twice; say what happened in between: appeared, vanished, moved, nothing (choices 0 to 3)."""

    def __init__(self) -> None:
        self.facts = MobileFacts(
            name="WhatChanged", num_values=len(CHANGES), cue_steps=4, choice_steps=4, chance=1 / len(CHANGES)
        )

    def instruction(self, stage: Stage) -> str:
        first = stage.places[0]
        return (
            f"Look at the {first.receptacle.name} twice; later say what happened to the {first.thing.kind.name} there: "
            + (", ".join(f"{index} {change}" for index, change in enumerate(CHANGES)) + ".")
        )

    def show(self, stage: Stage, hidden: int, step: int) -> None:
        is_after = step >= 2
        thing = stage.places[0].thing.id
        is_there = {0: is_after, 1: not is_after}.get(hidden, True)
        if is_there:
            stage.put(thing, spot_of(stage, 0, 1 if hidden == 2 and is_after else 0, 0))
        else:
            stage.remove(thing)

    def expert_looks(self) -> list[int]:
        return [0, 0, 0]


class SearchNoRevisit(MobileTask):
    """A thing is in one of five rooms; find it without searching any room twice. After each search the robot is back at the
    start, so that nothing seen tells where it has been.

    A policy without memory searches with the same probabilities every time. With equal ones it finds the thing at the j-th
    search, all others before being different and wrong, with (4/5)(3/5)...(1/5) of j - 1 factors; no other does better.
    """

    def __init__(self) -> None:
        self.facts = MobileFacts(
            name="SearchNoRevisit", num_values=K, cue_steps=0, choice_steps=K, chance=search_chance([1 / K] * K),
            chance_because="each search has the same probabilities; the sum over orders without a repetition is largest for equal ones",
        )  # fmt: skip

    def instruction(self, stage: Stage) -> str:
        return f"Find the {stage.places[0].thing.kind.name}; search no place twice."

    def show(self, stage: Stage, hidden: int, step: int) -> None:
        """The thing is never in view: a search is there and back in one step, and finding it ends the episode."""

    def expert_looks(self) -> list[int]:
        return []


def search_chance(p: list[float]) -> float:
    """How often independent searches with probabilities `p` find a thing that is equally likely anywhere, before a repetition."""

    def found(left: frozenset[int]) -> float:
        """From here on, `left` not searched yet: the thing is in each of them equally likely."""
        return (
            sum(p[i] * (1 / len(left) + (1 - 1 / len(left)) * found(left - {i})) for i in left)
            if left
            else 0.0
        )

    return found(frozenset(range(len(p))))


TASKS: dict[str, type[MobileTask]] = {
    "FetchSeenObject": FetchSeenObject,
    "MovedObject": MovedObject,
    "WhatChanged": WhatChanged,
    "SearchNoRevisit": SearchNoRevisit,
}
