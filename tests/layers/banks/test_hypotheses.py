"""The hypothesis tree: the contract, pathways that overtake each other, and copies that are complete."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from embodied_mem.errors import ConfigError, InvalidMessage
from embodied_mem.layers.banks import (
    HypothesisTree,
    HypothesisTreeConfig,
    PerceptualBank,
    PerceptualBankConfig,
    memory_arrays,
    restore_memory,
)
from embodied_mem.layers.banks.hypotheses import copy_slots
from embodied_mem.testing.bank_contract import check_bank

SURE, DOUBT = torch.tensor([9.0]), torch.tensor([0.5])


def make_tree(num_slots: int = 3, num_pathways: int = 2) -> HypothesisTree:
    torch.manual_seed(0)
    bank = PerceptualBankConfig(
        num_slots=num_slots, num_tokens=2, token_width=8, capacity=4, consolidation="recent", time_width=8
    )
    return HypothesisTree(HypothesisTreeConfig(bank=bank, num_pathways=num_pathways))


def test_it_keeps_the_contract() -> None:
    check_bank(make_tree, num_tokens=2, token_width=8)


def test_without_doubt_it_is_its_bank() -> None:
    tree = make_tree(1)
    alone = PerceptualBank(tree.config.bank)
    alone.weights.load_state_dict(tree.bank.weights.state_dict())
    with torch.no_grad():
        for i, tokens in enumerate(torch.randn(9, 1, 2, 8)):
            assert torch.allclose(tree.step(tokens, i * 10**9), alone.step(tokens, i * 10**9), atol=1e-5)


def held(tree: HypothesisTree, pathway: int) -> list[Tensor]:
    entries = tree.bank.entries
    return [
        entries.tokens[pathway, row] for row in entries.order[pathway, : int(entries.count[pathway])].tolist()
    ]


def offer(
    tree: HypothesisTree, second: int, candidates: list[Tensor], quality: list[list[float]], score: Tensor
) -> list[int]:
    with torch.no_grad():
        tree.branch(torch.zeros(1, 2, 8), second * 10**9)
        offered = torch.stack(candidates)[None, None].expand(1, tree.config.num_pathways, -1, -1, -1)
        chosen = tree.choose(offered, torch.tensor([quality]), score)
    return chosen.candidate[0].tolist()


def test_a_wrong_turn_is_taken_back_when_the_other_pathway_overtakes() -> None:
    tree = make_tree(1)
    with torch.no_grad():
        tree.step(torch.ones(1, 2, 8), 0)
    target, other = torch.full((2, 8), 2.0), torch.full((2, 8), -3.0)
    assert offer(tree, 1, [target, other], [[0.6, 0.7]] * 2, DOUBT) == [1, 0]
    assert torch.equal(held(tree, 0)[-1], other)
    assert torch.equal(held(tree, 1)[-1], target)
    later = torch.full((2, 8), 2.1)
    # Pathway 0 followed the wrong one and finds nothing that fits; pathway 1 finds the target again.
    offer(tree, 2, [later], [[0.31], [0.95]], SURE)
    assert [entry[0, 0].item() for entry in held(tree, 0)] == pytest.approx([1.0, 2.0, 2.1])
    assert [entry[0, 0].item() for entry in held(tree, 1)] == pytest.approx([1.0, -3.0, 2.1])
    assert tree.score[0, 0] == 0.0
    assert tree.score[0, 1] < 0.0


def test_in_doubt_equal_candidates_count_as_one() -> None:
    candidates = [torch.full((2, 8), value) for value in (1.0, 1.01, 5.0)]
    for score, expected in ((SURE, [0, 1]), (DOUBT, [0, 2])):
        tree = make_tree(1)
        assert offer(tree, 0, candidates, [[0.9, 0.899, 0.5]] * 2, score) == expected


@pytest.mark.parametrize(("quality", "score"), [(0.1, SURE), (0.9, torch.tensor([-1.0]))])
def test_a_poor_candidate_or_an_absent_target_is_not_written(quality: float, score: Tensor) -> None:
    tree = make_tree(1)
    with torch.no_grad():
        tree.step(torch.ones(1, 2, 8), 0)
    offer(tree, 1, [torch.full((2, 8), 4.0)], [[quality]] * 2, score)
    assert len(held(tree, 0)) == 1


def test_a_copied_slot_goes_on_as_the_one_it_was_copied_from() -> None:
    torch.manual_seed(1)
    bank = PerceptualBank(
        PerceptualBankConfig(num_slots=3, num_tokens=2, token_width=8, capacity=3, time_width=8)
    )
    with torch.no_grad():
        for i, tokens in enumerate(torch.randn(5, 3, 2, 8)):
            bank.step(tokens, i * 10**9)
        copy_slots(bank, torch.tensor([2]), torch.tensor([0]))
        for i, tokens in enumerate(torch.randn(5, 1, 2, 8), start=5):
            outputs = bank.step(tokens.expand(3, -1, -1), i * 10**9)
            assert torch.allclose(outputs[0], outputs[2], atol=1e-6)
            assert not torch.allclose(outputs[0], outputs[1], atol=1e-4)
    assert bank.sources(0) == bank.sources(2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"candidates": torch.zeros(1, 2, 1, 2, 8, dtype=torch.float64)},
        {"candidates": torch.full((1, 2, 1, 2, 8), float("nan"))},
        {"candidates": torch.zeros(1, 2, 1, 2, 7)},
        {"candidates": torch.zeros(1, 2, 0, 2, 8), "quality": torch.zeros(1, 2, 0)},
        {"candidates": [[0.0]]},
        {"quality": torch.ones(1, 2, 1, dtype=torch.int64)},
        {"quality": torch.ones(1, 2, 2)},
        {"quality": torch.full((1, 2, 1), float("nan"))},
        {"quality": 0.9},
        {"object_score": torch.ones(2)},
        {"object_score": torch.ones(1, dtype=torch.int64)},
        {"object_score": None},
    ],
)
def test_a_choice_that_cannot_be_is_refused_before_anything_changes(wrong: dict[str, Any]) -> None:
    tree = make_tree(1)
    fits = {
        "candidates": torch.ones(1, 2, 1, 2, 8), "quality": torch.tensor([[[0.5], [0.9]]]), "object_score": SURE
    }  # fmt: skip
    with torch.no_grad():
        tree.step(torch.ones(1, 2, 8), 0)
        tree.branch(torch.zeros(1, 2, 8), 10**9)
    before = {name: value.clone() for name, value in tree.state_dict().items()}
    with pytest.raises(InvalidMessage, match="must be"):
        tree.choose(**{**fits, **wrong})
    assert all(torch.equal(before[name], value) for name, value in tree.state_dict().items())
    tree.choose(**fits)
    assert len(held(tree, 0)) == 2


def test_qualities_of_twice_the_precision_choose_the_same() -> None:
    candidates, quality = torch.randn(1, 2, 3, 2, 8), torch.rand(1, 2, 3)
    chosen = []
    for given in (quality, quality.double()):
        tree = make_tree(1)
        tree.branch(torch.zeros(1, 2, 8), 0)
        chosen.append(tree.choose(candidates, given, SURE.to(given.dtype)))
    assert all(torch.equal(a, b) for a, b in zip(*chosen, strict=True))


def restored(tree: HypothesisTree) -> None:
    other = make_tree(2)
    with torch.no_grad():
        other.step(torch.ones(2, 2, 8), 5 * 10**9)
    restore_memory(tree, memory_arrays(other))


@pytest.mark.parametrize(
    "between",
    [
        lambda tree: tree.reset(),
        lambda tree: tree.reset([1]),
        lambda tree: tree.load_state_dict(tree.state_dict()),
        lambda tree: torch.nn.ModuleList([tree]).load_state_dict(torch.nn.ModuleList([tree]).state_dict()),
        restored,
    ],
    ids=["reset", "reset of one", "load", "load of the policy around it", "restore"],
)
def test_what_was_seen_before_a_reset_or_a_load_cannot_be_chosen_after_it(
    between: Callable[[HypothesisTree], object],
) -> None:
    tree = make_tree(2)
    tree.branch(torch.zeros(2, 2, 8), 0)
    between(tree)
    before = {name: value.clone() for name, value in tree.state_dict().items()}
    with pytest.raises(InvalidMessage, match="branch"):
        tree.choose(torch.zeros(2, 2, 1, 2, 8), torch.ones(2, 2, 1), torch.ones(2))
    assert all(torch.equal(before[name], value) for name, value in tree.state_dict().items())


def test_a_reset_of_another_slot_leaves_the_branch() -> None:
    tree = make_tree(2)
    tree.branch(torch.zeros(1, 2, 8), 0, [0])
    tree.reset([1])
    tree.choose(torch.zeros(1, 2, 1, 2, 8), torch.ones(1, 2, 1), SURE)
    assert len(held(tree, 0)) == 1


def test_the_sources_after_a_choice_are_those_of_the_output_that_was_given() -> None:
    tree = make_tree(1)
    with torch.no_grad():
        for i in range(2):
            tree.step(torch.randn(1, 2, 8), i * 10**9)
        offer(tree, 2, [torch.randn(2, 8), torch.randn(2, 8)], [[0.6, 0.8]] * 2, DOUBT)
        tree.branch(torch.randn(1, 2, 8), 3 * 10**9)
        given = [tree.bank.sources(pathway) for pathway in range(2)]
        tree.choose(torch.randn(1, 2, 1, 2, 8), torch.tensor([[[0.4], [0.95]]]), SURE)
    assert given[0] != given[1]
    assert tree.sources(0) == given[1]


def test_a_choice_without_a_branch_and_an_impossible_option_are_refused() -> None:
    with pytest.raises(InvalidMessage, match="branch"):
        make_tree(1).choose(torch.zeros(1, 2, 1, 2, 8), torch.ones(1, 2, 1), SURE)
    with pytest.raises(ConfigError, match="num_pathways"):
        HypothesisTreeConfig(num_pathways=0)


def test_the_newest_entries_of_a_target_are_those_of_its_leading_pathway() -> None:
    tree = make_tree(3)
    with torch.no_grad():
        for i in range(2):
            tree.step(torch.stack([torch.full((2, 8), 10.0 * slot + i) for slot in range(3)]), i * 10**9)
    for slot in range(3):
        newest = tree.newest(slot, 5)
        assert newest.tokens[:, 0].tolist() == [10.0 * slot + 1, 10.0 * slot]
        assert newest.last_ns.tolist() == [10**9, 0]
