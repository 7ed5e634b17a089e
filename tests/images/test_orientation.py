"""Images are counted upright in every format, as their orientation says, window by window."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diatom_training.data.crops import read_rgb
from helpers.fakes import BlobEngine, card, loader, model_folder, slide
from helpers.turned_images import ORIENTATIONS, WRITERS, exif_of, png, stored, tiff
from napari_diatom import engines
from napari_diatom.cli import app as cli
from napari_diatom.core.annotations import Annotations
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.images.slide_image import open_images
from napari_diatom.project.image_identity import condition, describe


@pytest.fixture(scope="module")
def upright():
    """A slide in colour, no two of whose corners or directions are alike."""
    grey = slide(300, 400, number=9, seed=3)
    return np.stack([grey, grey // 2, np.full_like(grey, 7)], axis=-1)


def counted(folder: Path, model: Path) -> tuple[dict[str, Annotations], dict[str, int]]:
    """Count a folder by the command line; return annotations and orientations by the images' names."""
    out = folder.parent / f"{folder.name} counted"
    command = ["count", folder, "-o", out, "--model", model, "--no-overlays"]
    assert cli.main([str(word) for word in command]) == 0
    found = {}
    for path in (out / "annotations").iterdir():
        part = geojson.read(path)
        found[part.image] = part
    facts = json.loads((out / "run.json").read_text(encoding="utf-8"))["images"]
    return found, {item["image"]: item["orientation"] for item in facts}


@pytest.fixture(scope="module")
def plain(tmp_path_factory, upright):
    """What is found in the images of all formats where they are stored upright."""
    folder = tmp_path_factory.mktemp("plain") / "plain"
    folder.mkdir()
    for name, write in WRITERS.items():
        write(folder / name, upright, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "load", loader(BlobEngine(card(640))))
        return counted(folder, model_folder(folder.parent / "model"))[0]


@pytest.mark.parametrize("orientation", ORIENTATIONS[1:])
def test_images_are_counted_upright_whatever_format_and_orientation(tmp_path, upright, plain, orientation, monkeypatch):
    monkeypatch.setattr(engines, "load", loader(BlobEngine(card(640))))
    (tmp_path / "given").mkdir()
    for name, write in WRITERS.items():
        write(tmp_path / "given" / name, stored(upright, orientation), orientation)
    found, orientations = counted(tmp_path / "given", model_folder(tmp_path / "model"))
    assert orientations == dict.fromkeys(WRITERS, orientation)
    for name, part in found.items():
        assert (part.height, part.width, part.orientation) == (300, 400, orientation)
        assert len(part) == len(plain[name]) >= 6
        slack = 1.5 if name.endswith("jpg") else 0.05
        np.testing.assert_allclose(part.detections.boxes, plain[name].detections.boxes, atol=slack)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("name", [name for name in WRITERS if name != "a.jpg"])
def test_windows_of_a_turned_image_are_those_of_the_upright_one(tmp_path, upright, orientation, name):
    WRITERS[name](tmp_path / name, stored(upright, orientation), orientation)
    WRITERS[name](tmp_path / f"plain_{name}", upright, 1)
    (image,), (plain,) = open_images(tmp_path / name), open_images(tmp_path / f"plain_{name}")
    for window in ((0, 0, 400, 300), (10, 200, 33, 299), (399, 299, 400, 300), (130, 5, 260, 11)):
        np.testing.assert_array_equal(image.read(*window), plain.read(*window))
    assert [(level.height, level.width) for level in image.levels] == [(p.height, p.width) for p in plain.levels]
    if name != "pyramid.tif":
        np.testing.assert_array_equal(image.read(0, 0, 400, 300, 0.5), plain.read(0, 0, 400, 300, 0.5))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize(
    "name", ["a.jpg", "plain.png", "behind.png", "raw.tif", "strips.tif", "deeper.tif", "deep_rgb.png"]
)
def test_training_reads_images_as_counting_does(tmp_path, upright, orientation, name):
    WRITERS[name](tmp_path / name, stored(upright, orientation), orientation)
    (image,) = open_images(tmp_path / name)
    read = read_rgb(tmp_path / name)
    assert read.shape == (300, 400, 3)
    assert np.abs(read.astype(int) - image.read(0, 0, 400, 300)).max() <= 3


@pytest.mark.parametrize("value", [0, 9, 77])
def test_an_orientation_that_means_nothing_is_none(tmp_path, upright, value):
    tiff(tmp_path / "a.tif", upright, value)
    Image.fromarray(upright).save(tmp_path / "a.png", exif=exif_of(value))
    for name in ("a.tif", "a.png"):
        (image,) = open_images(tmp_path / name)
        np.testing.assert_array_equal(image.read(0, 0, 400, 300), upright)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_says_nothing_and_stops_nothing(tmp_path, upright):
    stream = io.BytesIO()
    Image.fromarray(upright).save(stream, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff\0\1", quality=100)
    (tmp_path / "a.jpg").write_bytes(stream.getvalue())
    (image,) = open_images(tmp_path / "a.jpg")
    assert image.read(0, 0, 400, 300).shape == upright.shape


def test_the_orientation_of_a_png_is_found_without_decoding_it(tmp_path, monkeypatch):
    from PIL import PngImagePlugin

    png(tmp_path / "a.png", np.zeros((30, 40), np.uint8), 6, last=True)

    def refuse(self):
        raise AssertionError("decoded")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", refuse)
    (image,) = open_images(tmp_path / "a.png")
    assert (image.height, image.width, image.orientation) == (40, 30, 6)


def test_a_project_that_knows_a_file_as_it_is_stored_says_that_it_has_changed(tmp_path, upright):
    tiff(tmp_path / "a.tif", stored(upright, 6), 6)
    described = describe(tmp_path, [tmp_path / "a.tif"])
    (image,) = described.images
    assert condition(tmp_path, image) == "as it was"
    assert condition(tmp_path, image.replace(height=image.width, width=image.height)) == "changed"
