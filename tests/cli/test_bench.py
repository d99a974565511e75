"""A benchmark tells what it does where nobody watches a terminal, and what it has measured outlives it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from embodied_mem.benchmarks.results import BenchmarkResult, Row
from embodied_mem.cli import bench
from embodied_mem.cli.main import cli


def days(*, quick: bool, progress: Callable[[str], None]) -> Iterator[BenchmarkResult]:
    """Two days; the third one is not lived to its end."""
    for number in (1, 2):
        progress(f"day {number}")
        yield BenchmarkResult(name="spine", rows=(Row(metric="days", value=number),))
    if not quick:
        raise KeyboardInterrupt


@pytest.mark.parametrize("is_ended", [False, True])
def test_progress_is_told_line_by_line_and_what_was_measured_is_kept_when_the_run_is_ended(
    is_ended: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)  # with them rich takes a pipe for a terminal
    monkeypatch.setitem(bench.BENCHMARKS, "spine", f"{__name__}:days")
    words = ["bench", "spine", "--out", str(tmp_path), *(() if is_ended else ("--quick",))]
    result = CliRunner().invoke(cli, words)
    assert (result.exit_code != 0) == is_ended
    assert "bench spine: day 1\n" in result.output
    assert "bench spine: day 2\n" in result.output
    measured = tmp_path / ("spine.partial.json" if is_ended else "spine.json")
    (row,) = json.loads(measured.read_text())["rows"]
    assert row["value"] == 2
    assert {one.name for one in tmp_path.iterdir()} == {measured.name, *(() if is_ended else ("spine.html",))}


def test_the_page_is_written_as_markdown_too_where_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(bench.BENCHMARKS, "spine", f"{__name__}:days")
    page = tmp_path / "kept" / "spine.md"
    words = ["bench", "spine", "--quick", "--out", str(tmp_path / "out"), "--markdown", str(page)]
    assert CliRunner().invoke(cli, words).exit_code == 0
    assert page.read_text().startswith("# embodied_mem: spine\n")
