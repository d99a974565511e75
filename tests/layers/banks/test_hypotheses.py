"""The hypothesis tree: the contract, pathways that overtake each other, and copies that are complete."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from embodied_mem.errors import ConfigError, InvalidMessage
from embodied_mem.layers.banks import (
    HypothesisTree,
    HypothesisTreeConfig,
    PerceptualBank,
    PerceptualBankConfig,
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


def test_what_does_not_fit_is_refused() -> None:
    tree = make_tree(1)
    with pytest.raises(InvalidMessage, match="branch"):
        tree.choose(torch.zeros(1, 2, 1, 2, 8), torch.ones(1, 2, 1), SURE)
    tree.branch(torch.zeros(1, 2, 8), 0)
    with pytest.raises(InvalidMessage, match="do not fit"):
        tree.choose(torch.zeros(1, 2, 1, 2, 8), torch.ones(1, 2, 2), SURE)
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
