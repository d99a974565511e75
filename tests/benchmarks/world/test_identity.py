"""IDF1 counts whether things keep one name: split, swapped and shared names cost what the formula says."""

from __future__ import annotations

import numpy as np

from embodied_mem.benchmarks.world.identity import idf1_of, nearest_pairs


def test_one_name_each_scores_one() -> None:
    assert idf1_of({("mug", "e1"): 10, ("book", "e2"): 4}, num_true=14, num_given=14) == 1.0


def test_a_thing_with_two_names_keeps_the_longer_part() -> None:
    assert idf1_of({("mug", "e1"): 6, ("mug", "e2"): 4}, num_true=10, num_given=10) == 0.6


def test_two_things_under_one_name_keep_one_of_them() -> None:
    assert idf1_of({("mug", "e1"): 5, ("cup", "e1"): 5}, num_true=10, num_given=10) == 0.5


def test_what_was_not_named_costs_recall_only() -> None:
    assert abs(idf1_of({("mug", "e1"): 5}, num_true=10, num_given=5) - 2 * 5 / 15) < 1e-12
    assert np.isnan(idf1_of({}, num_true=0, num_given=0))


def test_pairs_are_near_and_the_best_in_all() -> None:
    first = np.array([[0.0, 0, 0], [0.15, 0, 0]])
    second = np.array([[0.16, 0, 0], [-0.02, 0, 0], [5.0, 0, 0]])
    assert nearest_pairs(first, second) == {0: 1, 1: 0}
    assert nearest_pairs(first[:0], second) == {}
    assert nearest_pairs(first[:1], second[2:]) == {}
