"""Image files and arrays: every pixel where it belongs, sizes where the file has them, bad files named."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from helpers import TESTS
from napari_diatom.core.errors import InputError
from napari_diatom.images.image_files import find_images
from napari_diatom.images.slide_image import from_array, open_images

H, W = 211, 300


def values(dtype: type, channels: int = 0, seed: int = 1) -> np.ndarray:
    shape = (H, W, channels) if channels else (H, W)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(dtype)


def rgb_of(array: np.ndarray) -> np.ndarray:
    return np.repeat(array[..., None], 3, axis=2) if array.ndim == 2 else array[..., :3]


@pytest.mark.parametrize("layout", ["tiles", "strips", "one strip"])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
@pytest.mark.parametrize("channels", [0, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_windows_of_tiff(tmp_path, layout, compression, channels, dtype):
    array = values(dtype, channels)
    for planar, big, order in itertools.product(["contig", "separate"], [False, True], "<>"):
        if planar == "separate" and not channels:
            continue
        path = tmp_path / "a.tif"
        tifffile.imwrite(
            path,
            np.moveaxis(array, -1, 0) if planar == "separate" else array,
            tile=(64, 80) if layout == "tiles" else None,
            rowsperstrip=32 if layout == "strips" else None,
            compression=compression,
            bigtiff=big,
            byteorder=order,
            metadata=None,
            photometric="rgb" if channels else "minisblack",
            **({"planarconfig": planar} if channels else {}),
            **({"extrasamples": ["unassalpha"]} if channels == 4 else {}),
        )
        (image,) = open_images(path)
        assert (image.height, image.width) == (H, W)
        for x0, y0, x1, y1 in [(0, 0, W, H), (70, 50, 171, 140), (0, 0, 1, 1), (290, 200, 300, 211)]:
            raw = image.levels[0].window(x0, y0, x1, y1)
            expected = array[y0:y1, x0:x1]
            np.testing.assert_array_equal(raw, expected[..., None] if channels == 0 else expected[..., :3])
        if dtype == np.uint8:
            np.testing.assert_array_equal(image.read(70, 50, 171, 140), rgb_of(array[50:140, 70:171]))


def test_deep_images_keep_their_contrast(tmp_path):
    # 12-bit data in 16 bits: cutting down to 8 bits would leave 16 grey levels.
    deep = np.linspace(1000, 5000, H * W).reshape(H, W)
    for dtype in (np.uint16, np.int32, np.float32, np.float64):
        tifffile.imwrite(tmp_path / "deep.tif", deep.astype(dtype))
        (image,) = open_images(tmp_path / "deep.tif")
        read = image.read(0, 0, W, H)
        assert read.min() == 0
        assert read.max() == 255
        assert len(np.unique(read)) == 256
        # The mapping belongs to the image, not to the window.
        np.testing.assert_array_equal(image.read(10, 20, 50, 60), read[20:60, 10:50])


def test_images_of_one_value_and_of_huge_ones():
    for dtype in (np.uint16, np.int32, np.float32, np.float64):
        for value in (0, 1000):
            image = from_array(np.full((H, W), value, dtype), "even")
            assert not image.read(0, 0, W, H).any()
    read = from_array(np.linspace(0, 1e300, H * W).reshape(H, W), "huge").read(0, 0, W, H)
    assert len(np.unique(read)) == 256


def test_large_deep_image_is_sampled(tmp_path):
    deep = np.tile(np.arange(3000, dtype=np.uint16), (2500, 1))
    tifffile.imwrite(tmp_path / "deep.tif", deep, tile=(256, 256), compression="zlib")
    (image,) = open_images(tmp_path / "deep.tif")
    row = image.read(0, 1000, 3000, 1001)[0, :, 0].astype(int)
    assert row[0] == 0
    assert row[-1] == 255
    assert np.abs(row - np.linspace(0, 255, 3000)).max() < 2


def test_palette_white_is_zero_and_bilevel(tmp_path):
    index = values(np.uint8)
    table = np.random.default_rng(0).integers(0, 65536, (3, 256)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "p.tif", index, photometric="palette", colormap=table)
    (image,) = open_images(tmp_path / "p.tif")
    np.testing.assert_array_equal(image.read(0, 0, W, H), (table.T >> 8).astype(np.uint8)[index])

    tifffile.imwrite(tmp_path / "w.tif", index, photometric="miniswhite")
    (image,) = open_images(tmp_path / "w.tif")
    np.testing.assert_array_equal(image.read(0, 0, W, H), rgb_of(255 - index))

    Image.fromarray(index > 127).save(tmp_path / "b.tif")
    (image,) = open_images(tmp_path / "b.tif")
    np.testing.assert_array_equal(image.read(0, 0, W, H), rgb_of(np.where(index > 127, 255, 0).astype(np.uint8)))


def test_jpeg_in_tiff(tmp_path):
    array = np.full((H, W, 3), (200, 120, 40), np.uint8)
    tifffile.imwrite(tmp_path / "j.tif", array, photometric="rgb", compression="jpeg", tile=(64, 64))
    with tifffile.TiffFile(tmp_path / "j.tif") as file:
        assert file.pages[0].photometric == 6
    (image,) = open_images(tmp_path / "j.tif")
    # The tiles at the right and lower edge are filled up with black, which rings.
    assert np.abs(image.read(0, 0, 256, 192).astype(int) - (200, 120, 40)).max() <= 4


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [("png", mode) for mode in ("L", "RGB", "RGBA", "P", "LA", "1")]
    + [("bmp", mode) for mode in ("L", "RGB", "RGBA", "P", "1")]
    + [("jpg", mode) for mode in ("L", "RGB", "CMYK")],
)
def test_pictures(tmp_path, suffix, mode):
    picture = Image.fromarray(values(np.uint8, 3)).convert(mode)
    picture.save(tmp_path / f"a.{suffix}")
    (image,) = open_images(tmp_path / f"a.{suffix}")
    with Image.open(tmp_path / f"a.{suffix}") as reopened:
        expected = np.asarray(reopened.convert("L" if mode == "LA" else mode).convert("RGB"))
    np.testing.assert_array_equal(image.read(0, 0, W, H), expected)
    image.release()
    np.testing.assert_array_equal(image.read(5, 6, 50, 60), expected[6:60, 5:50])


def test_deep_png(tmp_path):
    import cv2

    grey = np.linspace(1000, 1255, H * W).reshape(H, W).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "g.png"), grey)
    cv2.imwrite(str(tmp_path / "c.png"), np.stack([grey, grey // 2, grey // 4], axis=2))
    (image,) = open_images(tmp_path / "g.png")
    assert len(np.unique(image.read(0, 0, W, H))) > 250
    (image,) = open_images(tmp_path / "c.png")
    red, green, blue = (int(v) for v in image.read(0, 0, W, H).reshape(-1, 3).mean(axis=0))
    assert blue > green > red


def test_exif_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    array = np.zeros((40, 80, 3), np.uint8)
    array[:20] = 255
    Image.fromarray(array).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    (image,) = open_images(tmp_path / "turned.jpg")
    assert (image.height, image.width) == (80, 40)
    read = image.read(0, 0, 40, 80)
    assert read[:, 22:].min() > 200
    assert read[:, :18].max() < 50


@pytest.mark.parametrize("scale", [0.5, 0.25, 0.125, 0.3, 1.7])
def test_scaled_windows(scale):
    y, x = np.mgrid[:1200, :1600]
    smooth = ((x + y) / 12).astype(np.uint8)
    image = from_array(smooth, "a")
    out = image.read(100, 200, 1500, 1100, scale)
    assert out.shape == (round(900 * scale), round(1400 * scale), 3)
    rows, columns = np.meshgrid(
        200 + (np.arange(out.shape[0]) + 0.5) / scale, 100 + (np.arange(out.shape[1]) + 0.5) / scale, indexing="ij"
    )
    assert np.abs(out[..., 0] - (rows + columns - 1) / 12).max() < 1.6


def test_bands_leave_no_trace(monkeypatch):
    array = values(np.uint8)
    whole = from_array(array, "a").read(0, 0, W, H, 0.1)
    monkeypatch.setattr("napari_diatom.images.slide_image.BAND_PIXELS", 3000)
    banded = from_array(array, "a").read(0, 0, W, H, 0.1)
    assert np.abs(whole.astype(int) - banded).max() < 25
    even = from_array(array[:200], "a")
    monkeypatch.undo()
    once = even.read(0, 0, W, 200, 0.1)
    monkeypatch.setattr("napari_diatom.images.slide_image.BAND_PIXELS", 3000)
    np.testing.assert_array_equal(even.read(0, 0, W, 200, 0.1), once)


def test_pages_and_pyramid(tmp_path):
    pages = [values(np.uint8, seed=i) for i in range(3)]
    with tifffile.TiffWriter(tmp_path / "stack.tif") as writer:
        for page in pages:
            writer.write(page, metadata=None)
    images = open_images(tmp_path / "stack.tif")
    assert [image.name for image in images] == ["stack.tif#1", "stack.tif#2", "stack.tif#3"]
    for image, page in zip(images, pages, strict=True):
        np.testing.assert_array_equal(image.read(0, 0, W, H), rgb_of(page))
    assert len({image.sha256() for image in images}) == 1

    full = np.zeros((512, 640, 3), np.uint8)
    with tifffile.TiffWriter(tmp_path / "p.ome.tif") as writer:
        writer.write(full, subifds=2, tile=(128, 128), photometric="rgb", metadata={"axes": "YXS"})
        writer.write(full[::2, ::2] + np.uint8(50), subfiletype=1, tile=(128, 128), photometric="rgb")
        writer.write(full[::4, ::4] + np.uint8(90), subfiletype=1, tile=(128, 128), photometric="rgb")
    (image,) = open_images(tmp_path / "p.ome.tif")
    assert [int(image.read(0, 0, 640, 512, s).max()) for s in (1, 0.7, 0.5, 0.3, 0.25, 0.125)] == [0, 0, 50, 50, 90, 90]
    assert image.read(100, 100, 300, 300, 0.25).shape == (50, 50, 3)


OME = {"axes": "YX", "PhysicalSizeX": 0.2, "PhysicalSizeY": 0.2}


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (OME, 0.2),
        (OME | {"PhysicalSizeXUnit": "nm", "PhysicalSizeYUnit": "nm", "PhysicalSizeX": 65, "PhysicalSizeY": 65}, 0.065),
        (
            OME | {"PhysicalSizeXUnit": "mm", "PhysicalSizeYUnit": "mm", "PhysicalSizeX": 1e-4, "PhysicalSizeY": 1e-4},
            0.1,
        ),
        (OME | {"PhysicalSizeY": 0.4}, None),
        (OME | {"PhysicalSizeXUnit": "pixel"}, None),
    ],
)
def test_ome_pixel_size(tmp_path, metadata, expected):
    tifffile.imwrite(tmp_path / "a.ome.tif", values(np.uint16), metadata=metadata, tile=(64, 64))
    (image,) = open_images(tmp_path / "a.ome.tif")
    assert image.pixel_size_um == (None if expected is None else pytest.approx(expected))
    assert image.pixel_size_source == ("unknown" if expected is None else "ome")
    (given,) = open_images(tmp_path / "a.ome.tif", 0.5)
    assert (given.pixel_size_um, given.pixel_size_source) == (0.5, "user")


@pytest.mark.parametrize(
    ("resolution", "unit", "expected"),
    [
        ((50000, 50000), "CENTIMETER", 0.2),
        ((254000, 254000), "INCH", 0.1),
        ((72, 72), "INCH", None),
        ((300, 300), "INCH", None),
        ((118.11, 118.11), "CENTIMETER", None),
        ((1e9, 1e9), "CENTIMETER", None),
        ((50000, 50000), "NONE", None),
        ((50000, 25000), "CENTIMETER", None),
    ],
)
def test_tiff_resolution(tmp_path, resolution, unit, expected):
    tifffile.imwrite(tmp_path / "a.tif", values(np.uint8), resolution=resolution, resolutionunit=unit, metadata=None)
    (image,) = open_images(tmp_path / "a.tif")
    assert image.pixel_size_um == (None if expected is None else pytest.approx(expected, rel=1e-6))
    assert image.pixel_size_source == ("unknown" if expected is None else "tiff")


def test_imagej_unit(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", values(np.uint8), imagej=True, resolution=(5, 5), metadata={"unit": "um"})
    (image,) = open_images(tmp_path / "a.tif")
    assert image.pixel_size_um == pytest.approx(0.2)


def truncated(path: Path, share: float = 0.5) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def bad_files(folder: Path) -> dict[str, Path]:
    tifffile.imwrite(folder / "cut.tif", values(np.uint8), tile=(64, 64), compression="zlib")
    tifffile.imwrite(folder / "cut_raw.tif", values(np.uint8))
    Image.fromarray(values(np.uint8, 3)).save(folder / "cut.jpg")
    Image.fromarray(values(np.uint8, 3)).save(folder / "cut.png")
    for name in ("cut.tif", "cut_raw.tif", "cut.jpg", "cut.png"):
        truncated(folder / name)
    tifffile.imwrite(folder / "garbled.tif", values(np.uint8), tile=(64, 64), compression="zlib", metadata=None)
    data = bytearray((folder / "garbled.tif").read_bytes())
    data[3000:9000] = b"\xff" * 6000
    (folder / "garbled.tif").write_bytes(data)
    (folder / "text.tif").write_text("this is no image")
    (folder / "empty.png").write_bytes(b"")
    (folder / "head.tif").write_bytes(b"II*\0\x08\0\0\0")
    tifffile.imwrite(folder / "nan.tif", np.full((H, W), np.nan, np.float32))
    one = np.zeros((H, W), np.float32)
    one[100, 200] = np.inf
    tifffile.imwrite(folder / "inf.tif", one)
    tifffile.imwrite(folder / "complex.tif", np.zeros((H, W), np.complex64))
    return {path.name: path for path in sorted(folder.iterdir())}


def read_all(path: Path) -> None:
    for image in open_images(path):
        image.read(0, 0, image.width, image.height)


def test_bad_files_are_named_on_one_line(tmp_path, caplog):
    for name, path in bad_files(tmp_path).items():
        with pytest.raises(InputError) as caught:
            read_all(path)
        assert name in str(caught.value), str(caught.value)
        assert "\n" not in str(caught.value)
    caplog.clear()


def test_pictures_too_large_to_decode(tmp_path):
    Image.fromarray(np.zeros((1024, 1025), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="tiled TIFF"):
        open_images(tmp_path / "a.png", max_decode_mb=1)
    open_images(tmp_path / "a.png", max_decode_mb=2)


def test_zero_size(tmp_path):
    with pytest.raises(InputError, match="no pixels"):
        from_array(np.zeros((0, 5)), "nothing")
    tifffile.imwrite(tmp_path / "a.tif", values(np.uint8), metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        file.pages[0].tags["ImageWidth"].overwrite(0)
    with pytest.raises(InputError, match=r"a\.tif"):
        open_images(tmp_path / "a.tif")


@pytest.mark.parametrize("size", [0, -1, 1e-5, 1000, float("nan"), float("inf")])
def test_absurd_pixel_size(tmp_path, size):
    Image.fromarray(values(np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="pixel size"):
        open_images(tmp_path / "a.png", size)
    with pytest.raises(InputError, match="pixel size"):
        from_array(values(np.uint8), "layer", size)


def test_arrays():
    import dask.array

    array = values(np.uint16, 3)
    lazy = from_array(dask.array.from_array(array, chunks=(64, 64, 3)), "lazy", 0.1)
    np.testing.assert_array_equal(lazy.read(3, 4, 80, 90), from_array(array, "array").read(3, 4, 80, 90))
    assert (lazy.pixel_size_um, lazy.pixel_size_source, lazy.sha256()) == (0.1, "layer", None)
    assert from_array(values(np.uint8) > 9, "bool").read(0, 0, W, H).max() == 255
    with pytest.raises(InputError, match="one plane"):
        from_array(np.zeros((5, 20, 20)), "stack")
    with pytest.raises(InputError, match="outside"):
        lazy.read(W, 0, W + 10, 10)


def test_threads_read_the_same(tmp_path):
    array = values(np.uint8, 3)
    tifffile.imwrite(tmp_path / "a.tif", array, tile=(64, 64), compression="zlib", photometric="rgb")
    (image,) = open_images(tmp_path / "a.tif")
    wrong: list[int] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(30):
            x, y = int(rng.integers(0, W - 60)), int(rng.integers(0, H - 60))
            if not np.array_equal(image.read(x, y, x + 60, y + 60), array[y : y + 60, x : x + 60]):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_find_images(tmp_path, monkeypatch):
    for name in ("b/f10.jpg", "b/f2.JPG", "b/notes.txt", "b/.hidden.png", "a.tif", "c/.d/e.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    results = tmp_path / "b" / "out"
    for name in (".napari-diatom/x.json", "overlays/f2.jpg"):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).touch()
    monkeypatch.chdir(tmp_path)
    assert [path.name for path in find_images(["b"])] == ["f2.JPG", "f10.jpg"]
    assert [path.name for path in find_images(["."])] == ["a.tif", "f2.JPG", "f10.jpg"]
    assert [path.name for path in find_images(["b/f*", "a.tif", "b"])] == ["f2.JPG", "f10.jpg", "a.tif"]
    assert find_images(["b/notes.txt"]) == [Path("b/notes.txt")]
    for bad, words in (("c", "no images"), ("nowhere", "does not exist"), ("*.xyz", "does not exist")):
        with pytest.raises(InputError, match=words):
            find_images([bad])


MEASURE = """
import resource, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from helpers.fakes import BlobEngine, card
from napari_diatom.analysis import analyse
from napari_diatom.images.slide_image import open_images
(image,) = open_images(Path({path!r}))
analyse(image, BlobEngine(card(tile_size=640)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no resource module")
def test_memory_does_not_grow_with_the_image(tmp_path):
    peaks = {}
    for side in (4000, 8000):
        path = tmp_path / f"{side}.tif"
        tile = np.zeros((500, 500, 3), np.uint8)
        tile[200:240, 200:300] = 200
        tifffile.imwrite(
            path,
            itertools.repeat(np.pad(tile, ((0, 12), (0, 12), (0, 0))), (-(-side // 512)) ** 2),
            shape=(side, side, 3),
            dtype=np.uint8,
            tile=(512, 512),
            compression="zlib",
            photometric="rgb",
        )
        code = MEASURE.format(tests=str(TESTS), path=str(path))
        peaks[side] = int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert peaks[8000] < 1.15 * peaks[4000], peaks
