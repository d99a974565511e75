"""The fast bank agrees with the plain one, and does what the paper says."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from embodied_mem.errors import ConfigError
from embodied_mem.layers.banks import PerceptualBank, PerceptualBankConfig, memoryvla_plus
from embodied_mem.layers.banks._reference import ReferenceBank
from embodied_mem.testing.bank_contract import check_bank

SECOND_NS = 10**9


def both(config: PerceptualBankConfig, seed: int = 0) -> tuple[PerceptualBank, ReferenceBank]:
    torch.manual_seed(seed)
    fast, plain = PerceptualBank(config), ReferenceBank(config).eval()
    plain.weights.load_state_dict(fast.weights.state_dict())
    return fast, plain


def matching(config: PerceptualBankConfig, sharpness: float = 8.0) -> PerceptualBank:
    """A bank whose queries and keys are the tokens themselves, whatever the time: like attends to like."""
    bank = PerceptualBank(config)
    with torch.no_grad():
        for parameter in bank.weights.time.parameters():
            parameter.zero_()
        for layer in bank.weights.retrieval_layers():
            for linear, scale in ((layer.query, sharpness), (layer.key, 1.0), (layer.value, 1.0)):
                linear.weight.copy_(scale * torch.eye(config.width))
                linear.bias.zero_()
    return bank


@st.composite
def configs(draw: st.DrawFn) -> PerceptualBankConfig:
    num_heads = draw(st.sampled_from([1, 2, 3]))
    width = num_heads * draw(st.integers(4, 6))  # norms over fewer channels magnify the last bit
    return PerceptualBankConfig(
        num_slots=draw(st.integers(1, 3)),
        num_tokens=draw(st.integers(1, 7)),
        token_width=draw(st.sampled_from([width, width + 5])),
        bank_width=width,
        capacity=draw(st.integers(1, 5)),
        num_layers=draw(st.integers(1, 3)),
        num_heads=num_heads,
        time_width=draw(st.sampled_from([None, 2, 5, 8])),
        fusion=draw(st.sampled_from(["gate", "mean"])),
        consolidation=draw(st.sampled_from(["merge", "segment", "select", "fifo", "recent"])),
        stored=draw(st.sampled_from(["raw", "fused"])),
        merged_time=draw(st.sampled_from(["first", "mean"])),
        first_step=draw(st.sampled_from(["pass", "attend"])),
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(config=configs(), seed=st.integers(0, 2**31), data=st.data())
def test_fast_and_plain_form_agree_on_any_shape_and_any_order_of_slots(
    config: PerceptualBankConfig, seed: int, data: st.DataObject
) -> None:
    fast, plain = both(config, seed)
    generator = torch.Generator().manual_seed(seed)
    stamp_ns = 0
    for _ in range(data.draw(st.integers(1, 14))):
        slots = data.draw(st.permutations(range(config.num_slots)))[
            : data.draw(st.integers(1, config.num_slots))
        ]
        if data.draw(st.integers(0, 9)) == 0:
            fast.reset(slots)
            plain.reset(slots)
        stamp_ns += data.draw(st.integers(0, 5 * SECOND_NS))
        tokens = torch.randn(len(slots), config.num_tokens, config.token_width, generator=generator)
        expected = plain.step(tokens, stamp_ns, slots)
        assert torch.allclose(fast.step(tokens, stamp_ns, slots), expected, atol=1e-5, rtol=0.0)


@pytest.mark.parametrize("consolidation", ["merge", "segment", "select", "fifo"])
@pytest.mark.parametrize("make", [PerceptualBankConfig, memoryvla_plus])
def test_the_bank_keeps_the_contract(make: type[PerceptualBankConfig], consolidation: str) -> None:
    def make_bank() -> PerceptualBank:
        torch.manual_seed(3)
        published = make(num_slots=3, num_tokens=4, token_width=8, capacity=5)
        config = PerceptualBankConfig(**(vars(published) | {"consolidation": consolidation}))
        return PerceptualBank(config)

    check_bank(make_bank, num_tokens=4, token_width=8)


def test_a_bank_that_attends_to_its_strongest_entries_keeps_the_contract() -> None:
    def make_bank() -> PerceptualBank:
        torch.manual_seed(3)
        config = PerceptualBankConfig(
            num_slots=3, num_tokens=4, token_width=8, capacity=6, top_entries=2, exact_up_to=3
        )
        return PerceptualBank(config)

    check_bank(make_bank, num_tokens=4, token_width=8)


def test_a_long_stream_of_merges_does_not_drift_from_the_plain_form() -> None:
    fast, plain = both(PerceptualBankConfig(num_tokens=3, token_width=8, capacity=6))
    generator = torch.Generator().manual_seed(0)
    for i in range(150):
        tokens = torch.randn(1, 3, 8, generator=generator)
        out, expected = fast.step(tokens, i * SECOND_NS), plain.step(tokens, i * SECOND_NS)
    assert torch.allclose(out, expected, atol=1e-5, rtol=0.0)


def stored_tokens(bank: PerceptualBank) -> Tensor:
    return bank.entries.tokens[0, bank.entries.order[0, : int(bank.entries.count[0])]]


def test_a_full_bank_merges_the_most_similar_neighbours_and_keeps_the_first_time() -> None:
    bank = PerceptualBank(PerceptualBankConfig(num_tokens=1, token_width=2, capacity=3))
    directions = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.1, 1.0], [-1.0, 0.0]])
    for i, direction in enumerate(directions):
        bank.step(direction.view(1, 1, 2), (5 + i) * SECOND_NS)
    mean = (directions[1] + directions[2]) / 2
    assert torch.allclose(stored_tokens(bank)[:, 0], torch.stack([directions[0], mean, directions[3]]))
    order = bank.entries.order[0]
    assert bank.entries.seconds[0, order].tolist() == [0.0, 1.0, 3.0]
    assert bank.entries.num_observations[0, order].tolist() == [1, 2, 1]
    assert bank.entries.first_ns[0, order].tolist() == [5 * SECOND_NS, 6 * SECOND_NS, 8 * SECOND_NS]
    assert bank.entries.last_ns[0, order].tolist() == [5 * SECOND_NS, 7 * SECOND_NS, 8 * SECOND_NS]


def test_segments_hold_the_exact_mean_of_their_observations() -> None:
    config = PerceptualBankConfig(num_tokens=2, token_width=4, capacity=3, consolidation="segment")
    bank = PerceptualBank(config)
    observations = torch.randn(20, 2, 4, generator=torch.Generator().manual_seed(1))
    for i, tokens in enumerate(observations):
        bank.step(tokens[None], i * SECOND_NS)
    order = bank.entries.order[0].tolist()
    for row in order:
        first, last = (
            int(stamps[0, row]) // SECOND_NS for stamps in (bank.entries.first_ns, bank.entries.last_ns)
        )
        assert int(bank.entries.num_observations[0, row]) == last - first + 1
        assert torch.allclose(
            bank.entries.tokens[0, row], observations[first : last + 1].mean(dim=0), atol=1e-5
        )
    assert sum(bank.entries.num_observations[0].tolist()) == 20


def test_first_in_first_out_keeps_the_newest() -> None:
    bank = PerceptualBank(PerceptualBankConfig(num_tokens=1, token_width=3, capacity=4, consolidation="fifo"))
    observations = torch.randn(9, 1, 3)
    for i, tokens in enumerate(observations):
        bank.step(tokens[None], i)
    assert torch.equal(stored_tokens(bank), observations[-4:])


def test_what_dominated_an_output_is_named_by_its_stamps() -> None:
    bank = matching(
        PerceptualBankConfig(num_tokens=1, token_width=6, capacity=6, num_layers=1), sharpness=30.0
    )
    seen = torch.eye(6)
    for i in range(6):
        bank.step(seen[i].view(1, 1, 6), (100 + i) * SECOND_NS)
    bank.step(seen[2].view(1, 1, 6), 200 * SECOND_NS)
    strongest = bank.sources(0, 6)
    assert (strongest[0].first_ns, strongest[0].last_ns) == (102 * SECOND_NS, 102 * SECOND_NS)
    assert strongest[0].share > 0.99
    assert sum(source.share for source in strongest) == pytest.approx(1.0, abs=1e-5)
    bank.reset([0])
    assert bank.sources(0) == []


@pytest.mark.parametrize("num_heads", [1, 2])
def test_attending_to_the_strongest_entries_comes_close_to_attending_to_all(num_heads: int) -> None:
    torch.manual_seed(0)
    shape = {"num_tokens": 4, "token_width": 32, "capacity": 70, "num_heads": num_heads}
    exact = matching(PerceptualBankConfig(**shape), sharpness=20.0)
    quick = PerceptualBank(PerceptualBankConfig(**shape, top_entries=16))
    quick.weights.load_state_dict(exact.weights.state_dict())
    generator = torch.Generator().manual_seed(0)
    places = torch.randn(8, 4, 32, generator=generator)
    for i in range(80):
        tokens = (places[i // 10] + 0.1 * torch.randn(4, 32, generator=generator))[None]
        expected, got = exact.step(tokens, i * SECOND_NS), quick.step(tokens, i * SECOND_NS)
    assert not torch.equal(expected, got)
    assert torch.nn.functional.cosine_similarity(expected.flatten(), got.flatten(), dim=0) > 0.99
    assert 16 <= len(quick.sources(0, 70)) <= 32  # each of the two layers chooses its own


def test_time_is_seconds_not_steps() -> None:
    def last_output(period_ns: int) -> Tensor:
        torch.manual_seed(0)
        bank = PerceptualBank(PerceptualBankConfig(num_tokens=2, token_width=32))
        stream = torch.randn(5, 1, 2, 32)
        return [bank.step(tokens, i * period_ns) for i, tokens in enumerate(stream)][-1]

    assert not torch.allclose(last_output(SECOND_NS), last_output(10 * SECOND_NS), atol=1e-5)


def test_gradients_in_training_are_those_of_the_plain_form() -> None:
    fast, plain = both(PerceptualBankConfig(num_slots=2, num_tokens=3, token_width=8, capacity=3))
    fast.train()
    plain.train()
    stream = torch.randn(6, 2, 3, 8)
    losses = [
        torch.stack(
            [bank.step(tokens, i * SECOND_NS).square().sum() for i, tokens in enumerate(stream)]
        ).sum()
        for bank in (fast, plain)
    ]
    for loss in losses:
        loss.backward()
    expected = dict(plain.weights.named_parameters())
    for name, parameter in fast.weights.named_parameters():
        assert parameter.grad is not None, name
        assert torch.allclose(parameter.grad, expected[name].grad, atol=1e-3, rtol=1e-4), name  # type: ignore[arg-type]


def test_weights_that_change_while_something_is_remembered_reach_the_memory() -> None:
    config = PerceptualBankConfig(num_tokens=3, token_width=8, capacity=4)
    fast, plain = both(config)
    other, _ = both(config, seed=9)
    stream = torch.randn(7, 1, 3, 8)
    for i, tokens in enumerate(stream[:-1]):
        fast.step(tokens, i * SECOND_NS)
        plain.step(tokens, i * SECOND_NS)
    for bank in (fast, plain):
        bank.weights.load_state_dict(other.weights.state_dict())
    fast.refresh()
    expected = plain.step(stream[-1], 6 * SECOND_NS)
    assert torch.allclose(fast.step(stream[-1], 6 * SECOND_NS), expected, atol=1e-5)


def test_a_gate_that_lets_no_memory_through_leaves_wide_tokens_as_they_were() -> None:
    bank = PerceptualBank(PerceptualBankConfig(num_tokens=1, token_width=40, bank_width=8))
    with torch.no_grad():
        bank.weights.fusion.gate.bias.fill_(1e4)  # type: ignore[union-attr, operator]
    for i in range(3):
        tokens = torch.randn(1, 1, 40)
        assert torch.equal(bank.step(tokens, i), tokens)


def test_the_memory_has_the_announced_size_and_never_grows() -> None:
    config = PerceptualBankConfig(num_slots=2, num_tokens=4, token_width=8, capacity=3)
    bank = PerceptualBank(config)
    tokens_bytes = 2 * 3 * 4 * 8 * 4
    before = bank.bytes()
    assert before >= tokens_bytes * (1 + 2 * config.num_layers)  # tokens, and keys and values of each layer
    for i in range(9):
        bank.step(torch.randn(2, 4, 8), i)
    assert bank.bytes() == before


@pytest.mark.parametrize(
    "wrong", [{"capacity": 0}, {"num_heads": 3}, {"stored": "cooked"}, {"top_entries": 0}]
)
def test_a_configuration_that_cannot_be_is_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        PerceptualBankConfig(**wrong)  # type: ignore[arg-type]


def test_the_newest_entries_are_read_as_means_of_their_tokens() -> None:
    bank = PerceptualBank(PerceptualBankConfig(num_tokens=2, token_width=8, capacity=3, consolidation="fifo"))
    with torch.no_grad():
        for i in range(5):
            tokens = torch.stack([torch.full((8,), i - 1.0), torch.full((8,), i + 1.0)])
            bank.step(tokens[None], i * SECOND_NS)
    newest = bank.newest(0, 2)
    assert newest.tokens[:, 0].tolist() == [4.0, 3.0]
    assert newest.last_ns.tolist() == [4 * SECOND_NS, 3 * SECOND_NS]
