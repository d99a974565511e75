"""The page of a result says what was measured, against which goal, and shows its own sections first."""

from __future__ import annotations

from pathlib import Path

from embodied_mem.benchmarks.page import write_markdown_page, write_page
from embodied_mem.benchmarks.results import BenchmarkResult, Goal, Row
from embodied_mem.viz.report import Text


def test_the_page_counts_the_goals_that_are_met_and_names_every_row(tmp_path: Path) -> None:
    rows = (
        Row(metric="map.recall", value=0.99, goal=Goal(op=">=", value=0.98), interval=(0.985, 0.995)),
        Row(metric="map.cost_ms", value=7.0, unit="ms", goal=Goal(op="<=", value=6.0), baseline=20.0),
        Row(metric="map/frames", value=500),
    )
    story = Text(title="How it was measured", text="With <care>.")
    result = BenchmarkResult(name="map", rows=rows, seeds=[4], sections=[story])
    html = write_page(result, tmp_path / "deep" / "map.html").read_text(encoding="utf-8")
    assert "1 of 2 goals met." in html
    assert all(row.metric in html for row in rows)
    assert "0.985 to 0.995" in html
    assert "seeds [4]" in html
    assert html.index("With &lt;care&gt;.") < html.index("map.recall")


def test_as_markdown_it_says_nothing_of_the_machine(tmp_path: Path) -> None:
    result = BenchmarkResult(name="map", rows=(Row(metric="map.recall", value=0.99),), seeds=[4])
    text = write_markdown_page(result, tmp_path / "map.md").read_text(encoding="utf-8")
    assert "| map.recall | 0.99 |" in text
    assert "cores" not in text
    assert "numpy" not in text
