"""One HTML file that holds a whole report: text, figures, tables and pictures, readable offline, light and dark."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import jinja2
import numpy as np
from jaxtyping import UInt8
from PIL import Image

Cell = str | float | int | bool | None


@dataclass(frozen=True, kw_only=True)
class Text:
    """Paragraphs under a heading; an empty line separates paragraphs."""

    title: str = ""
    text: str
    kind: str = field(default="text", init=False)

    @property
    def paragraphs(self) -> list[str]:
        return [part.strip() for part in self.text.split("\n\n") if part.strip()]


@dataclass(frozen=True, kw_only=True)
class KeyFigures:
    """A row of large numbers: (what it is, the value with its unit, a note or '')."""

    title: str = ""
    figures: Sequence[tuple[str, str, str]]
    kind: str = field(default="figures", init=False)


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of cells. Numbers go right; True and False become a tick and a cross; None stays empty."""

    title: str = ""
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    kind: str = field(default="table", init=False)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An RGB image under a heading."""

    title: str = ""
    image: UInt8[np.ndarray, "h w 3"]
    caption: str = ""
    kind: str = field(default="picture", init=False)

    @property
    def source(self) -> str:
        """The image as a data URL."""
        return "data:image/png;base64," + base64.b64encode(png_bytes(self.image)).decode("ascii")


Section = Text | KeyFigures | Table | Picture


def write_report(path: str | Path, title: str, sections: Sequence[Section], *, subtitle: str = "") -> Path:
    """Write the sections in order to `path` (its folder is made) and return it."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = format_cell
    page = environment.get_template("report.html.j2").render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path


def png_bytes(image: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """The image as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def format_cell(value: Cell) -> str:
    """A table cell as text: three significant digits for fractions, thousands set apart."""
    if value is None:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "✓" if value else "✗"
    if isinstance(value, (float, np.floating)):
        number = float(value)
        if not np.isfinite(number):
            return "–"
        return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"
    if isinstance(value, (int, np.integer)):
        return f"{int(value):,}"
    return str(value)
