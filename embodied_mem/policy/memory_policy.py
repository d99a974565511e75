"""Our own policy: what it sees, fused with what its banks remember, conditions a flow-matching action expert.

Perceptual tokens (16 patches) go through a perceptual bank and are attended to; a cognitive token goes through a bank of its
own and conditions every block. It follows `Policy`; its memory (`PolicyMemory`) can be attached to a RobotMemory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, cast, get_args

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from embodied_mem.errors import ConfigError, InvalidMessage, UnknownSlot
from embodied_mem.layers.banks import PerceptualBankConfig
from embodied_mem.layers.banks.config import Consolidating
from embodied_mem.policy import vision
from embodied_mem.policy.early_exit import act_early, check_thresholds, exit_differences
from embodied_mem.policy.flow_expert import FlowExpert, FlowExpertConfig
from embodied_mem.policy.naming import Naming, told_words
from embodied_mem.policy.pointing import Pointing
from embodied_mem.policy.policy_memory import Both, PolicyMemory, StreamKind, StreamPolicyMemory
from embodied_mem.policy.recognition import recognised
from embodied_mem.policy.reflection import Entries, Reflection
from embodied_mem.policy.seam import ActionChunk, Contexts, Instructions, Observation

BankKind = Literal[Consolidating, StreamKind, "none"]


@dataclass(frozen=True, kw_only=True)
class MemoryPolicyConfig:
    """The policy's options.

    Attributes:
        bank: how its banks make room ("merge" is MemoryVLA's); in their place "gated", a gated transformer (GTrXL), "chunks" of
            steps (HCAM), or "neural", a network that learns what it sees (Titans); or "none": it acts on the present alone.
        capacity: entries of each bank; steps that each layer of the gated transformer looks back; chunks of four steps; or a
            quarter of the units of the network that learns.
        proprio_width: of proprioception.
        camera: whose picture it looks at.
        period_s: between the actions of a chunk.
        expert: the action expert's size.
        words: the names of things that it knows: it tells which of them are in view, and reads them in instructions.
    """

    bank: BankKind = "merge"
    capacity: int = 16
    proprio_width: int = 5
    camera: str = "front"
    period_s: float = 1.0
    expert: FlowExpertConfig = field(default_factory=FlowExpertConfig)
    words: tuple[str, ...] = ()

    @property
    def keeps_entries(self) -> bool:
        """Whether its memory holds what was seen, to recognise and to think over."""
        return self.bank in get_args(Consolidating)

    @property
    def cognitive_width(self) -> int:
        """Of the cognitive token: what is seen, and how sure it is of each name."""
        return vision.COGNITIVE_WIDTH + len(self.words)

    def make_memory(self, num_slots: int) -> PolicyMemory | StreamPolicyMemory:
        """An empty memory for so many robots."""
        if self.bank in get_args(StreamKind):
            return StreamPolicyMemory(
                cast("StreamKind", self.bank),
                num_slots=num_slots,
                capacity=self.capacity,
                token_width=self.cognitive_width,
            )
        return PolicyMemory(
            self.bank_config(num_slots=num_slots, is_cognitive=False),
            self.bank_config(num_slots=num_slots, is_cognitive=True),
            keeps_entries=self.keeps_entries,
        )

    def bank_config(self, *, num_slots: int, is_cognitive: bool) -> PerceptualBankConfig:
        """The options of one of its banks."""
        tokens, width = (1, self.cognitive_width) if is_cognitive else (vision.NUM_TOKENS, vision.TOKEN_WIDTH)
        kind = cast("Consolidating", self.bank) if self.keeps_entries else "merge"
        return PerceptualBankConfig(
            num_slots=num_slots, num_tokens=tokens, token_width=width, capacity=self.capacity, consolidation=kind,
            time_width=32,
        )  # fmt: skip


class Conditions(NamedTuple):
    """What the expert attends to, what conditions it, and the logits of where it points in the picture."""

    perceived: Float[Tensor, "b n d"]
    condition: Float[Tensor, "b d"]
    pointing: Float[Tensor, "b e"]


class MemoryPolicy(nn.Module):
    """The policy, for `num_slots` robots or environments at once. In use it draws the same noise for the same decision."""

    def __init__(self, config: MemoryPolicyConfig = MemoryPolicyConfig(), *, num_slots: int = 1) -> None:
        super().__init__()
        self.config = config
        width = config.expert.width
        self.memory = config.make_memory(num_slots)
        self.scaling = vision.Scaling()
        self.eyes = vision.Eyes(width)
        self.recognition = nn.Linear(1, width)
        self.perceive = nn.Linear(2 * vision.TOKEN_WIDTH, width)
        self.places = nn.Parameter(torch.randn(vision.NUM_TOKENS, width) * 0.02)
        self.understand = nn.Linear(
            2 * config.cognitive_width + config.proprio_width + len(config.words), width
        )
        self.reflection = Reflection(width, config.expert.num_heads, has_words=bool(config.words))
        self.reflected = nn.Linear(width, width)
        self.pointing = Pointing(width)
        self.expert = FlowExpert(config.expert)
        self.naming = Naming(len(config.words)).requires_grad_(False) if config.words else None
        self.thresholds: tuple[float, ...] | None = None
        """For leaving the expert early; see `early_exit.solve_thresholds`."""
        self.differences: list[Tensor] | None = None
        """A list here collects how far the exits differ at every decision, to solve thresholds from."""
        self.num_decisions = self.num_blocks_run = 0
        self.eval()

    @property
    def num_slots(self) -> int:
        """How many robots it can act for."""
        return len(self.memory.decisions)

    @torch.no_grad()
    def act(
        self,
        observation: Observation,
        context: Contexts = None,
        instruction: Instructions = "",
        *,
        num_blocks: int | None = None,
    ) -> ActionChunk:
        """The next actions of every row; the observation is remembered, unless it is refused: then nothing changes.

        Of the instruction it reads the words that it knows. The context is taken for the seam's sake and does not matter.
        `num_blocks` is how many of the expert's blocks to run; None: all, or as many as `thresholds` ask for.

        Raises:
            InvalidMessage: the camera is missing, proprioception has another width, or not every row has its instruction.
            UnknownSlot: a slot that the policy was not made for.
            StampRunsBackwards: a row is older than its slot's last.
            ConfigError: the expert has not so many blocks, or `thresholds` are not one for each pair of its exits.
        """
        images, told = self._checked(observation, instruction, num_blocks)
        proprio = torch.from_numpy(observation.proprio.copy())
        pictures = vision.small_pictures(images)
        stamps, slots = (
            torch.from_numpy(observation.stamp_ns.copy()),
            torch.from_numpy(observation.slots.copy()),
        )
        seen = self.scaling(pictures)
        if self.naming is not None:
            seen = seen[0], torch.cat([seen[1], self.naming.names(images)], dim=2)
        remembered = self.memory.step(seen, stamps, slots)
        kept = remembered.kept
        again = recognised(self.scaling.unscaled(seen[0]), self.scaling.unscaled(kept.tokens), kept.is_kept)
        fused = remembered.perceptual, remembered.cognitive
        perceived, condition, _ = self.conditions(
            pictures, seen, fused, remembered.kept_whole, proprio, again, told
        )
        actions = self._actions(self._noise(slots), perceived, condition, num_blocks)
        self.memory.decisions[slots] += 1
        return ActionChunk(
            stamp_ns=observation.stamp_ns, actions=actions.numpy(), period_s=self.config.period_s,
            slots=observation.slots, sources=tuple(self._sources(int(slot)) for slot in slots),
        )  # fmt: skip

    def check(self, observation: Observation, instruction: Instructions = "") -> None:
        """Refuse what `act` would refuse even after `reset`, with the same errors; nothing changes."""
        self._checked(observation, instruction, None)

    def reset(self, slots: Sequence[int] | None = None) -> None:
        """New episodes begin in these slots."""
        self.memory.reset(slots)

    @property
    def compute_share(self) -> float:
        """What part of the expert's blocks was run by all decisions so far."""
        most = self.num_decisions * self.config.expert.num_blocks * self.config.expert.flow_steps
        return self.num_blocks_run / most if most else 1.0

    def conditions(
        self,
        pictures: Float[Tensor, "b 3 s s"],
        seen: Both,
        fused: Both,
        entries: Entries,
        proprio: Float[Tensor, "b p"],
        again: Float[Tensor, "b e"],
        told: Float[Tensor, "b k"],
    ) -> Conditions:
        """Perceptual and cognitive tokens as seen and as fused with memory (beside each other, so that what memory adds stands
        out), what follows from the bank's cognitive `entries` and the words that are `told`, and what the eyes see now, with what
        they see `again`.
        """
        tokens = self.perceive(torch.cat([seen[0], fused[0]], dim=2)) + self.places
        whole = torch.cat([seen[1][:, 0], fused[1][:, 0], proprio, told], dim=1)
        condition, expected = self.understand(whole), torch.zeros_like(again)
        if self.config.keeps_entries:
            thoughts = self.reflection(seen[1], entries, told)  # it learns from its lessons alone
            condition = condition + self.reflected(thoughts.thought[:, -1].detach())
            expected = thoughts.place[:, -1].detach()
        eyes = self.eyes(pictures) + self.recognition(again[:, :, None])
        pointing, seen_there = self.pointing(eyes, condition, expected)
        return Conditions(torch.cat([vision.coarser(eyes), tokens], dim=1), condition + seen_there, pointing)

    def _checked(
        self, observation: Observation, instruction: Instructions, num_blocks: int | None
    ) -> tuple[UInt8[Tensor, "b h w 3"], Float[Tensor, "b k"]]:
        """The pictures, and the words that each row is told."""
        self._check_exits(num_blocks)
        camera, slots = self.config.camera, observation.slots.tolist()
        if camera not in observation.images:
            raise InvalidMessage(
                f"the policy looks through camera {camera!r}; the observation has {sorted(observation.images)}. "
                "Name it so, or train with another camera."
            )
        if observation.proprio.shape[1] != self.config.proprio_width:
            raise InvalidMessage(
                f"proprio is {observation.proprio.shape[1]} wide; the policy was made for {self.config.proprio_width}."
            )
        if not all(0 <= slot < self.num_slots for slot in slots):
            raise UnknownSlot(
                f"slots are {slots}; the policy has 0..{self.num_slots - 1}. Make it with more num_slots."
            )
        images = torch.from_numpy(observation.images[camera].copy())  # a frame's picture is read-only
        return images, told_words(self.config.words, instruction, len(images))

    def _check_exits(self, num_blocks: int | None) -> None:
        most = self.config.expert.num_blocks
        if num_blocks is None:
            if self.thresholds is not None:
                check_thresholds(self.thresholds, most)
        elif not isinstance(num_blocks, int) or not 1 <= num_blocks <= most:
            raise ConfigError(f"num_blocks is {num_blocks!r}; it must be in 1..{most}, the expert's blocks.")

    def _actions(self, noise: Tensor, perceived: Tensor, condition: Tensor, num_blocks: int | None) -> Tensor:
        expert, rows = self.expert, len(noise)
        self.num_decisions += rows
        if self.differences is not None:
            self.differences.append(exit_differences(expert, noise, perceived, condition))
        if self.thresholds is None or num_blocks is not None:
            self.num_blocks_run += rows * (num_blocks or expert.config.num_blocks) * expert.config.flow_steps
            return expert.act(noise, perceived, condition, num_blocks=num_blocks)
        early = act_early(expert, noise, perceived, condition, self.thresholds)
        self.num_blocks_run += int(early.blocks_run.sum())
        return early.actions

    def _noise(self, slots: Tensor) -> Tensor:
        drawn = []
        for slot in slots.tolist():
            generator = torch.Generator().manual_seed(slot * 1_000_003 + int(self.memory.decisions[slot]))
            drawn.append(
                torch.randn(self.config.expert.horizon, self.config.expert.action_width, generator=generator)
            )
        return torch.stack(drawn)

    def _sources(self, slot: int) -> tuple[str, ...]:
        return tuple(f"{one.first_ns}..{one.last_ns}" for one in self.memory.sources(slot, 3))


def policy_state(policy: MemoryPolicy) -> dict[str, Tensor]:
    """The learned weights, without what is remembered: they fit a policy with any number of slots."""
    remembered = {f"memory.{name}" for name, _ in policy.memory.named_buffers()}
    return {name: value for name, value in policy.state_dict().items() if name not in remembered}


def load_policy_state(policy: MemoryPolicy, state: dict[str, Tensor]) -> None:
    """Take over learned weights; what is remembered now is forgotten, since it would mean something else.

    Raises:
        ConfigError: weights are missing, too many, or of another size.
    """
    have = policy_state(policy)
    wrong = sorted(
        (have.keys() ^ state.keys())
        | {n for n in have.keys() & state.keys() if have[n].shape != state[n].shape}
    )
    if wrong:
        raise ConfigError(
            f"the checkpoint does not fit in {wrong[:4]}; make the policy with the options it was trained with."
        )
    policy.load_state_dict({**policy.state_dict(), **state})
    policy.reset()
