import re
from pathlib import Path

import numpy as np
import pytest

from embodied_mem.viz.report import KeyFigures, Picture, Table, Text, format_cell, write_report


def page(tmp_path: Path) -> str:
    path = write_report(
        tmp_path / "deep" / "report.html",
        "A <b>title</b>",
        [
            Text(title="Why", text="First.\n\nSecond & last."),
            KeyFigures(figures=[("frames", "500", "of 500")]),
            Table(
                title="Answers", columns=["question", "error [m]", "right"], rows=[["where?", 0.0312, True]]
            ),
            Picture(image=np.full((4, 6, 3), 200, dtype=np.uint8), caption="grey"),
        ],
        subtitle="for tests",
    )
    return path.read_text(encoding="utf-8")


def test_the_page_needs_nothing_from_outside(tmp_path: Path) -> None:
    html = page(tmp_path)
    assert re.findall(r"(?:src|href)=\"(?!data:)", html) == []
    assert "url(" not in html
    assert "http" not in html


def test_text_is_escaped_and_split_into_paragraphs(tmp_path: Path) -> None:
    html = page(tmp_path)
    assert "A &lt;b&gt;title&lt;/b&gt;" in html
    assert "<p>First.</p>" in html
    assert "<p>Second &amp; last.</p>" in html


def test_numbers_stand_right_and_verdicts_are_marked(tmp_path: Path) -> None:
    html = page(tmp_path)
    assert '<td class="number">0.0312</td>' in html
    assert '<td class="yes">✓</td>' in html


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (True, "✓"), (False, "✗"), (12345, "12,345"), (0.012345, "0.0123"), (12345.6, "12,346"),
     (float("nan"), "–"), ("words", "words"), (np.float64(2.5), "2.5")],
)  # fmt: skip
def test_cells_are_written_for_people(value: object, text: str) -> None:
    assert format_cell(value) == text  # type: ignore[arg-type]
