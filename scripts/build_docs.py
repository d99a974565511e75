"""Check every relative link of the documentation, and render it as HTML.

Usage: python scripts/build_docs.py FOLDER
"""

import re
import shutil
import sys
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{max-width:50rem;margin:2rem auto;padding:0 1rem;font:16px/1.6 system-ui,sans-serif;color:#222}}
pre{{background:#f4f4f4;padding:.8rem;overflow-x:auto}}td,th{{border:1px solid #ccc;padding:.2rem .6rem}}
table{{border-collapse:collapse}}img{{max-width:100%}}</style>
{body}</html>
"""


def anchors(markdown: str) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ +(.+)$", markdown, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    """Relative links of `page` that lead nowhere."""
    broken = []
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        is_missing = not target.exists()
        if not is_missing and anchor and target.suffix == ".md":
            is_missing = anchor not in anchors(target.read_text(encoding="utf-8"))
        if is_missing:
            broken.append(f"{page.relative_to(ROOT)}: {link}")
    return broken


def render(page: Path, folder: Path) -> None:
    """Write `page` as HTML below `folder`, links to other pages included."""
    markdown = re.sub(r"(\([^):\s]+)\.md([#)])", r"\1.html\2", page.read_text(encoding="utf-8"))
    target = folder / page.relative_to(ROOT).with_suffix(".html")
    target.parent.mkdir(parents=True, exist_ok=True)
    body = MarkdownIt("commonmark").enable("table").render(markdown)
    target.write_text(PAGE.format(title=escape(page.stem), body=body), encoding="utf-8")


def pictures(folder: Path) -> list[Path]:
    """What pages show."""
    return sorted(path for ending in ("png", "svg") for path in folder.rglob(f"*.{ending}"))


def main(folder: Path) -> int:
    pages = [page for page in SOURCES if page.exists()]
    broken = [link for page in pages for link in broken_links(page)]
    for page in pages:
        render(page, folder)
    for picture in pictures(ROOT / "docs"):
        copy = folder / picture.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture, copy)
    print(f"docs: {len(pages)} pages in {folder}, {len(broken)} broken links")
    for link in broken:
        print(f"  {link}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
