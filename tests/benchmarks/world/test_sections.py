"""The page tells who answered what, lists apart what somebody cannot answer, and draws what was measured."""

from __future__ import annotations

from embodied_mem.benchmarks.results import Row
from embodied_mem.benchmarks.world.calibration import Bin, reliability
from embodied_mem.benchmarks.world.exam import Tally
from embodied_mem.benchmarks.world.sections import apart_table, category_table, row_sections
from embodied_mem.viz.report import Picture, format_cell


def tally(*answers: tuple[str, str, bool], cannot: tuple[tuple[str, str], ...] = ()) -> Tally:
    found = Tally(cannot=set(cannot))
    for category, name, is_right in answers:
        found.note((category, name), is_right=is_right)
    return found


def test_categories_are_compared_and_what_nobody_can_answer_is_a_dash() -> None:
    ours = tally(("time", "held.at", True), ("time", "room.at", False), ("order", "moved.first", True))
    theirs = tally(
        ("time", "held.at", True), ("time", "room.at", False), ("order", "moved.first", False),
        cannot=(("time", "room.at"), ("order", "moved.first")),
    )  # fmt: skip
    ours.cannot.add(("time", "held.at"))  # did not find it once: that is no nature
    noisy = {"ours": ours, "last_seen": theirs}
    rows = [[format_cell(cell) for cell in row] for row in category_table([{"ours": ours}], [noisy]).rows]
    assert rows == [["order", "1", "1", "1", "–"], ["time", "2", "0.5", "0.5", "0.5"]]
    assert apart_table([noisy]).rows == [("last_seen", 2, "moved.first, room.at")]


def test_only_what_was_measured_is_drawn() -> None:
    rows = [Row(metric=f"curve/pose_m={size}", value=1.0 - size) for size in (0.01, 0.1)]
    belief = Row(metric="absence/was_there/belief=0.9", value=1.0, baseline=0.95)
    titles = [section.title for section in row_sections(rows) if isinstance(section, Picture)]
    assert titles == ["Faults"]
    titles = [section.title for section in row_sections([*rows, belief]) if isinstance(section, Picture)]
    assert titles == ["Faults", "Calibration"]


def test_beliefs_are_binned_with_how_often_they_came_true() -> None:
    stated = [(0.9, True)] * 3 + [(0.9, False), (1.0, True), (0.1, False)]
    assert reliability(stated, bins=2) == [Bin(0.25, 0.1, 0.0, 1), Bin(0.75, 4.6 / 5, 0.8, 5)]
    assert reliability([], bins=2) == []
