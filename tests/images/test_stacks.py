"""Stacks: whichever way a file holds focus planes, channels, times and places, each field is counted once."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import tifffile

from helpers.microscopes import FOCUS, SCANNERS, SHARP, SHARPEST, focus_series, ome, ome_xml, rgb, svs
from napari_diatom.cli import app as cli
from napari_diatom.core.errors import InputError
from napari_diatom.images.slide_image import open_images
from napari_diatom.project.image_identity import open_image_page
from napari_diatom.project.project import Project
from napari_diatom.project.settings import PROJECT_FILE

SPECIMENS = 5
"""Of :func:`fakes.slide`."""


@pytest.mark.parametrize("name", FOCUS)
def test_a_focus_series_is_one_field_in_its_sharpest_plane(tmp_path, count, capsys, name):
    path = tmp_path / name
    FOCUS[name](path)
    code, found, record = count(path)
    assert code == 0
    assert found == {name: SPECIMENS}
    said = f"Plane {SHARPEST} of 3, the sharpest, was used"
    assert said in capsys.readouterr().err
    assert any(said in notice for notice in record["images"][0]["notices"])
    assert record["options"]["z"] == "best"
    [image] = open_images(path)
    np.testing.assert_array_equal(image.read(0, 0, 400, 300), rgb())


@pytest.mark.parametrize("name", ["ome pages.ome.tif", "imagej one page.tif", "depth.tif", "metamorph.stk"])
def test_planes_of_a_focus_series_are_chosen(tmp_path, count, capsys, name):
    path = tmp_path / name
    FOCUS[name](path)
    assert list(count(path, "--z", "each")[1]) == [f"{name}#{k}" for k in (1, 2, 3)]
    for z, expected in (("1", focus_series()[0]), ("max", focus_series().max(axis=0))):
        code, found, record = count(path, "--z", z)
        assert (code, list(found), record["options"]["z"]) == (0, [name], z)
        [image] = open_images(path, z=z)
        np.testing.assert_array_equal(image.read(0, 0, 400, 300)[..., 1], expected)
    assert count(path, "--z", "4")[0] == 2
    assert "plane 4 does not exist" in capsys.readouterr().err
    assert count(path, "--z", "sharpest")[0] == 2
    assert "best, max, each" in capsys.readouterr().err


def test_what_is_taken_of_focus_series_cannot_change_within_a_run(tmp_path, count, capsys):
    FOCUS["imagej.tif"](tmp_path / "a.tif")
    assert count(tmp_path / "a.tif")[0] == 0
    arguments = ["count", str(tmp_path / "a.tif"), "-o", str(tmp_path / "out"), "--model", str(tmp_path / "model")]
    assert cli.main([*arguments, "--resume", "--z", "max"]) == 2
    assert "--z" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["ome", "imagej", "tifffile"])
def test_times_are_fields_and_channels_one_picture(tmp_path, count, kind):
    stack = np.broadcast_to(focus_series()[None, :, None], (2, 3, 2, 300, 400)).copy()
    path = tmp_path / ("a.ome.tif" if kind == "ome" else "a.tif")
    options = {"imagej": True} if kind == "imagej" else {"photometric": "minisblack"}
    tifffile.imwrite(path, stack, metadata={"axes": "TZCYX"}, **options)
    code, found, record = count(path)
    assert code == 0
    assert found == {f"{path.name}#1": SPECIMENS, f"{path.name}#2": SPECIMENS}
    assert all("2 channels" in " ".join(image["notices"]) for image in record["images"])
    assert len(open_images(path, z="each")) == 6
    assert len(open_images(path, z="pages")) == 12


def test_a_page_with_a_depth_gives_each_of_its_planes(tmp_path):
    FOCUS["depth.tif"](tmp_path / "a.tif")
    for z in ("each", "pages"):
        images = open_images(tmp_path / "a.tif", z=z)
        for image, plane in zip(images, focus_series(), strict=True):
            np.testing.assert_array_equal(image.read(0, 0, 400, 300)[..., 0], plane)


def test_channels_become_red_green_and_blue_each_from_its_own_darkest_to_its_brightest(tmp_path):
    ramp = np.linspace(0, 1, 400)[None].repeat(300, axis=0)
    deep = np.stack([1000 + 200 * ramp, 60000 * ramp, 5 * ramp[:, ::-1], 9 * ramp]).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.ome.tif", deep, metadata={"axes": "CYX"}, photometric="minisblack")
    [image] = open_images(tmp_path / "a.ome.tif")
    read = image.read(0, 0, 400, 300).astype(int)
    assert read[..., :2].min() == 0
    assert read.max(axis=(0, 1)).tolist() == [255, 255, 255]
    assert np.abs(read[..., 0] - read[..., 1]).max() <= 3
    assert (read[0, 0, 2], read[0, -1, 2]) == (255, 0)
    assert any("first 3 of 4 channels" in notice for notice in image.notices)

    said = "".join(f'<Channel ID="Channel:0:{k}" Color="{c}"/>' for k, c in enumerate((65535, 16711935, -16776961)))
    xml = ome_xml(1, 3, 1, "<TiffData/>", channels=said)
    ome(tmp_path / "coloured.ome.tif", [SHARP, SHARP // 2, SHARP // 4], xml)
    [image] = open_images(tmp_path / "coloured.ome.tif")
    np.testing.assert_array_equal(image.read(0, 0, 400, 300), np.stack([SHARP // 4, SHARP // 2, SHARP], axis=2))


def test_a_channel_picture_of_two_equal_ones_is_grey(tmp_path, count):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([SHARP] * 2), imagej=True, metadata={"axes": "CYX"})
    assert count(tmp_path / "a.tif")[1] == {"a.tif": SPECIMENS}
    [image] = open_images(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.read(0, 0, 400, 300), rgb())


def test_pages_that_nothing_is_said_of_stay_fields(tmp_path, count):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([SHARP] * 2), metadata=None, photometric="minisblack")
    assert count(tmp_path / "a.tif")[1] == {"a.tif#1": SPECIMENS, "a.tif#2": SPECIMENS}


def test_what_ome_names_in_other_files_is_said_to_be_missing(tmp_path):
    blocks = "".join(
        f'<TiffData IFD="{ifd}" FirstZ="{z}" PlaneCount="1"><UUID FileName="{name}">urn:uuid:{name}</UUID></TiffData>'
        for ifd, z, name in ((0, 0, "a.ome.tif"), (1, 1, "a.ome.tif"), (0, 2, "b.ome.tif"))
    )
    ome(tmp_path / "a.ome.tif", focus_series()[:2], ome_xml(3, 1, 1, blocks))
    (tmp_path / "b.ome.tif").write_bytes(b"never opened")
    [image] = open_images(tmp_path / "a.ome.tif")
    said = " ".join(image.notices)
    assert "2 of the 3 planes" in said
    assert "names another file" in said
    np.testing.assert_array_equal(image.read(0, 0, 400, 300), rgb())


@pytest.mark.parametrize(
    ("xml", "fields", "words"),
    [
        (ome_xml(3, 1, 1, "<TiffData/>"), 1, ""),
        (ome_xml(3, 1, 1, ""), 1, ""),
        (ome_xml(1, 1, 3, '<TiffData IFD="0" PlaneCount="3"/>'), 3, ""),
        (ome_xml(4, 1, 1, "<TiffData/>"), 1, "3 of the 4 planes"),
        (ome_xml(1, 1, 1, "<TiffData/>"), 1, "2 pages that are not named"),
        (ome_xml(10**9, 10**3, 10**9, '<TiffData PlaneCount="99999999999"/>'), 1, "3 of the"),
        (ome_xml(3, 1, 1, "<TiffData/>")[:-20] + "</OME>", 3, "cannot be read"),
        ('<?xml version="1.0"?><OME><BinaryOnly MetadataFile="a.companion.ome"/></OME>', 3, "another file"),
    ],
)
def test_ome_is_obeyed_as_far_as_the_file_goes(tmp_path, xml, fields, words):
    ome(tmp_path / "a.ome.tif", focus_series(), xml)
    images = open_images(tmp_path / "a.ome.tif")
    assert len(images) == fields
    assert words in " ".join(images[0].notices)


def test_planes_of_different_sizes_are_fields(tmp_path):
    ome(tmp_path / "a.ome.tif", [SHARP, SHARP[:100]], ome_xml(2, 1, 1, "<TiffData/>"))
    images = open_images(tmp_path / "a.ome.tif")
    assert [image.height for image in images] == [300, 100]
    assert "not of one size" in images[0].notices[-1]


def test_a_stack_that_was_cut_off_is_refused(tmp_path, count, capsys):
    FOCUS["imagej one page.tif"](tmp_path / "a.tif")
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data[: len(data) // 2])
    assert count(tmp_path / "a.tif")[0] == 2
    assert "truncated" in capsys.readouterr().err


@pytest.mark.parametrize("name", SCANNERS)
def test_scanners_and_microscopes_are_read_by_their_content_with_their_pixel_size(tmp_path, count, name):
    write, size = SCANNERS[name]
    for path in (tmp_path / name, tmp_path / f"{name}.tif"):
        write(path)
        code, found, record = count(path)
        # Labels, macro photographs and thumbnails are no fields.
        assert (code, found) == (0, {path.name: SPECIMENS})
        assert record["images"][0]["pixel_size_um"] == pytest.approx(size)


def test_levels_of_scanners_are_used(tmp_path):
    svs(tmp_path / "a.svs")
    [image] = open_images(tmp_path / "a.svs")
    assert [level.width for level in image.levels] == [400, 200]


def test_the_largest_value_of_all_planes_is_found_with_bounded_memory(tmp_path, monkeypatch):
    planes = np.random.default_rng(0).integers(0, 255, (9, 512, 512)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", planes, metadata={"axes": "ZYX"}, tile=(64, 64), compression="zlib")
    monkeypatch.setattr("napari_diatom.images.tiff_pixels.CACHE_BYTES", 8 * 64 * 64)
    [image] = open_images(tmp_path / "a.tif", z="max")
    np.testing.assert_array_equal(image.read(0, 0, 512, 512)[..., 0], planes.max(axis=0))


def test_sharpness_does_not_depend_on_brightness_of_single_pixels(tmp_path):
    noise = np.random.default_rng(0).normal(0, 3, (3, 300, 400))
    planes = np.clip(focus_series() * 0.5 + 60 + noise, 0, 255).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", planes, metadata={"axes": "ZYX"}, photometric="minisblack")
    [image] = open_images(tmp_path / "a.tif")
    assert f"Plane {SHARPEST} of 3" in image.notices[-1]


def test_a_project_finds_planes_that_came_into_it_as_pages(tmp_path):
    FOCUS["imagej.tif"](tmp_path / "a.tif")
    np.testing.assert_array_equal(
        open_image_page(tmp_path / "a.tif", 3).read(0, 0, 400, 300)[..., 0], focus_series()[2]
    )
    with pytest.raises(InputError, match="has 3 pages"):
        open_image_page(tmp_path / "a.tif", 4)


def test_a_picture_of_samples_that_are_colours_stays_one(tmp_path):
    tifffile.imwrite(tmp_path / "a.ome.tif", cv2.merge([SHARP, SHARP // 2, SHARP // 3]), photometric="rgb")
    [image] = open_images(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(image.read(0, 0, 400, 300)[..., 1], SHARP // 2)
    assert image.notices == ()


def test_projects_keep_the_planes_that_they_were_annotated_on(tmp_path):
    path = tmp_path / "stack.tif"
    FOCUS["imagej.tif"](path)
    with Project.create(tmp_path / "new", [path], ["Navicula"]) as project:
        [image] = project.images
        shown = open_image_page(path, image.page, image.division)
        np.testing.assert_array_equal(shown.read(0, 0, 400, 300), rgb())
        settings = project.settings
    # A project of the version before has an image for each plane, and says nothing of fields.
    planes = [image.replace(id=f"stack-page{number}", page=number, division="pages") for number in (1, 2, 3)]
    text = settings.replace(images=tuple(planes)).to_text().replace("  division: pages\n", "")
    assert "division" not in text
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / PROJECT_FILE).write_text(text, encoding="utf-8")
    with Project.open(tmp_path / "old") as project:
        for image, raw in zip(project.images, open_images(path, z="pages"), strict=True):
            found = open_image_page(path, image.page, image.division)
            np.testing.assert_array_equal(found.read(0, 0, 400, 300), raw.read(0, 0, 400, 300))
