"""What can be set about the perceptual-cognitive bank, with its defaults, and the published settings by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from embodied_mem.errors import ConfigError

Consolidating = Literal["merge", "segment", "select", "fifo", "recent"]


@dataclass(frozen=True, kw_only=True)
class PerceptualBankConfig:
    """The perceptual-cognitive bank's options; the defaults are MemoryVLA's perceptual bank.

    Attributes:
        num_slots: how many streams (robots, vectorised environments) the bank keeps apart.
        num_tokens, token_width: the shape of what one step of one slot brings.
        bank_width: the width that is stored and attended over; None takes `token_width`. Smaller values put a
            projection before and behind the bank, for tokens as wide as a language model's.
        capacity: how many entries a slot keeps.
        num_layers, num_heads: of the cross-attention.
        time_width: how many frequencies' sines and cosines embed a time; None takes a quarter of `bank_width`.
        fusion: "gate" weighs each channel by a learned gate, "mean" takes half of each.
        consolidation: what a full bank does: "merge" puts the mean of the most similar neighbours in their place,
            "segment" does so weighted by how many observations each holds, "select" keeps the observations that the others are best
            reconstructed from, "fifo" drops the oldest, "recent" the oldest but for the very first.
        stored: whether the "raw" tokens or the "fused" ones are remembered.
        merged_time: a merged entry takes the time of the "first" of the two, or their "mean".
        first_step: an empty bank lets the tokens "pass" as their own memory, or has them "attend" to themselves.
        top_entries: how many entries a bank with room for more than `exact_up_to` attends to, the strongest ones;
            None attends to all.
        exact_up_to: up to what capacity all entries are attended to.
    """

    num_slots: int = 1
    num_tokens: int = 256
    token_width: int = 256
    bank_width: int | None = None
    capacity: int = 16
    num_layers: int = 2
    num_heads: int = 1
    time_width: int | None = None
    fusion: Literal["gate", "mean"] = "gate"
    consolidation: Consolidating = "merge"
    stored: Literal["raw", "fused"] = "raw"
    merged_time: Literal["first", "mean"] = "first"
    first_step: Literal["pass", "attend"] = "pass"
    top_entries: int | None = None
    exact_up_to: int = 64

    def __post_init__(self) -> None:
        counts = (
            "num_slots",
            "num_tokens",
            "token_width",
            "capacity",
            "num_layers",
            "num_heads",
            "exact_up_to",
        )
        optional = ("bank_width", "time_width", "top_entries")
        for name in counts + tuple(name for name in optional if getattr(self, name) is not None):
            if getattr(self, name) < 1:
                raise ConfigError(f"bank.{name} is {getattr(self, name)}; it must be at least 1.")
        choices = {
            "fusion": ("gate", "mean"), "consolidation": ("merge", "segment", "select", "fifo", "recent"), "stored": ("raw", "fused"),
            "merged_time": ("first", "mean"), "first_step": ("pass", "attend"),
        }  # fmt: skip
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(f"bank.{name} is {getattr(self, name)!r}; it must be one of {allowed}.")
        if self.width % self.num_heads:
            raise ConfigError(
                f"bank.num_heads is {self.num_heads}, which does not divide the width {self.width}; choose a divisor."
            )

    @property
    def width(self) -> int:
        """The width that is stored."""
        return self.token_width if self.bank_width is None else self.bank_width

    @property
    def frequencies(self) -> int:
        """The width of the sines and cosines that embed a time."""
        return max(2, self.width // 4) if self.time_width is None else self.time_width


def memoryvla_plus(
    *, num_slots: int = 1, num_tokens: int = 256, token_width: int = 256, capacity: int = 16
) -> PerceptualBankConfig:
    """MemoryVLA+ (the Dexbotic code base): four heads, fused tokens stored, mean times, and 256 frequencies."""
    return PerceptualBankConfig(
        num_slots=num_slots, num_tokens=num_tokens, token_width=token_width, capacity=capacity, num_heads=4,
        time_width=256, stored="fused", merged_time="mean", first_step="attend",
    )  # fmt: skip
