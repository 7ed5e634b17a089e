"""Arguments that cannot be meant are refused before anything is read or written."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import napari_diatom as nd
from napari_diatom.cli import main
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.cropped_masks import CroppedMask
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError, OutputError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder to work in, with an image and its annotations."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.full((64, 64), 200, np.uint8)).save("a.png")
    nd.write_annotations("a.geojson", part())
    return tmp_path


def part() -> Annotations:
    return Annotations.of(Detections.of([[30, 30, 20, 6, 0]]), image="a.png", height=64, width=64)


@pytest.mark.parametrize(
    "line",
    [
        ("count", "", "-o", "out"),
        ("count", "a.png", "-o", ""),
        ("count", "a.png", "-o", "out", "--model", ""),
        ("count", "a.png", "-o", "out", "--namer", ""),
        ("convert", "", "b.json", "--to", "coco"),
        ("convert", "a.geojson", "", "--to", "coco"),
        ("convert", "a.geojson", "b.json", "--to", "coco", "--images", ""),
        ("convert", "a.geojson", "b.json", "--to", "coco", "--from", ""),
        ("models", "show", ""),
        ("models", "import", ""),
        ("project", "new", "", "a.png"),
        ("project", "new", "p", ""),
        ("project", "check", ""),
        ("train", ""),
        ("train", "a.yaml", "-o", ""),
        ("evaluate", "", "a.geojson", "-o", "out"),
        ("evaluate", "diatom-obb", "", "-o", "out"),
        ("evaluate", "diatom-obb", "a.geojson", "-o", ""),
        ("samples", ""),
    ],
    ids=" ".join,
)
def test_an_empty_argument_is_not_the_working_folder_or_a_default(folder, line, capsys):
    with pytest.raises(SystemExit) as ended:
        main(list(line))
    assert ended.value.code == 2
    assert "it is empty" in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["a.geojson", "a.png"]


@pytest.mark.parametrize(
    ("option", "text", "words"),
    [
        ("--pixel-size", "0,1", "write 0.1"),
        ("--threshold", "0,5", "write 0.5"),
        ("--pixel-size", "1,000.5", "such as 0.1"),
        ("--pixel-size", "fine", "such as 0.1"),
        ("--threads", "two", "not a whole number"),
        ("--threads", "1.5", "not a whole number"),
    ],
)
def test_a_number_that_cannot_be_read_is_refused_in_words(folder, option, text, words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["count", "a.png", "-o", "out", option, text])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("target", ["coco", "yolo-obb", "geojson", "cvat", "biigle-csv"])
def test_annotations_do_not_replace_an_image(folder, target, capsys):
    before = (folder / "a.png").read_bytes()
    assert main(["convert", "a.geojson", "a.png", "--to", target]) == 2
    assert "a.png" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"a\.png"):
        nd.write_annotations("a.png", part(), target)
    assert (folder / "a.png").read_bytes() == before


def test_a_label_image_does_not_replace_the_slide_that_it_is_of(folder):
    Image.fromarray(np.full((64, 64), 200, np.uint8)).save("b.tif")
    before = (folder / "b.tif").read_bytes()
    (folder / "a.png").unlink()
    whole = CroppedMask(np.ones((20, 40), bool), 10, 10)
    slide = Annotations.of(
        Detections.of([[30, 20, 40, 20, 0]], masks=[whole]), outlines=[None], image="b.tif", height=64, width=64
    )
    with pytest.raises(InputError, match="annotations do not replace"):
        nd.write_annotations("b.tif", slide, "label-tiff", images=folder)
    assert (folder / "b.tif").read_bytes() == before
    nd.write_annotations("b_labels.tif", slide, "label-tiff")
    nd.write_annotations("b_labels.tif", slide, "label-tiff")


@pytest.mark.parametrize("target", ["coco", "cvat", "biigle-csv"])
def test_a_file_is_not_written_in_place_of_the_working_folder(folder, target, capsys):
    assert main(["convert", "a.geojson", ".", "--to", target]) == 2
    assert "a folder has this name" in capsys.readouterr().err
    with pytest.raises(OutputError, match="a folder has this name"):
        nd.write_annotations(".", part(), target)
