"""The selective bank writes what can be trusted, and its motion model is a Kalman filter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from embodied_mem.errors import ConfigError, InvalidMessage
from embodied_mem.layers.banks.config import PerceptualBankConfig
from embodied_mem.layers.banks.motion import (
    ACCELERATION_SHARE,
    FIRST_SPEED_SHARE,
    MEASURED_SHARE,
    BoxMotion,
    overlap,
)
from embodied_mem.layers.banks.selective import SelectiveBank, SelectiveBankConfig, Sighting
from embodied_mem.testing.bank_contract import check_bank

PERIOD_NS = 100_000_000


def make_bank(num_slots: int = 1) -> SelectiveBank:
    torch.manual_seed(0)
    entries = PerceptualBankConfig(
        num_slots=num_slots, num_tokens=2, token_width=8, capacity=4, consolidation="recent"
    )
    return SelectiveBank(SelectiveBankConfig(bank=entries))


def box_at(x_px: float, y_px: float = 50.0) -> Tensor:
    return torch.tensor([[x_px - 10, y_px - 20, x_px + 10, y_px + 20]])


def seen_at(x_px: float, *, mask_quality: float = 0.9, object_score: float = 4.0) -> Sighting:
    return Sighting(
        mask_quality=torch.tensor([mask_quality]),
        object_score=torch.tensor([object_score]),
        box_px=box_at(x_px),
    )


def told(**values: Any) -> Any:
    """A sighting as one might build it by mistake; types are not checked when it is built."""
    sighting = seen_at(100)
    for name, value in values.items():
        object.__setattr__(sighting, name, value)
    return sighting


def written_stamps(bank: SelectiveBank, slot: int = 0) -> list[int]:
    entries = bank.bank.entries
    order = entries.order[slot, : int(entries.count[slot])]
    return [int(stamp) // PERIOD_NS for stamp in entries.first_ns[slot, order]]


def run(bank: SelectiveBank, sightings: list[Sighting | None]) -> list[int]:
    for i, sighting in enumerate(sightings):
        bank.step(torch.randn(1, 2, 8), i * PERIOD_NS, sighting=sighting)
    return written_stamps(bank)


def test_the_selective_bank_keeps_the_contract() -> None:
    check_bank(lambda: make_bank(3), num_tokens=2, token_width=8)


def test_the_first_and_the_most_recent_are_kept() -> None:
    assert run(make_bank(), [None] * 9) == [0, 6, 7, 8]


def test_steady_motion_is_written() -> None:
    assert run(make_bank(), [seen_at(100 + 6 * i) for i in range(4)]) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "bad",
    [seen_at(112, mask_quality=0.2), seen_at(112, object_score=-3.0), seen_at(190)],
    ids=["poor mask", "not in view", "a look-alike elsewhere"],
)
def test_what_mask_object_or_motion_does_not_vouch_for_is_not_written(bad: Sighting) -> None:
    good = [seen_at(100 + 6 * i) for i in range(5)]
    assert run(make_bank(), [*good[:2], bad, *good[3:4]]) == [0, 1, 3]


def test_the_target_is_found_again_where_its_motion_leads_after_an_occlusion() -> None:
    hidden = [seen_at(130, object_score=-5.0)] * 3
    before = [seen_at(100 + 6 * i) for i in range(4)]
    assert run(make_bank(), [*before, *hidden, seen_at(100 + 6 * 7)])[-1] == 7


def test_a_prediction_that_has_become_vague_refuses_nothing() -> None:
    bank = make_bank()
    run(bank, [seen_at(100 + 6 * i) for i in range(3)])
    bank.step(torch.randn(1, 2, 8), 60 * 10**9, sighting=seen_at(400))
    assert len(written_stamps(bank)) == 4


def test_the_motion_model_is_the_textbook_filter() -> None:
    rng = np.random.default_rng(0)
    motion = BoxMotion(2)
    slots = torch.tensor([1])
    seconds, mean, covariance, last_s = 0.0, np.zeros(8), np.zeros((8, 8)), 0.0
    for i in range(12):
        seconds += float(rng.uniform(0.0, 0.4))
        center, size = 100 + 20 * seconds + rng.normal(0, 1, 2), rng.uniform(30, 34, 2)
        measured = np.concatenate([center, size])
        box = torch.tensor(np.concatenate([center - size / 2, center + size / 2]))[None]
        noise = np.eye(4) * (MEASURED_SHARE * size[1]) ** 2
        if i == 0:
            mean = np.concatenate([measured, np.zeros(4)])
            covariance = np.diag([*np.diag(noise), *[(FIRST_SPEED_SHARE * size[1]) ** 2] * 4])
        else:
            dt = seconds - last_s
            q = (ACCELERATION_SHARE * mean[3]) ** 2
            F = np.block([[np.eye(4), dt * np.eye(4)], [np.zeros((4, 4)), np.eye(4)]])
            Q = q * np.kron(np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]]), np.eye(4))
            mean, covariance = F @ mean, F @ covariance @ F.T + Q
            H = np.eye(4, 8)
            K = covariance @ H.T @ np.linalg.inv(H @ covariance @ H.T + noise)
            mean, covariance = mean + K @ (measured - H @ mean), (np.eye(8) - K @ H) @ covariance
        motion.update(slots, torch.tensor([seconds], dtype=torch.float64), box)
        last_s = seconds
        np.testing.assert_allclose(motion.mean[1].numpy(), mean, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(motion.covariance[1].numpy(), covariance, rtol=1e-7, atol=1e-9)
    assert not bool(motion.known(torch.tensor([0])))


def test_overlap_is_intersection_over_union() -> None:
    boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 1, 1]], dtype=torch.float64)
    others = torch.tensor([[1.0, 0, 3, 2], [0, 0, 2, 2], [5, 5, 6, 6]], dtype=torch.float64)
    assert overlap(boxes, others).tolist() == pytest.approx([1 / 3, 1.0, 0.0])


@pytest.mark.parametrize(
    "sighting",
    [
        seen_at(float("nan")),
        Sighting(mask_quality=torch.ones(2), object_score=torch.ones(1), box_px=box_at(0)),
        Sighting(mask_quality=torch.ones(1), object_score=torch.ones(1), box_px=box_at(0).flip(1)),
        seen_at(100, mask_quality=5.0),
        seen_at(100, mask_quality=-0.1),
        told(mask_quality=[0.9]),
        told(object_score=np.array([4.0])),
        told(object_score=4.0),
        told(box_px=torch.tensor([[1, 2, 3, 4]])),
        {"mask_quality": 0.9},
    ],
    ids=[
        "not finite",
        "rows do not fit",
        "empty box",
        "too good",
        "too poor",
        "a list",
        "an array",
        "a number",
        "whole numbers",
        "a dict",
    ],
)
def test_a_sighting_that_cannot_be_is_refused_before_anything_changes(sighting: Any) -> None:
    bank = make_bank()
    run(bank, [seen_at(100)])
    before = {name: value.clone() for name, value in bank.state_dict().items()}
    with pytest.raises(InvalidMessage, match="sighting"):
        bank.step(torch.randn(1, 2, 8), PERIOD_NS, sighting=sighting)
    assert all(torch.equal(before[name], value) for name, value in bank.state_dict().items())


def test_minimums_outside_their_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="min_mask_quality"):
        SelectiveBankConfig(min_mask_quality=1.5)
