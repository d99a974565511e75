"""Rooms that somebody rearranges: looks are judged by what truly covers what, changes by what was truly done."""

from __future__ import annotations

import numpy as np

from embodied_mem.benchmarks.world.absence import (
    AbsenceScore,
    Visit,
    measure_absence,
    measure_changes,
)
from embodied_mem.benchmarks.world.degrade import PERFECT
from embodied_mem.geometry import Box, look_at


def test_what_is_gone_is_believed_gone_and_what_is_there_there() -> None:
    score = measure_absence([100], lambda doing: None)
    assert score.gone
    assert all(presence < 0.2 for presence in score.gone)
    assert all(presence > 0.8 for presence in score.there)
    assert score.hidden_shift
    assert max(score.hidden_shift) == 0.0
    assert score.calibration_error() < 0.3


def test_a_move_and_a_removal_are_the_changes_that_are_reported() -> None:
    score = measure_changes([100], PERFECT, lambda doing: None)
    assert (score.num_true, score.num_both, score.num_reported) == (2, 2, 2)


def test_a_share_is_what_nothing_covers() -> None:
    visit = Visit(0, PERFECT)
    eye, target = np.array([2.5, 3.6, 1.5]), np.array([2.5, 2.0, 0.75])
    frame = visit.room.look(look_at(eye, target))
    table = visit.room.things["table"].box
    in_table = Box(min_m=(2.4, 1.9, 0.3), max_m=(2.6, 2.1, 0.5))
    assert visit.share_shown(frame, table)[0] > 0.8
    assert visit.share_shown(frame, in_table)[0] == 0.0


def test_calibration_weighs_bins_by_how_many_they_hold() -> None:
    score = AbsenceScore(stated=[(0.9, True)] * 9 + [(0.9, False)] + [(0.1, True)] * 10)
    assert abs(score.calibration_error() - (0.0 * 10 + 0.9 * 10) / 20) < 1e-9
