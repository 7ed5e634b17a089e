"""Slides and single images named for the parts of a split, with and without suffix."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from diatom_training.data.annotated_slides import Part
from diatom_training.finetune import dataset
from diatom_training.finetune.named_parts import MOST, named_images
from helpers.tiny import configured, draw_slides
from napari_diatom.core.errors import InputError

OWN = {name: name for name in ("lake.tif", "river.png", "twice.png", "twice.tif")}
"""Images that are slides of their own."""
SLIDES = OWN | {"a/S1_1.tif": "S1", "a/S1_2.tif": "S1", "b/S2_1.tif": "S2.tif", "odd": "S2.tif"}


def _of(home: Mapping[str, Part], part: Part) -> list[str]:
    return [image for image, its in home.items() if its == part]


def test_slides_are_named_with_and_without_suffix() -> None:
    home = named_images({"train": ["lake", "S1.jpg"], "validation": ["river.png", "S2"], "test": ["twice.tif"]}, SLIDES)
    assert _of(home, "train") == ["lake.tif", "a/S1_1.tif", "a/S1_2.tif"]
    assert _of(home, "validation") == ["river.png", "b/S2_1.tif", "odd"]
    assert _of(home, "test") == ["twice.tif"]


@pytest.mark.parametrize("name", ["lake_dic", "lake_dic.ome.tif", "lake_dic.ome"])
def test_the_suffix_of_ome_tiff_has_two_parts(name: str) -> None:
    slides = {"x/lake_dic.ome.tif": "x", "river.v2.tif": "y"}
    assert named_images({"train": [name], "test": ["river.v2"]}, slides) == {
        "x/lake_dic.ome.tif": "train",
        "river.v2.tif": "test",
    }
    alone = {image: image for image in slides}
    assert named_images({"train": [name]}, alone) == {"x/lake_dic.ome.tif": "train"}


@pytest.mark.parametrize("name", ["a/S1_2.tif", "S1_2.tif", "S1_2"])
def test_single_images_are_named_with_and_without_suffix_and_folder(name: str) -> None:
    home = named_images({"train": ["S2"], "validation": ["S1_1"], "test": [name]}, SLIDES)
    assert _of(home, "test") == ["a/S1_2.tif"]
    assert _of(home, "validation") == ["a/S1_1.tif"]


def test_the_name_of_a_slide_goes_before_that_of_an_image() -> None:
    slides = {"S1.tif": "S1", "other.tif": "S1", "S3.tif": "S2"}
    assert named_images({"train": ["S1"]}, slides) == {"S1.tif": "train", "other.tif": "train"}
    assert named_images({"train": ["S1.tif"]}, slides) == {"S1.tif": "train"}


@pytest.mark.parametrize(
    ("parts", "word"),
    [
        (
            {"train": ["laek"]},
            r"no slide or image laek\. Do you mean lake\.tif\? The slides are lake\.tif, river\.png, .*S1, S2\.tif\. "
            r"The images are lake\.tif, .*a/S1_1\.tif",
        ),
        ({"train": ["S1_3"]}, r"no slide or image S1_3\. Do you mean a/S1_"),
        ({"train": ["xyz"]}, r"no slide or image xyz\. The slides are lake\.tif"),
        ({"train": ["twice"]}, "twice may be twice.png or twice.tif"),
        ({"train": ["lake"], "test": ["lake.tif"]}, "lake.tif is in two parts, train and test"),
        ({"train": ["S1"], "test": ["S1_2"]}, r"a/S1_2\.tif is in two parts, train and test"),
    ],
)
def test_an_unknown_or_unclear_name_is_told(parts: dict[Part, list[str]], word: str) -> None:
    with pytest.raises(InputError, match=word):
        named_images(parts, SLIDES)


def test_images_that_are_slides_of_their_own_are_listed_once() -> None:
    with pytest.raises(InputError) as caught:
        named_images({"train": ["xyz"]}, {f"{k}.png": f"{k}.png" for k in range(MOST + 3)})
    assert str(caught.value).endswith("19.png and 3 more.")


def test_a_run_takes_single_images_and_reports_a_torn_slide(tmp_path: Path) -> None:
    config = configured(draw_slides(tmp_path))
    parts = {"train": ["s0", "s1_2"], "validation": ["s2", "s1_3.png"], "test": ["s3_6"]}
    data = dataset.read(config.replace(split={"parts": parts}))
    assert {part: [slide.name for slide in slides] for part, slides in data.parts.items()} == {
        "train": ["s0_0.png", "s0_1.png", "s1_2.png"],
        "validation": ["s1_3.png", "s2_4.png", "s2_5.png"],
        "test": ["s3_6.png"],
    }
    lines = "\n".join(data.warnings)
    assert "1 annotated image is in no part of the split, such as s3_7.png" in lines
    assert "1 slide has images in several parts, such as s1: the test will look better" in lines
    with pytest.raises(InputError, match=r"no slide or image s9\. .*The slides are s0, s1, s2, s3\. The images are"):
        dataset.read(config.replace(split={"parts": parts | {"test": ["s9"]}}))
