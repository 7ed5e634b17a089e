"""One HTML file that needs nothing else: its style and pictures are in it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import Final

_STYLE: Final = """
:root { color-scheme: light; }
body { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; color: #1d2b33;
  background: #f4f6f7; margin: 0; }
main { max-width: 1020px; margin: 0 auto; padding: 2.2rem 1.6rem 4rem; background: #fff; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .2rem; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .6rem; padding-top: .9rem; border-top: 1px solid #dfe6e9; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { max-width: 46rem; margin: .5rem 0; }
p.lead { color: #5b6b73; margin-bottom: 1.2rem; }
.summary { background: #eaf3f8; border-left: 4px solid #0072b2; padding: .7rem 1.2rem; border-radius: 0 6px 6px 0; }
.summary p { max-width: none; font-size: 1.05rem; }
.note { background: #fdf3ea; border-left: 4px solid #d55e00; padding: .4rem 1.2rem; border-radius: 0 6px 6px 0;
  margin: .8rem 0; }
.note p { max-width: none; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums; font-size: .93rem; }
th { text-align: left; font-weight: 600; color: #5b6b73; border-bottom: 2px solid #dfe6e9; vertical-align: bottom; }
th, td { padding: .32rem 1rem .32rem 0; }
td { border-bottom: 1px solid #eef1f2; vertical-align: top; }
td.n, th.n { text-align: right; white-space: nowrap; }
td.words { color: #5b6b73; }
.row { display: flex; flex-wrap: wrap; gap: 1.4rem; align-items: flex-start; }
figure { margin: .8rem 0; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption { color: #5b6b73; font-size: .88rem; max-width: 34rem; overflow-wrap: anywhere; margin-top: .3rem; }
.mistakes { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 1rem; }
.mistakes figure { margin: 0; }
.mistakes img { width: 100%; border-radius: 4px; }
.truth { color: #0072b2; font-weight: 600; } .found { color: #d55e00; font-weight: 600; }
code { font-size: .85rem; overflow-wrap: anywhere; }
@media print { body { background: #fff; } h2, figure, table { break-inside: avoid; } }
"""


def document(title: str, body: str) -> str:
    """Return a whole page."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n"
        "</html>\n"
    )


def heading(title: str, lead: str) -> str:
    """Return the head of a page."""
    return f'<h1>{escape(title)}</h1>\n<p class="lead">{escape(lead)}</p>'


def section(title: str, *parts: str) -> str:
    """Return a section with its heading; nothing where it has no parts."""
    return f"<h2>{escape(title)}</h2>\n" + "\n".join(parts) if any(parts) else ""


def paragraphs(lines: Sequence[str], kind: str = "") -> str:
    """Return a paragraph per line, in a box of that class where one is given."""
    text = "\n".join(f"<p>{escape(line)}</p>" for line in lines)
    return f'<div class="{kind}">\n{text}\n</div>' if kind and lines else text


def table(header: Sequence[str], rows: Sequence[Sequence[str]], words: Sequence[int] = (0,)) -> str:
    """Return a table; ``words`` are the columns of text, all others hold numbers."""

    def line(cells: Sequence[str], tag: str) -> str:
        kinds = ["" if k == 0 else ' class="words"' if k in words else ' class="n"' for k in range(len(cells))]
        return "".join(f"<{tag}{kind}>{escape(cell)}</{tag}>" for kind, cell in zip(kinds, cells, strict=True))

    body = "\n".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    head = f"<thead><tr>{line(header, 'th')}</tr></thead>"
    return f'<div class="wide"><table>\n{head}\n<tbody>\n{body}\n</tbody></table></div>'


def links(targets: Sequence[tuple[str, str]]) -> str:
    """Return links to other files, each with its words and its path from this one."""
    return "<p>" + "<br>".join(f'<a href="{escape(path)}">{escape(words)}</a>' for words, path in targets) + "</p>"


def figure(data: bytes, caption: str, width: int | None = None, mime: str = "image/png") -> str:
    """Return a picture with its caption, which also stands for it where it cannot be seen."""
    shown = "" if width is None else f' width="{width}"'
    text = base64.b64encode(data).decode("ascii")
    return (
        f'<figure><img{shown} alt="{escape(caption)}" src="data:{mime};base64,{text}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def side_by_side(*parts: str) -> str:
    """Return parts in a row, or below each other where there is no room."""
    return '<div class="row">\n' + "\n".join(parts) + "\n</div>"


def grid(parts: Sequence[str]) -> str:
    """Return small pictures in rows."""
    return '<div class="mistakes">\n' + "\n".join(parts) + "\n</div>" if parts else ""
