"""Where memory tasks take place: at the table or in a home. What differs between them for a policy is one small protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from embodied_mem.errors import ConfigError, did_you_mean
from embodied_mem.policy.training_set import Demonstration

Seen = tuple[Any, dict[str, Any]]
"""An observation, and what the environment says beside it."""
DEMO_DELAYS = (2, 2, 8, 32)
"""How many steps lie between cue and choice in demonstrations, in turn: long waits fill a bank, so that it joins what it holds."""


class Workplace(Protocol):
    """Makes environments, has their expert show how it is done, and tells how episodes begin and end."""

    CAMERA: str
    """Whose picture a policy looks at."""
    IMAGE_PX: tuple[int, int]
    """Height and width of that picture."""

    def make_env(self, task: str, **options: Any) -> Any:
        """A task with one colour camera, and nothing rendered that is not needed."""

    def demonstrate(
        self, task: str, seeds: Sequence[int], on_episode: Callable[[int], None] = ...
    ) -> list[Demonstration]:
        """The expert's episodes, those that it solves."""

    def begin(self, envs: Sequence[Any], seeds: Sequence[int], *, in_pairs: bool) -> list[Seen]:
        """Episodes begin. In pairs, neighbours are such that each could be asked what the other remembers, whatever the second's seed."""

    def is_choosing(self, env: Any) -> bool:
        """Whether the gate is open and the choice is to be made."""

    def choices(self, env: Any, last_action: Any) -> tuple[int, int]:
        """When an episode is over: the right choice, and the one that was made (-1: there is none)."""


def workplace_of(task: str) -> Workplace:
    """Where a task takes place.

    Raises:
        ConfigError: our policy has no way to learn it: it is no memory task, or one whose expert shows nothing to remember.
    """
    from embodied_mem.benchmarks.policy import home, tabletop
    from embodied_mem.envs.mujoco.tabletop import TASK_NAMES

    name = task.partition("-Interference")[0]
    if name not in (*TASK_NAMES, *home.TASK_NAMES):
        known = (*TASK_NAMES, *home.TASK_NAMES)
        raise ConfigError(
            f"our policy cannot be trained on {task!r}; it can on {', '.join(known)}.{did_you_mean(name, known)}"
        )
    return home if name in home.TASK_NAMES else tabletop
