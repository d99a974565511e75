"""A result as one self-contained HTML page: figures with their goals, tables and pictures; readable offline."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from pathlib import Path

from embodied_mem.benchmarks.results import BenchmarkResult, Row

STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #1a7f37; --bad: #cf222e; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
figure { margin: 1rem 0; } img { max-width: 100%; border-radius: 6px; background: #fff; }
figcaption, footer { opacity: .75; font-size: .88rem; }
@media (prefers-color-scheme: dark) { :root { --good: #3fb950; --bad: #f85149; } }
"""


def write_page(result: BenchmarkResult, path: Path, sections: Iterable[str] = ()) -> Path:
    """Write the page of `result` to `path`: `sections` (HTML from the functions below) before its rows."""
    head = f"<meta charset='utf-8'><title>{html.escape(result.name)}</title><style>{STYLE}</style>"
    body = [
        f"<h1>{html.escape(result.name)}</h1>",
        *sections,
        "<h2>Figures</h2>",
        rows_table(result.rows),
        _footer(result),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    page = f"<!doctype html><html lang='en'><head>{head}</head><body>{''.join(body)}</body></html>\n"
    path.write_text(page, encoding="utf-8")
    return path


def rows_table(rows: Sequence[Row]) -> str:
    """The rows with their goals, as HTML."""
    return table(("metric", "value", "unit", "5 to 95 %", "goal", ""), [_cells(row) for row in rows])


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """An HTML table; a cell that is a bool becomes right or wrong, a number is set to the right."""
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    lines = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def section(title: str, content: str) -> str:
    """A heading with HTML below it."""
    return f"<h2>{html.escape(title)}</h2>{content}"


def picture(png: bytes, caption: str) -> str:
    """A picture inside the page."""
    data = base64.b64encode(png).decode("ascii")
    words = html.escape(caption)
    return f"<figure><img alt='{words}' src='data:image/png;base64,{data}'><figcaption>{words}</figcaption></figure>"


def _cells(row: Row) -> tuple[object, ...]:
    interval = "" if row.interval is None else f"{row.interval[0]:.4g} to {row.interval[1]:.4g}"
    mark = "" if row.ok is None else row.ok
    return (row.metric, float(row.value), row.unit, interval, str(row.goal or ""), mark)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return f"<td class='{'good' if value else 'bad'}'>{'ok' if value else 'WRONG'}</td>"
    if isinstance(value, (int, float)):
        return f"<td class='number'>{value:.4g}</td>"
    return f"<td>{html.escape(str(value))}</td>"


def _footer(result: BenchmarkResult) -> str:
    about = result.as_json()
    machine, versions = about["machine"], about["versions"]
    text = (
        f"Commit {about['commit']}, seeds {list(result.seeds)}. {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB. "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
    )
    return f"<footer><p>{html.escape(text)}</p></footer>"
