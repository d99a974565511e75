"""Banks are saved with a memory, given back after a restart, and read slot by slot into contexts."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from embodied_mem.context.context_banks import BankShelf
from embodied_mem.errors import ConfigError, UnknownSlot
from embodied_mem.layers.banks import (
    NeuralMemory,
    NeuralMemoryConfig,
    PerceptualBank,
    PerceptualBankConfig,
    memory_arrays,
)
from embodied_mem.messages import Budget
from embodied_mem.robot_memory import RobotMemory
from tests.context.small_bank import AMPLE, make_bank, run
from tests.layers.banks.makers import MAKERS, made


def test_a_saved_bank_goes_on_bit_equal_after_a_restart(tmp_path: Path) -> None:
    stream = torch.randn(12, 2, 3, 8)
    went_on = run(make_bank(), stream)
    with RobotMemory.open(tmp_path / "m") as memory:
        bank = make_bank()
        assert not memory.banks.attach("arm", bank)
        run(bank, stream[:7])
        memory.save()
    with RobotMemory.open(tmp_path / "m") as memory:
        bank = make_bank()
        assert memory.banks.attach("arm", bank)
        rest = run(bank, stream[7:], first=7)
    assert all(torch.equal(a, b) for a, b in zip(rest, went_on[7:], strict=True))


def test_a_bank_nobody_attached_is_saved_again_with_the_rest(tmp_path: Path) -> None:
    with RobotMemory.open(tmp_path / "m") as memory:
        bank = make_bank()
        memory.banks.attach("arm", bank)
        run(bank, torch.randn(5, 2, 3, 8))
        memory.save()
        kept = memory_arrays(bank)
    for _ in range(2):
        with RobotMemory.open(tmp_path / "m") as memory:
            assert memory.banks.names == ("arm",)
            memory.save()
    with RobotMemory.load(tmp_path / "m") as memory:
        bank = make_bank()
        memory.banks.attach("arm", bank)
        restored = memory_arrays(bank)
    assert all(np.array_equal(kept[name], restored[name]) for name in kept)


def test_a_bank_with_other_weights_is_refused_until_the_old_memories_are_dropped(tmp_path: Path) -> None:
    with RobotMemory.open(tmp_path / "m") as memory:
        memory.banks.attach("arm", make_bank())
        memory.save()
    with RobotMemory.open(tmp_path / "m") as memory:
        other = PerceptualBank(make_bank().config)
        with pytest.raises(ConfigError, match="other weights"):
            memory.banks.attach("arm", other)
        memory.banks.drop("arm")
        assert not memory.banks.attach("arm", other)


def test_names_that_cannot_be_are_refused() -> None:
    shelf = BankShelf()
    shelf.attach("arm", make_bank())
    with pytest.raises(ConfigError, match="already"):
        shelf.attach("arm", make_bank())
    with pytest.raises(ConfigError, match="without '/'"):
        shelf.attach("a/b", make_bank())
    with pytest.raises(ConfigError, match="Did you mean 'arm'"):
        shelf.detach("arn")


def test_a_context_has_the_banks_newest_entries() -> None:
    bank, stream = make_bank(), torch.randn(3, 2, 3, 8)
    with RobotMemory.open() as memory:
        memory.banks.attach("arm", bank)
        run(bank, stream)
        context = memory.context("mug", budget=AMPLE, slot=1)
    held = context.banks["arm"]
    assert held.mask.sum() == 3
    np.testing.assert_allclose(held.tokens[:3], stream[:, 1].mean(dim=1).flip(0).numpy(), rtol=1e-5)
    assert "bank/arm/1/0..2000000000" in context.sources
    assert (held.ages_s[:3] >= 0).all()


def test_a_bank_that_is_being_stepped_is_left_out_rather_than_waited_for() -> None:
    bank, is_stepping, is_done = make_bank(), threading.Event(), threading.Event()
    with RobotMemory.open() as memory:
        memory.banks.attach("arm", bank)
        run(bank, torch.randn(3, 2, 3, 8))

        def step() -> None:
            with memory.banks.stepping():
                is_stepping.set()
                is_done.wait()

        thread = threading.Thread(target=step)
        thread.start()
        is_stepping.wait()
        context = memory.context("mug", budget=AMPLE)
        is_done.set()
        thread.join()
    assert "the bank 'arm': it was being stepped" in context.dropped


@pytest.mark.parametrize("kind", sorted(MAKERS.keys() - {"neural"}))  # it has nothing to read
def test_every_kind_of_bank_is_read_slot_by_slot(kind: str) -> None:
    stream = torch.randn(5, 2, 2, 8)
    bank, alone = made(kind), made(kind)
    run(bank, stream)
    for i, tokens in enumerate(stream):
        alone.step(tokens[[1]].detach(), i * 10**9, [1])
    shelf, other = BankShelf(), BankShelf()
    shelf.attach("arm", bank)
    other.attach("arm", alone)
    found, expected = (one.tokens("arm", 1, 10, 6 * 10**9) for one in (shelf, other))
    assert found is not None
    assert expected is not None
    (held, seen), (same, _) = found, expected
    newest = bank.newest(1, 10)
    np.testing.assert_array_equal(held.tokens[held.mask], newest.tokens.numpy())
    assert (seen.from_ns, seen.to_ns) == (int(newest.last_ns.min()), int(newest.last_ns.max()))
    np.testing.assert_allclose(held.ages_s[held.mask], 6.0 - newest.last_ns.numpy() / 1e9)
    assert held.mask.sum() == same.mask.sum() > 0
    np.testing.assert_allclose(held.tokens, same.tokens, atol=1e-5)
    np.testing.assert_array_equal(held.ages_s, same.ages_s)


def test_what_cannot_be_read_of_a_bank_is_said() -> None:
    with RobotMemory.open() as memory:
        for name, bank in (("empty", make_bank()), ("gone", make_bank())):
            memory.banks.attach(name, bank)
        neural = NeuralMemory(NeuralMemoryConfig(num_slots=2, num_tokens=3, token_width=8))
        memory.banks.attach("neural", neural)
        memory.banks.attach("other", torch.nn.Linear(2, 2))
        run(neural, torch.randn(2, 2, 3, 8))
        memory.banks.detach("gone")
        context = memory.context("mug", budget=AMPLE)
    assert not context.banks
    assert context.dropped == (
        "the bank 'empty' has no entries to read",
        "the bank 'gone' is not attached",
        "the bank 'neural' has no entries to read",
        "the bank 'other' has no entries to read",
    )


@pytest.mark.parametrize("slot", [-1, 2, 9])
def test_a_slot_that_no_bank_has_is_refused(slot: int) -> None:
    with RobotMemory.open() as memory:
        bank = make_bank()
        memory.banks.attach("arm", bank)
        run(bank, torch.randn(3, 2, 3, 8))
        for budget in (
            AMPLE,
            Budget(tokens=16, ms=20),
            Budget(tokens=512, ms=0.001),
        ):  # whether it is read or not
            with pytest.raises(UnknownSlot, match=str(slot)):
                memory.context("mug", budget=budget, slot=slot)


def test_a_bank_with_fewer_slots_does_not_keep_others_from_being_read() -> None:
    with RobotMemory.open() as memory:
        for name, num_slots in (("arm", 2), ("base", 1)):
            bank = PerceptualBank(PerceptualBankConfig(num_slots=num_slots, num_tokens=3, token_width=8))
            memory.banks.attach(name, bank)
            run(bank, torch.randn(3, num_slots, 3, 8))
        context = memory.context("mug", budget=AMPLE, slot=1)
    assert context.banks.keys() == {"arm"}
    assert context.dropped == ("the bank 'base' has no slot 1",)
