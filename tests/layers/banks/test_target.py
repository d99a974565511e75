"""The target memory writes through its gate, and several hypotheses survive an occlusion."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from embodied_mem.errors import ConfigError, InvalidMessage
from embodied_mem.layers.banks.consolidation import token_similarity
from embodied_mem.layers.banks.target import NEW_BELIEF, TargetMemory, TargetMemoryConfig
from embodied_mem.testing.bank_contract import check_bank

SECOND_NS = 10**9
LOOKS = torch.eye(8)
TARGET, OTHER, THIRD = (LOOKS[i].expand(1, 2, 8) for i in range(3))


def make_memory(num_slots: int = 1, **options: float) -> TargetMemory:
    torch.manual_seed(0)
    config = TargetMemoryConfig(num_slots=num_slots, num_tokens=2, token_width=8, num_heads=2, **options)  # type: ignore[arg-type]
    return TargetMemory(config)


def followed(memory: TargetMemory) -> Tensor:
    """The look that the memory now takes for the target."""
    return memory.tokens[0, int(memory.belief[0].argmax())]


def test_the_target_memory_keeps_the_contract() -> None:
    check_bank(lambda: make_memory(3), num_tokens=2, token_width=8)


class Plain:
    """One slot's hypotheses as a list of [look, belief], by the rules as they are described."""

    def __init__(self, config: TargetMemoryConfig) -> None:
        self.config, self.looks, self.last_s = (
            config,
            [[torch.zeros(2, 8), 0.0] for _ in range(config.num_hypotheses)],
            0.0,
        )

    def step(self, seen: Tensor, second: float, confidence: float | None) -> None:
        leader = max(range(len(self.looks)), key=lambda i: self.looks[i][1])
        for look in self.looks:
            look[1] *= math.exp(-(second - self.last_s) / self.config.fade_s)
        self.last_s = second
        if not any(belief for _, belief in self.looks):
            if confidence is None or confidence >= self.config.min_confidence:
                self.looks[0] = [seen, 1.0]
            return
        fits = [
            float(token_similarity(look[None], seen[None])) if belief else -1.0 for look, belief in self.looks
        ]
        best = max(range(len(fits)), key=lambda i: fits[i])
        sure = confidence if confidence is not None else min(max(fits[best], 0.0), 1.0)
        gate, matches = self.config.min_confidence, fits[best] >= self.config.min_confidence
        if sure >= gate:
            self._blend(best if matches else leader, seen, sure)
        elif matches and best != leader:
            self._blend(best, seen, sure)
        elif not matches and len(self.looks) > 1:
            weakest = min((i for i in range(len(self.looks)) if i != leader), key=lambda i: self.looks[i][1])
            self.looks[weakest] = [seen, NEW_BELIEF]

    def _blend(self, row: int, seen: Tensor, sure: float) -> None:
        look, belief = self.looks[row]
        share = self.config.rate * sure
        self.looks[row] = [(1 - share) * look + share * seen, belief + (1 - belief) * share]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data(), looks=st.integers(1, 3), seed=st.integers(0, 2**31))
def test_the_memory_agrees_with_its_rules_written_out(data: st.DataObject, looks: int, seed: int) -> None:
    memory = make_memory(num_hypotheses=looks, fade_s=5.0)
    plain, generator, second = Plain(memory.config), torch.Generator().manual_seed(seed), 0.0
    kinds = torch.randn(3, 2, 8, generator=generator)
    for _ in range(data.draw(st.integers(1, 12))):
        seen = kinds[data.draw(st.integers(0, 2))] + 0.3 * torch.randn(2, 8, generator=generator)
        confidence = data.draw(st.sampled_from([None, 0.125, 0.75, 1.0]))
        given_confidence = None if confidence is None else torch.tensor([confidence])
        with torch.no_grad():
            memory.step(seen[None], round(second * SECOND_NS), confidence=given_confidence)
        plain.step(seen, second, confidence)
        second += data.draw(st.sampled_from([0.0, 0.5, 4.0]))
        for row, (look, belief) in enumerate(plain.looks):
            assert memory.beliefs(0)[row] == pytest.approx(belief, abs=1e-6)
            assert belief == 0.0 or torch.allclose(memory.tokens[0, row], look, atol=1e-5)


def test_an_unsure_sighting_never_touches_the_targets_look() -> None:
    memory = make_memory()
    memory.step(TARGET, 0)
    for i in range(1, 5):
        memory.step(0.8 * TARGET + 0.2 * OTHER, i * SECOND_NS, confidence=torch.tensor([0.3]))
    assert torch.equal(followed(memory), TARGET[0])


def test_the_target_is_still_known_after_others_passed_while_it_was_hidden() -> None:
    memory = make_memory()
    for i in range(5):
        memory.step(TARGET, i * SECOND_NS)
    for i, passing in enumerate((OTHER, THIRD, OTHER), start=5):
        memory.step(passing, i * SECOND_NS)
    assert torch.allclose(followed(memory), TARGET[0])
    memory.step(TARGET, 9 * SECOND_NS)
    assert memory.sources(0)[0].num_observations == 5


def test_what_is_seen_for_long_in_the_targets_place_becomes_the_target() -> None:
    memory = make_memory(fade_s=5.0)
    memory.step(TARGET, 0)
    for i in range(1, 12):
        memory.step(OTHER, i * SECOND_NS)
    assert torch.allclose(followed(memory), OTHER[0])


def test_a_confident_tracker_teaches_a_new_look() -> None:
    memory = make_memory()
    memory.step(TARGET, 0)
    for i in range(1, 8):
        memory.step(OTHER, i * SECOND_NS, confidence=torch.tensor([1.0]))
    assert torch.cosine_similarity(followed(memory), OTHER[0], dim=-1).min() > 0.99


def test_the_place_is_part_of_what_is_remembered() -> None:
    outputs = []
    for bearing_rad in (0.0, 2.0):
        memory = make_memory()
        memory.step(TARGET, 0, bearing_range=torch.tensor([[bearing_rad, 3.0]]))
        outputs.append(memory.step(TARGET, SECOND_NS))
    assert not torch.allclose(*outputs, atol=1e-4)
    assert memory.polar[0, 0].tolist() == pytest.approx([math.cos(2), math.sin(2), math.log(4), 1.0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"confidence": torch.tensor([1.5])},
        {"confidence": torch.ones(2)},
        {"bearing_range": torch.tensor([[0.0, -1.0]])},
        {"bearing_range": torch.tensor([[float("nan"), 1.0]])},
        {"confidence": 0.5},
        {"confidence": [0.5]},
        {"confidence": np.array([0.5])},
        {"confidence": torch.ones(1, dtype=torch.int64)},
        {"bearing_range": [[0.0, 1.0]]},
        {"bearing_range": torch.tensor([[0.0, float("inf")]])},
    ],
)
def test_a_confidence_or_place_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    memory = make_memory()
    with pytest.raises(InvalidMessage, match=next(iter(wrong))):
        memory.step(TARGET, 0, **wrong)
    assert memory.beliefs(0) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("wrong", [{"num_hypotheses": 0}, {"rate": 0.0}, {"fade_s": -1.0}])
def test_a_configuration_that_cannot_be_is_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        make_memory(**wrong)


def test_looks_are_read_newest_first_whichever_is_followed() -> None:
    memory = make_memory()
    memory.step(TARGET, 0)
    memory.step(OTHER, SECOND_NS)
    newest = memory.newest(0, 5)
    assert torch.equal(newest.tokens, torch.stack([LOOKS[1], LOOKS[0]]))
    assert newest.last_ns.tolist() == [SECOND_NS, 0]
    assert torch.equal(followed(memory), TARGET[0])
    memory.step(TARGET, 2 * SECOND_NS)
    assert memory.newest(0, 1).last_ns.tolist() == [2 * SECOND_NS]
