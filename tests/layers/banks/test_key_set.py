"""The key-set bank: the contract, a pool of features that fills and then changes feature by feature."""

from __future__ import annotations

import pytest
import torch

from embodied_mem.errors import ConfigError
from embodied_mem.layers.banks import KeySetBank, KeySetBankConfig
from embodied_mem.testing.bank_contract import check_bank


def make_bank(num_slots: int = 3, pool: int = 12, num_keys: int = 6, num_written: int = 2) -> KeySetBank:
    torch.manual_seed(0)
    config = KeySetBankConfig(
        num_slots=num_slots, num_tokens=4, token_width=8, pool=pool, num_keys=num_keys, num_written=num_written,
        num_heads=2, time_width=8,
    )  # fmt: skip
    return KeySetBank(config)


def test_it_keeps_the_contract() -> None:
    check_bank(make_bank, num_tokens=4, token_width=8, num_steps=14)


def run(bank: KeySetBank, stream: torch.Tensor) -> None:
    with torch.no_grad():
        for i, tokens in enumerate(stream):
            bank.step(tokens[None], i * 10**9)


def test_the_pool_fills_and_then_each_step_replaces_only_what_it_writes() -> None:
    bank, stream = make_bank(1), torch.randn(20, 4, 8)
    for i, tokens in enumerate(stream):
        before = bank.tokens.clone()
        with torch.no_grad():
            bank.step(tokens[None], i * 10**9)
        changed = int((bank.tokens != before).any(dim=2).sum())
        assert changed == 2
        assert int(bank.count) == min(12, 2 * (i + 1))
        held = {tuple(row.tolist()) for row in bank.tokens[0, : int(bank.count)]}
        assert held <= {tuple(row.tolist()) for row in stream[: i + 1].flatten(0, 1)}


def test_what_the_pool_knows_least_is_written() -> None:
    bank = make_bank(1, num_keys=12)
    known, new = torch.randn(4, 8), torch.randn(4, 8)
    run(bank, known.expand(5, 4, 8))
    with torch.no_grad():
        bank.step(torch.stack([known[0], new[0], known[1], new[1]])[None], 10**10)
    held = {tuple(row.tolist()) for row in bank.tokens[0]}
    assert {tuple(new[0].tolist()), tuple(new[1].tolist())} <= held


def test_with_the_whole_pool_as_keys_the_answer_is_attention_over_all() -> None:
    bank, stream = make_bank(1, num_keys=12), torch.randn(7, 4, 8)
    run(bank, stream[:6])
    with torch.no_grad():
        held, seen = bank.tokens[0], stream[6][None]
        keys = bank.layer.key(held + bank.time(bank.seconds[0]))[None]
        q, k, v = (bank._heads(part) for part in (bank.layer.query(seen), keys, bank.layer.value(held)[None]))
        attended = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        expected = bank.fusion(seen, bank.layer.finish(seen, attended.transpose(1, 2).flatten(2)))
        assert torch.allclose(bank.step(seen, 10**10), expected, atol=1e-5)
    assert sum(source.share for source in bank.sources(0, 12)) == pytest.approx(1.0, abs=1e-5)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="num_keys is 20"):
        make_bank(num_keys=20)
    with pytest.raises(ConfigError, match="num_written is 0"):
        make_bank(num_written=0)


def test_the_newest_features_are_read_one_by_one() -> None:
    bank, stream = make_bank(1), torch.randn(3, 4, 8)
    run(bank, stream)
    newest = bank.newest(0, 4)
    assert newest.last_ns.tolist() == [2 * 10**9] * 2 + [10**9] * 2
    seen = {tuple(row.tolist()) for row in stream[1:].flatten(0, 1)}
    assert {tuple(row.tolist()) for row in newest.tokens} <= seen
