"""``napari-diatom tally --report``: a page for each sample, which needs nothing else and shows any name as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import napari_diatom as nd
from helpers.projects import new_project
from napari_diatom.cli import main
from napari_diatom.project.specimen import Specimen

EVIL = "<script>alert($x$)</script> & sp."


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a project of two samples, one with a name that is no file's and no element's."""
    place = tmp_path_factory.mktemp("season")
    with new_project(place, slides=2, fields=1) as project:
        project.update(project.settings.with_classes(["Navicula", "Nitzschia", EVIL]))
        first, second = (image.id for image in project.images)
        project.facts.set([first], sample="R1/<b>")
        project.facts.set([second], sample="R2")
        project.facts.set_pixel_size([first], 0.5)
        for name, number in (("Navicula", 60), ("Nitzschia", 1), (EVIL, 9)):
            boxes = [(40.0, 30.0, 16.0 + k % 7, 5.0, 0.3) for k in range(number)]
            project.document(first).add([Specimen.rectangle(box, name) for box in boxes])
        project.document(second).add([Specimen.rectangle((40.0, 30.0, 20.0, 5.0, 0.0), "Navicula")])
    return place


def page(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_each_sample_has_a_page_that_needs_nothing_else(season: Path, tmp_path: Path) -> None:
    assert main(["tally", str(season / "project"), "-o", str(tmp_path), "--report", "--protocol", "plain"]) == 0
    pages = sorted((tmp_path / "reports").iterdir())
    assert [path.name for path in pages] == ["R1_~" + pages[0].name[4:], "R2.html"] or len(pages) == 2
    text = page(pages[0])
    outside = [
        url for url in re.findall(r'(?:src|href)="([^"]*)"|url\(([^)]*)\)', text) if not url[0].startswith("data:")
    ]
    assert outside == []
    assert "http" not in re.sub(r'base64,[^"]*', "", text)
    assert "<b>" not in text
    assert "<script" not in text
    assert "&lt;script&gt;alert($x$)&lt;/script&gt; &amp; sp." in text
    assert "70 specimens in 1 field, counted by the protocol plain." in text
    assert "70 of 400 counted" in text
    assert "It needs 330 more." in text
    # Composition, rarefaction, lengths and plate.
    assert text.count("data:image/png;base64,") == 4
    assert "Figs 1 Navicula; 2 &lt;script&gt;" in text
    assert "target 400 of all" in text


def test_a_page_says_why_there_is_no_plate_and_no_lengths(season: Path, tmp_path: Path) -> None:
    nd.write_reports(nd.tally(season / "project", tmp_path / "out"))
    text = page(tmp_path / "out" / "reports" / "R2.html")
    assert "There is no plate. The pixel size of s1f0 is not known" in text
    assert "so there are no lengths" in text
    images = season / "images"
    images.rename(season / "elsewhere")
    try:
        nd.write_reports(nd.tally(season / "project", tmp_path / "out", overwrite=True))
    finally:
        (season / "elsewhere").rename(images)
    first = next(path for path in (tmp_path / "out" / "reports").iterdir() if path.name != "R2.html")
    assert "There is no plate. The files of s0f0 were not found" in page(first)


def test_pages_of_a_tally_that_is_replaced_go_with_it(season: Path, tmp_path: Path) -> None:
    nd.write_reports(nd.tally(season / "project", tmp_path))
    nd.tally(season / "project", tmp_path, overwrite=True)
    assert list((tmp_path / "reports").iterdir()) == []


def test_a_sample_of_nothing_has_a_page(tmp_path: Path) -> None:
    new_project(tmp_path, fields=1).close()
    nd.write_reports(nd.tally(tmp_path / "project", tmp_path / "out"))
    (path,) = (tmp_path / "out" / "reports").iterdir()
    assert "Nothing was counted." in page(path)
