"""Pages of HTML: nothing that they are given becomes part of the page's own code."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from napari_diatom.reports import html

BAD = "</p><script>alert('1')</script> \"x\" & {{ 7 * 7 }} µm"


class _Seen(HTMLParser):
    """What a browser makes of a page: its tags, its text, and the texts of its pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.texts += [value or "" for _, value in attrs]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts += [line.strip() for line in data.splitlines()]


def seen(page: str) -> _Seen:
    parser = _Seen()
    parser.feed(page)
    parser.close()
    return parser


@pytest.mark.parametrize(
    "part",
    [
        html.heading(BAD, BAD),
        html.section(BAD, BAD),
        html.subsection(BAD, BAD),
        html.paragraphs([BAD], "note"),
        html.paragraphs([BAD]),
        html.table((BAD, BAD), [(BAD, BAD)]),
        html.links([(BAD, BAD)]),
        html.figure(b"x", BAD, 300),
        html.side_by_side(BAD, BAD),
        html.grid([BAD]),
        html.keys([(BAD, BAD)]),
        BAD,
    ],
    ids=lambda part: part[:24],
)
def test_text_stays_text_in_every_part_of_a_page(part: str) -> None:
    page = seen(html.document(BAD, [html.section("Part", part)]))
    assert page.open == []
    assert "script" not in page.tags
    assert page.texts.count(BAD) >= 2


def test_parts_without_content_leave_nothing() -> None:
    assert html.section("Title", "", "") == html.paragraphs([], "note") == html.grid([]) == ""
    assert "<h2>" not in html.document("Title", [html.section("Title", "")])


def test_a_page_needs_no_other_file() -> None:
    page = html.document("Title", [html.figure(b"\x89PNG", "A picture")])
    assert "font-variant-numeric: tabular-nums" in page
    assert 'src="data:image/png;base64,iVBORw=="' in page
    assert "http" not in page


def test_the_templates_lie_in_the_package_that_the_wheel_takes() -> None:
    names = {path.name for path in (Path(html.__file__).parent / "templates").iterdir()}
    assert names == {"page.html", "parts.html", "style.css"}
