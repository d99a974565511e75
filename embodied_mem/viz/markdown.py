"""A report as Markdown with its pictures beside it, to be read where code is read: the same sections as `report` shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from embodied_mem.viz.report import Cell, KeyFigures, Picture, Section, Table, Text, format_cell, png_bytes

SPECIAL = re.compile(r"([\\`*|<\[\]])")
"""What Markdown would take for markup; underscores within words it leaves alone."""


def write_markdown(path: str | Path, title: str, sections: Sequence[Section], *, subtitle: str = "") -> Path:
    """Write the sections in order to `path` (its folder is made), pictures as `NAME-<their title>.png` beside it, and return it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = [f"# {_plain(title)}", _plain(subtitle)]
    for number, section in enumerate(sections):
        blocks.append(f"## {_plain(section.title)}" if section.title else "")
        if isinstance(section, Picture):
            file = path.with_name(f"{path.stem}-{_slug(section.title) or number}.png")
            file.write_bytes(png_bytes(section.image))
            blocks += [f"![{_plain(section.title or path.stem)}]({file.name})", _plain(section.caption)]
        else:
            blocks += _blocks(section)
    path.write_text("\n\n".join(filter(None, blocks)) + "\n", encoding="utf-8")
    return path


def _blocks(section: Text | KeyFigures | Table) -> Iterator[str]:
    """The paragraphs of a section."""
    match section:
        case Text():
            yield from map(_plain, section.paragraphs)
        case KeyFigures():
            yield _grid(("figure", "value", "note"), section.figures)
        case Table():
            yield _grid(section.columns, section.rows)
            yield _plain(section.note)


def _grid(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A table; columns that hold numbers alone go right."""
    rights = [
        any(isinstance(cell, (int, float)) for cell in cells)
        and not any(isinstance(cell, (str, bool)) and cell != "" for cell in cells)
        for cells in zip(*rows, strict=True)
    ] or [False] * len(columns)
    lines = [
        [_plain(name) for name in columns],
        ["---:" if right else "---" for right in rights],
        *([_plain(format_cell(cell)) for cell in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _slug(title: str) -> str:
    """A title as a part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
