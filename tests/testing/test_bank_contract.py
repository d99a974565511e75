"""The contract of a bank catches banks that break it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from embodied_mem.layers.banks import Newest, PerceptualBank, PerceptualBankConfig, Source
from embodied_mem.testing.bank_contract import check_bank


class Faulty(PerceptualBank):
    """A sound bank with one fault."""

    def __init__(self, fault: str) -> None:
        torch.manual_seed(0)
        super().__init__(PerceptualBankConfig(num_slots=3, num_tokens=2, token_width=4, capacity=3))
        self.fault = fault
        self.unsaved = torch.zeros(3)

    def step(self, tokens: Tensor, stamp_ns: Any, slots: Any = None) -> Tensor:
        if self.fault == "changes before it refuses":
            self.provenance.first_ns += 1
        if self.fault == "takes NaN":
            tokens = tokens.nan_to_num() if tokens.dtype == torch.float32 else tokens
        output = super().step(tokens, stamp_ns, slots)
        if self.fault == "random":
            return output + 1e-3 * torch.randn(())
        if self.fault == "mixes slots":
            return output + 0.1 * output.mean()
        if self.fault == "remembers nothing":
            return tokens + 0.0
        if self.fault == "reads the wall clock":
            return output + float(self.clock.start_ns[0]) / 1e18
        if self.fault == "keeps unsaved state":
            self.unsaved[self.clock.rows(slots)] += 0.1
            return output + self.unsaved[self.clock.rows(slots)][:, None, None]
        return output

    def sources(self, slot: int, num_sources: int = 3) -> list[Source]:
        if self.fault == "explains another slot":
            return super().sources(1 if slot == 0 else slot, num_sources)
        sources = super().sources(slot, num_sources)
        return sources[::-1] if self.fault == "names the weakest sources" else sources

    def newest(self, slot: int, num: int) -> Newest:
        if self.fault == "reads another slot":
            return super().newest((slot + 1) % 3, num) if slot in range(3) else super().newest(slot, num)
        newest = super().newest(slot, num)
        if self.fault == "reads the oldest first":
            every = super().newest(slot, 10**6)
            return Newest(every.tokens.flip(0)[:num], every.last_ns.flip(0)[:num])
        if self.fault == "gives its own arrays away":
            rows = self.entries.last_ns[slot, :num][: len(newest.last_ns)]
            return newest._replace(last_ns=rows)
        return newest

    def reset(self, slots: Any = None, *, start_ns: int | None = None) -> None:
        self.unsaved[self.clock.rows(slots)] = 0.0
        super().reset(slots, start_ns=start_ns)
        if self.fault == "does not forget":
            self.entries.count[self.clock.rows(slots)] = 1


def check(fault: str) -> None:
    check_bank(lambda: Faulty(fault), num_tokens=2, token_width=4, num_steps=8)


def test_a_sound_bank_passes() -> None:
    check("none")


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ("random", "same steps"),
        ("mixes slots", "stepped apart"),
        ("remembers nothing", "changes no output"),
        ("reads the wall clock", "when the stream began"),
        ("keeps unsaved state", "restart"),
        ("does not forget", "reset"),
        ("reads another slot", "newest entries"),
        ("reads the oldest first", "newest first"),
        ("gives its own arrays away", "copies"),
        ("explains another slot", "a slot's output names sources in another"),
        ("names the weakest sources", "strongest first"),
        ("takes NaN", "NaN tokens"),
        ("changes before it refuses", "had changed"),
    ],
)
def test_a_broken_promise_is_named(fault: str, named: str) -> None:
    with pytest.raises(AssertionError, match=named):
        check(fault)
