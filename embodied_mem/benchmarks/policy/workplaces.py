"""Where memory tasks take place: at the table or in a home. What differs between them for a policy is one small protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from embodied_mem.policy.training_set import Demonstration

Seen = tuple[Any, dict[str, Any]]
"""An observation, and what the environment says beside it."""
DEMO_DELAYS = (2, 2, 8, 32)
"""How many steps lie between cue and choice in demonstrations, in turn: long waits fill a bank, so that it joins what it holds."""


class Workplace(Protocol):
    """Makes environments, has their expert show how it is done, and tells how episodes begin and end."""

    CAMERA: str
    """Whose picture a policy looks at."""

    def make_env(self, task: str, **options: Any) -> Any:
        """A task with one colour camera, and nothing rendered that is not needed."""

    def demonstrate(
        self, task: str, seeds: Sequence[int], on_episode: Callable[[int], None] = ...
    ) -> list[Demonstration]:
        """The expert's episodes, those that it solves."""

    def begin(self, envs: Sequence[Any], seeds: Sequence[int], *, in_pairs: bool) -> list[Seen]:
        """Episodes begin; in pairs, neighbours are such that each could be asked what the other remembers."""

    def is_choosing(self, env: Any) -> bool:
        """Whether the gate is open and the choice is to be made."""

    def choices(self, env: Any, last_action: Any) -> tuple[int, int]:
        """When an episode is over: the right choice, and the one that was made (-1: there is none)."""


def workplace_of(task: str) -> Workplace:
    """Where a task takes place."""
    from embodied_mem.benchmarks.policy import home, tabletop
    from embodied_mem.envs.mujoco.mobile.tasks import TASKS

    return home if task in TASKS else tabletop
