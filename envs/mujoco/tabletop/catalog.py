"""Every tabletop task by its name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from embodied_mem.errors import ConfigError, did_you_mean

from .task import Task
from .tasks.colours import RememberColor
from .tasks.counting import LiftNTimes
from .tasks.more_places import HiddenInDrawer, PlaceAfterButton, TakeItBack
from .tasks.orders import ChainOfColors, SeqPushButtons
from .tasks.places import PutBlockBack, RearrangeBlock, ReopenDrawer
from .tasks.watching import CountBlinks, ShellGameSwap

TASKS: dict[str, Callable[[], Task]] = {
    "PutBlockBack": PutBlockBack,
    "ReopenDrawer": ReopenDrawer,
    "RearrangeBlock": RearrangeBlock,
    "RememberColor3": partial(RememberColor, 3),
    "RememberColor5": partial(RememberColor, 5),
    "RememberColor9": partial(RememberColor, 9),
    "ShellGameSwap": ShellGameSwap,
    "CountBlinks": CountBlinks,
    "ChainOfColors3": partial(ChainOfColors, 3),
    "ChainOfColors5": partial(ChainOfColors, 5),
    "SeqPushButtons": SeqPushButtons,
    "LiftNTimes": LiftNTimes,
    "TakeItBack": TakeItBack,
    "HiddenInDrawer": HiddenInDrawer,
    "PlaceAfterButton": PlaceAfterButton,
}


def make_task(name: str) -> Task:
    """A task by its name.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in TASKS:
        raise ConfigError(f"no tabletop task {name!r}; there are {sorted(TASKS)}.{did_you_mean(name, TASKS)}")
    return TASKS[name]()
