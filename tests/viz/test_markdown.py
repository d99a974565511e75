"""A report as Markdown shows what its sections say, whatever signs are in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from markdown_it import MarkdownIt
from PIL import Image

from embodied_mem.viz.markdown import write_markdown
from embodied_mem.viz.report import KeyFigures, Picture, Section, Table, Text

IMAGE = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


def rendered(page: Path) -> str:
    return str(MarkdownIt("commonmark").enable("table").render(page.read_text(encoding="utf-8")))


def test_text_and_cells_are_shown_as_they_are(tmp_path: Path) -> None:
    odd = "a|b *c* `d` <e> [f](g) h_i_j \\"
    sections: list[Section] = [
        Text(title=odd, text=f"First\nline.\n\n{odd}"),
        Table(title="Cells", columns=("name", "number"), rows=[(odd, 1234.5), ("", None)], note="A note."),
        KeyFigures(figures=[("recall", "0.9", "")]),
    ]
    html = rendered(write_markdown(tmp_path / "deep" / "page.md", "Page", sections, subtitle="2 of 3."))
    shown = "a|b *c* `d` &lt;e&gt; [f](g) h_i_j \\"
    assert f"<h2>{shown}</h2>" in html
    assert f"<p>{shown}</p>" in html
    assert f"<td>{shown}</td>" in html
    for part in (
        "<h1>Page</h1>",
        "<p>2 of 3.</p>",
        "<p>First line.</p>",
        "<p>A note.</p>",
        "<td>recall</td>",
    ):
        assert part in html
    assert '<td style="text-align:right">1,234</td>' in html


def test_columns_with_words_or_ticks_stay_left(tmp_path: Path) -> None:
    rows = [(1, 0.5, True, "x"), (2, None, False, "")]
    page = write_markdown(tmp_path / "p.md", "P", [Table(columns=("n", "part", "met", "word"), rows=rows)])
    assert "| ---: | ---: | --- | --- |" in page.read_text(encoding="utf-8").splitlines()
    empty = write_markdown(tmp_path / "e.md", "E", [Table(columns=("n", "word"), rows=[])])
    assert "<th>word</th>" in rendered(empty)


def test_pictures_lie_beside_the_page(tmp_path: Path) -> None:
    sections = [Picture(title="What it saw!", image=IMAGE, caption="Seen."), Picture(image=IMAGE)]
    html = rendered(write_markdown(tmp_path / "p.md", "P", sections))
    for name in ("p-what-it-saw.png", "p-1.png"):
        assert f'src="{name}"' in html
        assert np.array_equal(np.asarray(Image.open(tmp_path / name)), IMAGE)
    assert "<p>Seen.</p>" in html
