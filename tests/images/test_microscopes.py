"""Files of microscopes that are not TIFF, through the user's doors, and what is wrong with them."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from helpers import microscope_files as files
from helpers.microscopes import SHARP, SHARPEST, focus_series, rgb
from napari_diatom import api as nd
from napari_diatom.core.errors import InputError
from napari_diatom.images.image_files import search
from napari_diatom.images.microscopes import kinds
from napari_diatom.images.slide_image import open_images
from napari_diatom.project.project import Project

SPECIMENS = 5
"""Of :func:`fakes.slide`."""
CORNER = slice(60, 110), slice(100, 180)

LIBRARIES = {
    "a.czi": "pylibCZIrw",
    "a.nd2": "nd2",
    "a.lif": "liffile",
    "a.lof": "liffile",
    "a.xlif": "liffile",
    "a.ome.zarr": "zarr",
    "b.zarr": "zarr",
    "a.ozx": "zarr",
    "a.mrxs": "openslide",
    "a.svs": "openslide",
}
WRITERS = {
    "a.czi": files.czi_slide,
    "a.nd2": files.nd2_slide,
    "a.lif": files.lif_slide,
    "a.lof": files.lof_slide,
    "a.xlif": files.xlif_slide,
    "a.ome.zarr": files.zarr_slide,
    "b.zarr": files.zarr_slide_v2,
    "a.ozx": files.zarr_slide,
    "a.mrxs": files.mrxs,
    "a.svs": files.aperio_jpeg2000,
}
LOSSY = ("a.mrxs", "a.svs")


@pytest.fixture
def written(request, tmp_path):
    """Write the file of a name; skip where its library is not installed."""
    name = request.param
    pytest.importorskip(LIBRARIES[name])
    folder = tmp_path / "slides"
    folder.mkdir()
    WRITERS[name](folder / name)
    return folder / name


def read_all(path):
    """Read all pixels of a file."""
    return [image.read(0, 0, image.width, image.height) for image in open_images(path)]


every_kind = pytest.mark.parametrize("written", list(WRITERS), indirect=True)


@every_kind
def test_a_file_is_counted_from_its_folder_with_its_pixel_size(written, count):
    code, found, record = count(written.parent)
    assert code == 0
    assert found == {written.name: SPECIMENS}
    (image,) = record["images"]
    assert image["pixel_size_um"] == pytest.approx(0.2526 if written.suffix == ".svs" else 0.2, rel=1e-3)
    assert len(image["sha256"]) == 64
    assert count(written)[:2] == (0, {written.name: SPECIMENS})


@every_kind
def test_a_window_has_the_pixels_of_the_file(written):
    (image,) = nd.open_images(written)
    expected = rgb()
    for window in ((0, 0, 400, 300), (100, 60, 180, 110), (399, 299, 400, 300)):
        x0, y0, x1, y1 = window
        difference = np.abs(image.read(*window).astype(int) - expected[y0:y1, x0:x1])
        assert difference.max() <= (40 if written.name in LOSSY else 0)
    assert image.read(0, 0, 400, 300, 0.5).shape == (150, 200, 3)
    image.release()
    assert image.read(100, 60, 180, 110).shape == (50, 80, 3)


@every_kind
def test_a_project_holds_the_file_and_notices_that_it_was_changed(written, tmp_path):
    project = Project.create(tmp_path / "project", [written], classes=["diatom"])
    (image,) = project.images
    assert (image.height, image.width) in ((300, 400), (400, 400))
    assert project.linked_images.condition(image.id) == "as it was"
    changed = max(file for file in written.parent.rglob("*") if file.is_file())
    with changed.open("ab") as stream:
        stream.write(b"\0")
    again = Project.open(tmp_path / "project")
    assert again.linked_images.condition(image.id) == "changed"


@every_kind
def test_without_the_library_the_file_is_named_with_what_to_install(written, count, capsys, monkeypatch):
    monkeypatch.setattr(kinds.importlib.util, "find_spec", lambda name: None)
    assert count(written)[0] == 2
    message = capsys.readouterr().err
    assert str(written) in message
    assert 'pip install "napari-diatom[microscopes]"' in message


@every_kind
def test_a_file_that_was_cut_short_is_refused_and_named(written):
    main = written
    if written.is_dir():
        main = written / ("0/c/1/2/3" if (written / "zarr.json").exists() else "0/1.2.3")
    elif written.suffix == ".mrxs":
        main = written.with_suffix("") / "Data0000.dat"
    elif written.suffix == ".xlif":
        main = written.with_suffix(".lof")
    data = main.read_bytes()
    main.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=written.stem):
        read_all(written)


def test_planes_of_a_focus_series_are_chosen(tmp_path, count):
    pytest.importorskip("pylibCZIrw")
    path = tmp_path / "focus.czi"
    files.czi_focus(path)
    code, found, record = count(path)
    assert (code, found) == (0, {"focus.czi": SPECIMENS})
    assert f"Plane {SHARPEST} of 3, the sharpest" in " ".join(record["images"][0]["notices"])
    for z, expected in (("1", focus_series()[0]), ("max", focus_series().max(axis=0))):
        (image,) = open_images(path, z=z)
        np.testing.assert_array_equal(image.read(0, 0, 400, 300)[..., 0], expected)
    assert [image.name for image in open_images(path, z="each")] == [f"focus.czi#{k}" for k in (1, 2, 3)]


def test_nd2_focus_series_and_channels_are_read_packed_or_not(tmp_path):
    pytest.importorskip("nd2")
    planes = [plane[..., None] for plane in focus_series()]
    for packed in (False, True):
        path = tmp_path / f"packed {packed}.nd2"
        files.nd2(path, planes, z=3, packed=packed)
        (image,) = open_images(path)
        np.testing.assert_array_equal(image.read(0, 0, 400, 300)[..., 0], SHARP)
        assert len(open_images(path, z="each")) == 3
    deep = np.stack([SHARP, SHARP[::-1]], axis=2).astype(np.uint16) * 200
    files.nd2(tmp_path / "channels.nd2", [deep, deep], channels=2)
    first, second = open_images(tmp_path / "channels.nd2")
    assert (first.name, second.name) == ("channels.nd2#1", "channels.nd2#2")
    assert "2 channels" in first.notices[0]
    shown = first.read(0, 0, 400, 300)
    np.testing.assert_array_equal(shown[..., 0], shown[::-1, :, 1])


def test_frames_that_were_never_taken_are_named_and_not_counted(tmp_path):
    pytest.importorskip("nd2")
    files.nd2(tmp_path / "a.nd2", [SHARP[..., None]] * 2, listed=3)
    images = open_images(tmp_path / "a.nd2")
    assert len(images) == 2
    assert "2 of the 3 planes" in images[0].notices[0]


def test_scenes_of_a_czi_are_fields_and_gaps_of_mosaics_have_the_background(tmp_path, count):
    pytest.importorskip("pylibCZIrw")
    bright = np.full((100, 120, 3), (200, 210, 220), np.uint8)
    tiles = [(bright, (0, 0), {}, 0), (bright, (150, 130), {}, 0), (rgb(), (5000, 0), {}, 1)]
    files.czi(tmp_path / "a.czi", tiles, compression="zstd1:ExplicitLevel=2;PreProcess=HiLoByteUnpack")
    first, second = open_images(tmp_path / "a.czi")
    assert (first.width, first.height, second.width, second.height) == (270, 230, 400, 300)
    assert (first.read(0, 0, 270, 230) == (200, 210, 220)).all()
    assert (first.read(60, 50, 270, 230, 0.5) == (200, 210, 220)).all()
    assert "scene 1 of 2" in first.notices[0]
    assert "gaps" in first.notices[1]
    assert not any("gaps" in notice for notice in second.notices)
    np.testing.assert_array_equal(second.read(0, 0, 400, 300), rgb())
    assert count(tmp_path / "a.czi")[1]["a.czi#2"] == SPECIMENS


def test_images_tiles_and_times_of_a_lif_are_fields(tmp_path):
    pytest.importorskip("liffile")
    plane = np.arange(30 * 40, dtype=np.uint16).reshape(30, 40)
    stack = np.stack([plane + 1000 * number for number in range(6)])
    times = files.las_xml({1: 40, 2: 30, 3: 3, 4: 2}, stack.dtype, [(0, 0)], "times")
    tiles = files.las_xml({1: 40, 2: 30, 10: 6}, stack.dtype, [(0, 0)], "tiles")
    line = files.las_xml({1: 40, 4: 30}, plane.dtype, [(0, 0)], "line")
    files.lif(tmp_path / "a.lif", [(times, stack.tobytes()), (tiles, stack.tobytes()), (line, plane.tobytes())])
    images = open_images(tmp_path / "a.lif", z="2")
    assert len(images) == 2 + 6
    assert "image 1 of 2 ('times')" in images[0].notices[0]
    assert any("tile 6 of 6" in notice for notice in images[-1].notices)
    np.testing.assert_array_equal(images[1].levels[0].window(3, 2, 30, 20)[..., 0], stack[4][2:20, 3:30])
    np.testing.assert_array_equal(images[-1].levels[0].window(0, 0, 40, 30)[..., 0], stack[5])


def test_a_lof_with_its_xlif_is_counted_once(tmp_path, count):
    pytest.importorskip("liffile")
    files.xlif_slide(tmp_path / "in.xlif")
    assert [path.name for path in search([str(tmp_path)]).images] == ["in.xlif"]
    assert count(tmp_path)[1] == {"in.xlif": SPECIMENS}


def test_an_xlif_does_not_reach_into_other_folders(tmp_path):
    pytest.importorskip("liffile")
    xml, pixels = files.las_slide()
    files.lof(tmp_path / "secret.lof", xml, pixels)
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    files.xlif(folder / "a.xlif", xml, "..\\..\\secret.lof", len(pixels))
    with pytest.raises(InputError, match="does not name one LOF file beside it"):
        open_images(folder / "a.xlif")


def test_a_missing_chunk_has_the_fill_value_and_a_damaged_one_is_named(tmp_path, count, capsys):
    pytest.importorskip("zarr")
    path = tmp_path / "a.zarr"
    files.zarr_slide(path)
    chunk = path / "0" / "c" / "1" / "2" / "3"
    chunk.unlink()
    (image,) = open_images(path)
    assert (image.levels[0].window(192, 128, 256, 192)[..., 1] == 7).all()
    chunk.write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"a\.zarr is damaged"):
        image.read(0, 0, 400, 300)
    assert count(path)[0] == 2
    assert "a.zarr is damaged" in capsys.readouterr().err


def test_levels_that_contradict_the_image_are_not_used_and_named(tmp_path, count):
    pytest.importorskip("zarr")
    pixels = np.moveaxis(rgb(), -1, 0)
    wrong = np.full((3, 75, 180), 255, np.uint8)
    files.ome_zarr(tmp_path / "a.zarr", [pixels, pixels[:, ::2, ::2], wrong, pixels])
    (image,) = open_images(tmp_path / "a.zarr")
    assert [level.width for level in image.levels] == [400, 200]
    assert "2 reduced copies (180 x 75, 400 x 300 px) did not fit the image (400 x 300 px)" in image.notices[-1]
    assert image.read(0, 0, 400, 300, 0.25).max() == pytest.approx(rgb().max(), abs=3)
    assert count(tmp_path / "a.zarr")[0] == 0


def test_series_and_plates_of_ome_zarr_are_fields(tmp_path):
    zarr = pytest.importorskip("zarr")
    pixels = np.moveaxis(rgb(), -1, 0)
    root = zarr.open_group(tmp_path / "plate.zarr", mode="w", zarr_format=2)
    root.attrs["plate"] = {"wells": [{"path": "A/1"}, {"path": "B/2"}]}
    series = zarr.open_group(tmp_path / "series.zarr", mode="w", zarr_format=3)
    for well in ("A/1", "B/2"):
        inner = root.create_group(well)
        inner.attrs["well"] = {"images": [{"path": "0"}]}
        files.ome_zarr_image(inner.create_group("0"), [pixels], version="0.4")
    for number in "01":
        files.ome_zarr_image(series.create_group(number), [pixels[None, None]], "tzcyx")
    for name in ("plate.zarr", "series.zarr"):
        first, second = open_images(tmp_path / name)
        assert "image 1 of 2" in first.notices[0]
        np.testing.assert_array_equal(second.read(0, 0, 400, 300), rgb())


@pytest.mark.parametrize(("unit", "um"), [("nanometer", None), ("millimeter", None), ("pixel", None), ("", 0.2)])
def test_the_unit_of_an_ome_zarr_counts(tmp_path, unit, um):
    pytest.importorskip("zarr")
    files.ome_zarr(tmp_path / "a.zarr", [SHARP], "yx", unit=unit)
    assert open_images(tmp_path / "a.zarr")[0].pixel_size_um == um


def test_a_folder_that_is_no_image_is_refused(tmp_path):
    pytest.importorskip("zarr")
    (tmp_path / "a.zarr").mkdir()
    for path, words in ((tmp_path, "is a folder"), (tmp_path / "a.zarr", "is a folder")):
        with pytest.raises(InputError, match=words):
            open_images(path)
    (tmp_path / "a.zarr" / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group"}')
    with pytest.raises(InputError, match="without an OME-Zarr image"):
        open_images(tmp_path / "a.zarr")


def test_pixels_are_read_part_by_part(tmp_path):
    """A picture of 400 MB is read in a window without the memory of a tenth of it."""
    pytest.importorskip("liffile")
    import tracemalloc

    path = tmp_path / "large.lif"
    files.lif(path, [(files.las_xml({1: 20000, 2: 20000}, np.dtype(np.uint8), [(0, 0)]), b"")])
    data = path.read_bytes()
    (at,) = (data.index(b"\x2a", len(data) - 40),)
    block = data[at : at + 9]
    assert block[0] == 0x2A
    path.write_bytes(data[: at + 1] + (20000 * 20000).to_bytes(8, "little") + data[at + 9 :])
    with path.open("r+b") as stream:
        stream.truncate(len(data) + 20000 * 20000)
    tracemalloc.start()
    (image,) = open_images(path)
    image.read(9000, 9000, 10000, 10000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6
    assert sys.getsizeof(image) < 1000
