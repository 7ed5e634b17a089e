"""The command that turns annotations of one format into those of another."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from helpers import REPOSITORY, projects
from helpers.annotated import boxes, masks, write_images
from napari_diatom.cli import app as cli
from napari_diatom.core.errors import InputError
from napari_diatom.formats import conversion
from napari_diatom.formats.registry import by_name
from napari_diatom.project import splits
from napari_diatom.project.settings import Split

REAL = Path(os.environ.get("NAPARI_DIATOM_REAL", REPOSITORY.parent / "shared" / "real")) / "pseudo_nitzschia"
"""Photographs outlined by hand; the folder of such sets may be named in the environment."""

real_data = pytest.mark.skipif(not REAL.is_dir(), reason="the real slides are not here")


def test_convert_says_what_is_lost_and_what_was_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = write_images(tmp_path / "images", boxes(), masks())
    by_name("coco").write(tmp_path / "a.json", [boxes(), masks()])
    out = tmp_path / "out"
    assert cli.main(["convert", str(tmp_path / "a.json"), str(out), "--to", "yolo-obb", "--images", str(images)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("YOLO-OBB does not keep: 3 outlines become boxes; ")
    assert second == f"24 specimens of 2 images, COCO to YOLO-OBB: {out}"
    assert cli.main(["convert", str(out), str(tmp_path / "b.xml"), "--to", "cvat"]) == 0
    assert "CVAT XML keeps everything." in capsys.readouterr().out
    [back, _] = by_name("cvat").read(tmp_path / "b.xml")
    np.testing.assert_allclose(back.detections.boxes, boxes().detections.boxes, atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "yolo_obb"], "Did you mean yolo-obb"),
        (["--to", "yolo", "--from", "cvta"], "Did you mean cvat"),
        (["--to", "yolo", "--from", "cvat"], "is not CVAT XML"),
        (["--to", "yolo", "--images", "missing"], "missing"),
        (["--to", "yolo", "--split", "missing.csv"], "missing.csv cannot be read"),
    ],
)
def test_what_is_wrong_is_one_line(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_name("coco").write(tmp_path / "a.json", [boxes()])
    assert cli.main(["convert", str(tmp_path / "a.json"), str(tmp_path / "out"), *arguments]) == 2
    printed = capsys.readouterr().err
    assert words in printed
    assert len(printed.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    by_name("coco").write(tmp_path / "a.json", [boxes(), masks()])
    table = tmp_path / "split.csv"
    table.write_text("image,split\nboxes.png,train\nmasks.png,val\n", encoding="utf-8")
    command = ["convert", str(tmp_path / "a.json"), str(tmp_path / "out"), "--to", "yolo", "--split", str(table)]
    assert cli.main(command) == 0
    assert (tmp_path / "out" / "labels" / "val" / "masks.txt").is_file()
    for text, words in (
        ("a,b\n", "lacks the columns image and split"),
        ("image,split\na,train\na,val\n", "line 3 names 'a' a second time"),
        ('image,split\n"a', "is not a table"),
    ):
        table.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=words):
            conversion.read_split(table)
    capsys.readouterr()


def test_a_project_becomes_a_dataset_with_its_own_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with projects.new_project(tmp_path, slides=2, fields=1) as project:
        first, second = project.images
        project.document(first.id).add([projects.box(1), projects.box(2)])
        parts = {"train": (splits.split_group(first, "slide"),), "validation": (splits.split_group(second, "slide"),)}
        project.update(project.settings.replace(split=Split(parts=parts)))
    out = tmp_path / "dataset"
    command = ["convert", str(tmp_path / "project"), str(out), "--to", "yolo-obb"]
    assert cli.main([*command, "--images", str(tmp_path / "images")]) == 0
    assert f"2 specimens of 2 images, project to YOLO-OBB: {out}" in capsys.readouterr().out
    assert [path.stem for path in (out / "labels" / "train").glob("*.txt")] == ["s0f0"]
    assert [path.stem for path in (out / "labels" / "val").glob("*.txt")] == ["s1f0"]


@pytest.mark.real_data
@real_data
@pytest.mark.parametrize("name", ["yolo-obb", "yolo-seg", "cvat", "imagej", "biigle-csv"])
def test_real_outlines(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = ["--images", str(REAL / "images")]
    form = by_name(name)
    out = tmp_path / f"out{form.suffixes[0]}" if form.layout.name == "ONE_FILE" else tmp_path / "out"
    assert cli.main(["convert", str(REAL / "annotations.coco.json"), str(out), "--to", name, *images]) == 0
    assert "62 specimens of 29 images" in capsys.readouterr().out
    truth = {part.image: part for part in by_name("coco").read(REAL / "annotations.coco.json")}
    back = form.read(out, REAL / "images")
    assert sum(map(len, back)) == 62
    for part in back:
        wanted = truth[part.image].detections
        np.testing.assert_allclose(part.detections.boxes, wanted.boxes, atol=0.05)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_label_image_replaces_a_label_image_of_this_program_and_no_picture(
    tmp_path: Path, bits: int, capsys: pytest.CaptureFixture[str]
) -> None:
    slide, labels = tmp_path / "slide.tif", tmp_path / "labels.tif"
    tifffile.imwrite(slide, np.full((600, 800), 9, f"uint{bits}"))
    before = slide.read_bytes()
    by_name("coco").write(tmp_path / "a.json", [masks()])
    given = ("convert", str(tmp_path / "a.json"), "--to", "label-tiff")
    assert cli.main([*given, str(slide)]) == 2
    assert "is an image, which annotations do not replace" in capsys.readouterr().err
    assert slide.read_bytes() == before
    assert cli.main([*given, str(labels)]) == 0
    assert cli.main([*given, str(labels)]) == 0
