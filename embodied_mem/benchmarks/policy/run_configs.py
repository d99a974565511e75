"""What configs/train.yaml and configs/eval.yaml set."""

from __future__ import annotations

from dataclasses import dataclass, field

from embodied_mem.policy.flow_expert import FlowExpertConfig
from embodied_mem.policy.memory_policy import BankKind, MemoryPolicyConfig
from embodied_mem.policy.training import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training: `demos` episodes of the scripted expert on `task`, a policy whose banks make room by `bank`.

    With `resume` it goes on from the checkpoint under `out`, if there is one. `device` is torch's name of where it trains; None takes
    a GPU where there is one.
    """

    task: str = "RearrangeBlock"
    bank: BankKind = "merge"
    capacity: int = 16
    demos: int = 300
    seed: int = 0
    expert: FlowExpertConfig = field(default_factory=FlowExpertConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    resume: bool = True
    device: str | None = None
    out: str = "outputs/train"

    @property
    def policy(self) -> MemoryPolicyConfig:
        return MemoryPolicyConfig(bank=self.bank, capacity=self.capacity, expert=self.expert)


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """Closed-loop episodes of a checkpoint on seeds that no demonstration has.

    `delay` is how many steps lie between cue and choice; `swap` exchanges the memories of neighbouring episodes at the
    choice; `num_blocks` leaves the expert at an earlier exit always, `compute` below 1 where its exits agree, so that decisions cost
    that part of the expert on average; `keep_exits` writes what was found for that into the checkpoint, so that `policy serve --compute` and
    `policy_node` can leave as early; `at_once` environments run together; `seed` chooses the
    episodes.
    """

    checkpoint: str = "outputs/train/checkpoint.pt"
    episodes: int = 200
    delay: int = 2
    swap: bool = False
    num_blocks: int | None = None
    compute: float = 1.0
    keep_exits: bool = False
    at_once: int = 20
    seed: int = 0
    out: str = "outputs/eval"
