"""A result as one self-contained HTML page: its own sections, then every figure with its goal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from embodied_mem.benchmarks.results import BenchmarkResult, Row
from embodied_mem.viz.markdown import write_markdown
from embodied_mem.viz.report import Cell, Section, Table, Text, write_report


def write_page(result: BenchmarkResult, path: Path) -> Path:
    """Write the page of `result` to `path`: its sections, its rows, and what it was run with."""
    sections = [*result.sections, rows_table(result.rows), Text(title="Run", text=_about(result))]
    return write_report(path, result.title, sections, subtitle=_subtitle(result))


def write_markdown_page(result: BenchmarkResult, path: Path) -> Path:
    """The same as Markdown, without what it was run on: measured again alike, it is the same text."""
    sections = [*result.sections, rows_table(result.rows)]
    return write_markdown(path, result.title, sections, subtitle=_subtitle(result))


def rows_table(rows: Sequence[Row]) -> Section:
    """The rows with their goals."""
    columns = ("metric", "value", "unit", "interval", "baseline", "goal", "met")
    return Table(title="Figures", columns=columns, rows=[_cells(row) for row in rows])


def _cells(row: Row) -> tuple[Cell, ...]:
    interval = "" if row.interval is None else f"{row.interval[0]:.3g} to {row.interval[1]:.3g}"
    return (row.metric, float(row.value), row.unit, interval, row.baseline, str(row.goal or ""), row.ok)


def _subtitle(result: BenchmarkResult) -> str:
    judged = [row for row in result.rows if row.goal is not None]
    return f"{len(judged) - len(result.misses)} of {len(judged)} goals met." if judged else ""


def _about(result: BenchmarkResult) -> str:
    about = result.as_json()
    machine, versions = about["machine"], about["versions"]
    return (
        f"Commit {about['commit']}, seeds {list(result.seeds)}. {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB. "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + "."
    )
