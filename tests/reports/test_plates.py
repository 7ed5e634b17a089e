"""``napari-diatom plate``: what a person gets on paper, in PNG, SVG and PDF."""

from __future__ import annotations

import re
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import napari_diatom as nd
from helpers.counting import count, rows, save
from napari_diatom.cli import main
from napari_diatom.core.errors import InputError
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import Specimen

NAVICULA, NITZSCHIA = "Navicula lanceolata", "Nitzschia palea"
LENGTHS = (200, 160, 120, 80, 40)
"""Pixels of the valves of Navicula; those of Nitzschia are 100 long."""


def draw_field(path: Path, turned: bool, ground: int) -> list[tuple[float, float, float, float, float]]:
    """Write a field of dark bars and return their boxes."""
    picture = Image.new("L", (700, 500), ground)
    drawing = ImageDraw.Draw(picture)
    boxes = []
    for k, length in enumerate((*LENGTHS, 100)):
        x, y = 60 + 110 * k, 250
        width, height = (20, length) if turned else (length, 20)
        y += 0 if turned else 60 * (k - 2)
        drawing.rectangle((x - width / 2, y - height / 2, x + width / 2 - 1, y + height / 2 - 1), fill=ground // 2)
        boxes.append((float(x), float(y), float(length), 20.0, np.pi / 2 if turned else 0.0))
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return boxes


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project of two samples: valves upright at 0.1 µm a pixel, and level ones at 0.2 on a darker ground."""
    place = tmp_path_factory.mktemp("plates")
    paths = [place / "images" / name / f"{name}.png" for name in ("upright", "level", "unscaled")]
    boxes = [
        draw_field(path, k != 1, ground) for k, (path, ground) in enumerate(zip(paths, (200, 150, 180), strict=True))
    ]
    with Project.create(place / "project", paths, [NAVICULA, NITZSCHIA], "Ada") as project:
        ids = [image.id for image in project.images]
        for id_, sample in zip(ids, ("R1", "R2", "R3"), strict=True):
            project.facts.set([id_], sample=sample)
        project.facts.set_pixel_size(ids[:1], 0.1)
        project.facts.set_pixel_size(ids[1:2], 0.2)
        for id_, found in zip(ids, boxes, strict=True):
            names = [NAVICULA] * len(LENGTHS) + [NITZSCHIA]
            items = [
                Specimen.rectangle(box, name, id=f"v{k}")
                for k, (box, name) in enumerate(zip(found, names, strict=True))
            ]
            project.document(id_).add(items)
        # Of a valve that the edge cuts, the box ends just there.
        project.document(ids[0]).add([Specimen.rectangle((11.5, 250.0, 300.0, 20.0, np.pi / 2), NAVICULA, id="cut")])
        project.document(ids[0]).add([Specimen.rectangle((60.0, 250.0, 30.0, 20.0, 0.0), NAVICULA, status="broken")])
    return place


def plate(drawn: Path, out: Path, *more: str) -> int:
    return main(["plate", str(drawn / "project"), "-o", str(out), *more])


def grey(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path))


def bar_mm(path: Path) -> float:
    """Return how long the scale bar of a plate is on paper."""
    if path.suffix == ".png":
        with Image.open(path) as picture:
            dpi, black = picture.info["dpi"][0], np.asarray(picture) < 10
        # The lowest black line of the plate is the bar.
        return float(black[np.flatnonzero(black.sum(axis=1) > 20)[-1]].sum() / dpi * 25.4)
    if path.suffix == ".svg":
        drawn = re.search(
            r'id="scale-bar">\s*(?:<g[^>]*>\s*)?<path d="M ([\d.]+) [\d.]+ \nL ([\d.]+)', path.read_text()
        )
    else:
        streams = [
            zlib.decompress(part)
            for part in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", path.read_bytes(), re.S)[:1]
        ]
        # The last path: after the page and the pictures.
        *_, drawn = re.finditer(r"\n([\d.]+) [\d.]+ m\n([\d.]+) [\d.]+ l\n", streams[0].decode("latin-1"))
    assert drawn is not None
    return (float(drawn[2]) - float(drawn[1])) / 72 * 25.4


@pytest.mark.parametrize(("suffix", "off"), [(".png", 0.05), (".svg", 1e-4), (".pdf", 1e-4)])
def test_the_bar_is_as_long_on_paper_as_the_magnification_says(
    drawn: Path, tmp_path: Path, suffix: str, off: float
) -> None:
    out = tmp_path / f"plate{suffix}"
    assert plate(drawn, out, "--magnification", "1500", "--sample", "R1", "--page", "170x230", "--dpi", "300") == 0
    assert bar_mm(out) == pytest.approx(15, abs=off)
    if suffix == ".png":
        assert grey(out).shape == (round(230 / 25.4 * 300), round(170 / 25.4 * 300))
    elif suffix == ".svg":
        width = re.search(r'<svg [^>]*width="([\d.]+)pt"', out.read_text(encoding="utf-8"))
        assert width is not None
        assert float(width[1]) == pytest.approx(170 / 25.4 * 72, abs=1e-3)
        assert "http://" not in re.sub(r'(xmlns(:\w+)?|rdf:resource)="[^"]*"|<!DOCTYPE[^>]*>', "", out.read_text())
    else:
        assert out.read_bytes().startswith(b"%PDF-")


def test_numbers_and_taxa_are_those_of_the_legend(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "plate.png"
    assert plate(drawn, out, "--sample", "R1", "--magnification", "1000", "--dpi", "100") == 0
    caption = f"Figs 1–3 {NAVICULA}; 4 {NITZSCHIA}. Scale bar 10 µm (×1000)."  # noqa: RUF001
    assert capsys.readouterr().out.splitlines() == [caption, str(out)]
    lines = (tmp_path / "plate.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0] == caption
    # Of five valves, three that stand for the longest, the middle and the shortest third.
    cells = [line.split("\t") for line in lines[2:]]
    assert [(cell[0], cell[2], cell[4]) for cell in cells] == [
        ("1", "upright/v0", "20.0 x 2.0 µm"),
        ("2", "upright/v2", "12.0 x 2.0 µm"),
        ("3", "upright/v4", "4.0 x 2.0 µm"),
        ("4", "upright/v5", "10.0 x 2.0 µm"),
    ]
    assert plate(drawn, out) == 2
    assert "--overwrite" in capsys.readouterr().err
    found = nd.plate(
        drawn / "project", out, nd.PlateChoices(most=1, order="abundance", samples=["R1"], dpi=100), overwrite=True
    )
    assert [item.key for item in found.specimens] == ["upright/v2", "upright/v5"]


def test_all_specimens_stand_upright_at_one_scale_on_one_ground(drawn: Path, tmp_path: Path) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text("upright/v0\n\nlevel/v2\nlevel/v5\n", encoding="utf-8")
    out = tmp_path / "plate.png"
    assert plate(drawn, out, "--ids", str(ids), "--magnification", "1000", "--dpi", "254") == 0
    pixels = grey(out)
    dark = pixels < 130
    # 10 pixels to a millimetre, and 1 mm to 1 µm: valves of 20 and 24 µm, and one of 20 of Nitzschia.
    columns = np.flatnonzero(dark.sum(axis=0) > 150)
    parts = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    sizes = [(len(part), int(dark[:, part[len(part) // 2]].sum())) for part in parts]
    assert [width for width, _ in sizes] == pytest.approx([20, 40, 40], abs=2)
    # With the number below it, which may add a few.
    assert [height for _, height in sizes] == pytest.approx([200, 240, 200], abs=25)
    # The images have grounds of 200 and 150.
    above = [pixels[np.flatnonzero(dark[:, part[5]])[0] - 6, part[5]] for part in parts]
    assert above == pytest.approx([196, 196, 196], abs=2)


def test_specimens_without_a_scale_are_left_out_and_said(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plate(drawn, tmp_path / "plate.svg", "--dpi", "100") == 0
    assert "6 specimens are of images without a pixel size and are left out (unscaled)" in capsys.readouterr().err
    assert plate(drawn, tmp_path / "none.svg", "--sample", "R3") == 2
    assert "pixel size of unscaled is not known" in capsys.readouterr().err
    assert not (tmp_path / "none.svg").exists()
    assert not (tmp_path / "none.txt").exists()


def test_what_there_is_not_is_told_with_what_is_near(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "plate.png"
    ids = tmp_path / "ids.txt"
    ids.write_text("upright/v77\n", encoding="utf-8")
    for given, said in (
        (("--taxon", "Navicula lanceolatta"), f"Did you mean {NAVICULA}?"),
        (("--sample", "Q9"), "There are R1, R2, R3."),
        (("--ids", str(ids)), "no specimen upright/v77"),
        (("--magnification", "20000", "--sample", "R1"), "they do at 2000 times"),
        (("--page", "a0"), "170x230"),
        (("--most", "0"), "at least one"),
    ):
        assert plate(drawn, out, *given) == 2
        assert said in capsys.readouterr().err
    assert plate(drawn, tmp_path / "plate.jpg") == 2
    assert ".png, .svg or .pdf" in capsys.readouterr().err
    with pytest.raises(InputError, match="list of names"):
        nd.PlateChoices(taxa=NAVICULA)
    assert not out.exists()


def test_moved_images_are_found_where_they_are_now(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(drawn / "project", tmp_path / "a" / "b" / "project")
    given = ["plate", str(tmp_path / "a" / "b" / "project"), "-o", str(tmp_path / "plate.pdf"), "--dpi", "100"]
    assert main(given) == 2
    assert "were not found: run plate with --images" in capsys.readouterr().err
    assert main([*given, "--images", str(drawn / "images")]) == 0
    assert f"1–3 {NAVICULA}" in capsys.readouterr().out  # noqa: RUF001


def test_results_of_count_make_a_plate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path / "in" / "R1" / "a.png", number=3)
    assert count(tmp_path / "in", "-o", tmp_path / "out", "--pixel-size", "0.2") == 0
    names = sorted({row["class"] for row in rows(tmp_path / "out" / "specimens.csv")})
    capsys.readouterr()
    assert main(["plate", str(tmp_path / "out"), "-o", str(tmp_path / "plate.svg"), "--dpi", "100"]) == 0
    caption = capsys.readouterr().out.splitlines()[0]
    assert [part.partition(" ")[2] for part in caption.removeprefix("Figs ").partition(".")[0].split("; ")] == names
