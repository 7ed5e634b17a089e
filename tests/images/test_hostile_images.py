"""Images that claim more than they hold are refused at once and in words; unusual but valid ones are read."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from helpers import TESTS
from helpers.fakes import BlobEngine, model_folder, slide
from helpers.microscopes import SHARP, directory, pictures, rgb
from napari_diatom.cli import app as cli
from napari_diatom.core.errors import InputError
from napari_diatom.images import decoded_size
from napari_diatom.images.slide_image import open_images

BASE = {256: 64, 257: 64, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 64, 279: 4096}
MOST_SECONDS = 1.0
MOST_MB = 200


def tiff(
    path: Path, changes: dict[int, int | tuple[int, int, int]], before: bytes = bytes(4096), after: bytes = b""
) -> None:
    """Write a TIFF of 64 x 64 px whose tags are changed: to a value, or to a type, a count and a value."""
    tags = []
    for code, value in sorted((BASE | changes).items()):
        tags.append((code, *value) if isinstance(value, tuple) else (code, 4, 1, value))
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(before)) + before + directory(tags) + after)


def png(path: Path, width: int, height: int, chunks: list[tuple[bytes, bytes]], depth: int = 8) -> None:
    """Write a grey PNG of chunks, with their sums."""
    head = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
            for kind, body in [(b"IHDR", head), *chunks, (b"IEND", b"")]
        )
    )


def claims_much(path: Path) -> None:
    tags = {256: 2**31 - 1, 257: 2**31 - 1, 322: 256, 323: 256, 324: 8, 325: 64}
    tiff(path, tags, b"")


def table_too_short(path: Path) -> None:
    tiff(path, {257: 4096, 259: 8, 278: 64})


def table_beyond_the_file(path: Path) -> None:
    tiff(path, {273: (4, 2**31 - 1, 8), 279: (4, 2**31 - 1, 8)})


def rows_beyond_the_file(path: Path) -> None:
    tiff(path, {256: 60000, 257: 60000, 278: 60000})


def strip_of_gigabytes(path: Path) -> None:
    data = zlib.compress(bytes(2_000_000), 1)
    size = {256: 40000, 257: 20000, 277: 3, 262: 2, 278: 20000, 258: 8}
    tiff(path, {**size, 259: 8, 279: len(data)}, data + bytes(1_000_000))


def tiles_left_out(path: Path) -> None:
    number = 250_000
    tables = {324: (4, number, 8), 325: (4, number, 8)}
    tiff(path, {256: 128_000, 257: 128_000, 259: 8, 322: 256, 323: 256, **tables}, bytes(4 * number))


def stream_larger_than_its_tile(path: Path) -> None:
    tifffile.imwrite(path, rgb(), tile=(64, 64), compression="jpeg", photometric="rgb", metadata=None)
    data = path.read_bytes()
    at = data.index(b"\xff\xc0")
    # Every tile has a frame of its own.
    path.write_bytes(data.replace(data[at + 5 : at + 9], struct.pack(">HH", 65500, 65500)))


def wavelet_larger_than_its_tile(path: Path) -> None:
    tifffile.imwrite(path, rgb(), tile=(64, 64), compression="jpeg2000", photometric="rgb", metadata=None)
    data = bytearray(path.read_bytes())
    at = data.index(b"\xff\x4f\xff\x51")
    struct.pack_into(">II", data, at + 8, 2**31 - 1, 2**31 - 1)
    path.write_bytes(data)


def pages_in_a_loop(path: Path) -> None:
    size = len(directory([(1, 1, 1, 1)] * len(BASE)))
    tags = [(code, 4, 1, value) for code, value in BASE.items()]
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + directory(tags, 8 + size) + directory(tags, 8) + bytes(9000))


def pages_by_the_thousand(path: Path) -> None:
    tags = [(code, 4, 1, value) for code, value in BASE.items()]
    size = len(directory(tags))
    pages = b"".join(directory(tags, 4104 + (k + 1) * size) for k in range(30_000))
    path.write_bytes(b"II*\0" + struct.pack("<I", 4104) + bytes(4096) + pages)


def pages_that_share_a_description(path: Path) -> None:
    tags = [(code, 4, 1, value) for code, value in BASE.items()]
    size, number = len(directory([*tags, (270, 2, 1, 1)])), 3000
    said = (270, 2, 20_000_000, 8 + number * size)
    pages = b"".join(directory([*tags, said], 8 + (k + 1) * size) for k in range(number))
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + pages + b"x" * 20_000_000)


def depth_without_end(path: Path) -> None:
    tiff(path, {32997: 2**32 - 1})


def planes_without_end(path: Path) -> None:
    said = b"ImageJ=1.53k\nimages=900000\nslices=900000\n\0"
    tiff(path, {256: 1, 257: 1, 278: 1, 279: 1, 270: (2, len(said), 8)}, said, bytes(1_000_000))


def tables_for_numbers(path: Path) -> None:
    tiff(path, {262: (3, 400, 8), 259: (3, 400, 900)})


def width_of_many_numbers(path: Path) -> None:
    tiff(path, {256: (3, 400, 8), 257: 2**31 - 1})


def tags_by_the_thousand(path: Path) -> None:
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + b"\xff\xff" + bytes(900_000))


def description_of_gigabytes(path: Path) -> None:
    tiff(path, {270: (2, 2**31, 8), 257: 4096, 278: 4096})


def png_much(path: Path) -> None:
    squeezed = zlib.compressobj(9)
    row = b"\0" * (1 + 60_000 // 8)
    data = b"".join(squeezed.compress(row * 1000) for _ in range(60)) + squeezed.flush()
    png(path, 60_000, 60_000, [(b"IDAT", data)], depth=1)


def png_in_chunks(path: Path) -> None:
    png(path, 64, 64, [(b"tEXt", b"")] * 250_000)


def jpeg_much(path: Path) -> None:
    data = bytearray(pictures()["a.jpg"])
    struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, 65500, 65500)
    path.write_bytes(data)


def jpeg_without_end(path: Path) -> None:
    data = bytearray(pictures()["progressive.jpg"])
    struct.pack_into(">HH", data, data.index(b"\xff\xc2") + 5, 9000, 9000)
    last = data.rindex(b"\xff\xda")
    path.write_bytes(data[:last] + data[last:-2] * 200 + data[-2:])


def bmp_much(path: Path) -> None:
    data = bytearray(pictures()["a.bmp"])
    struct.pack_into("<ii", data, 18, 60_000, 60_000)
    path.write_bytes(data)


def gif_much(path: Path) -> None:
    data = bytearray(pictures()["a.gif"])
    struct.pack_into("<HH", data, 6, 65535, 65535)
    path.write_bytes(data)


def jpeg2000_much(path: Path) -> None:
    data = bytearray(pictures()["a.jp2"])
    # Pillow believes the header of the box, the decoder that of the stream.
    at = data.index(b"ihdr")
    struct.pack_into(">II", data, at + 4, 60_000, 60_000)
    path.write_bytes(data)


def postscript(path: Path) -> None:
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n%%EndComments\nshowpage\n")


def named_pipe(path: Path) -> None:
    os.mkfifo(path)


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "claims_much.tif": (claims_much, "claims"),
    "table_too_short.tif": (table_too_short, "damaged"),
    "table_beyond_the_file.tif": (table_beyond_the_file, "damaged"),
    "rows_beyond_the_file.tif": (rows_beyond_the_file, "truncated"),
    "strip_of_gigabytes.tif": (strip_of_gigabytes, "--max-decode-mb"),
    "tiles_left_out.tif": (tiles_left_out, "more than a file of"),
    "stream_larger_than_its_tile.tif": (stream_larger_than_its_tile, "65,500"),
    "wavelet_larger_than_its_tile.tif": (wavelet_larger_than_its_tile, "2,147,483,647"),
    "pages_in_a_loop.tif": (pages_in_a_loop, "loop"),
    "pages_by_the_thousand.tif": (pages_by_the_thousand, "20,000 pages"),
    "pages_that_share_a_description.tif": (pages_that_share_a_description, "more values"),
    "depth_without_end.tif": (depth_without_end, "4,294,967,295 planes"),
    "planes_without_end.tif": (planes_without_end, "20,000 planes"),
    "tables_for_numbers.tif": (tables_for_numbers, "damaged"),
    "width_of_many_numbers.tif": (width_of_many_numbers, "tag 256"),
    "tags_by_the_thousand.tif": (tags_by_the_thousand, "65,535 tags"),
    "description_of_gigabytes.tif": (description_of_gigabytes, "truncated"),
    "png_much.png": (png_much, "tiled TIFF"),
    "png_in_chunks.png": (png_in_chunks, "chunks"),
    "jpeg_much.jpg": (jpeg_much, "tiled TIFF"),
    "jpeg_without_end.jpg": (jpeg_without_end, "decoded"),
    "bmp_much.bmp": (bmp_much, "tiled TIFF"),
    "gif_much.png": (gif_much, "tiled TIFF"),
    "jpeg2000_much.png": (jpeg2000_much, "jpeg2000_much.png"),
    "postscript.png": (postscript, "not an image"),
    "named_pipe.tif": (named_pipe, "pipe"),
}

MEASURE = """
import contextlib, io, json, resource, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from helpers.fakes import BlobEngine
from napari_diatom import cli, engines
engines.load = lambda *_, **options: BlobEngine()

def count(path):
    text = io.StringIO()
    with contextlib.redirect_stderr(text), contextlib.redirect_stdout(text):
        code = cli.main(["count", path, "-o", {out!r}, "--model", {model!r}, "--overwrite"])
    return code, text.getvalue()

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

for path in {idle!r}:
    count(path)
for path in {paths!r}:
    # Of the processor, so that a busy machine is not taken for a slow program; a pipe would never end at all.
    before, started = peak(), time.process_time()
    code, text = count(path)
    print(json.dumps([Path(path).name, code, text, time.process_time() - started, peak() - before]), flush=True)
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Return, by name, the exit code, what was said, the seconds and the megabytes more than for a small image."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, (write, _) in REFUSED.items():
        write(folder / name)
    # What is loaded for any image of a kind is not the image's doing.
    for name, data in pictures().items():
        (folder / f"valid {name}").write_bytes(data)
    tifffile.imwrite(folder / "valid.tif", slide(), compression="zlib")
    code = MEASURE.format(
        tests=str(TESTS),
        out=str(folder / "out"),
        model=str(model_folder(folder / "model")),
        idle=[str(folder / name) for name in ("valid.tif", "valid a.jpg", "valid deep.png", "valid a.jp2")],
        paths=[str(folder / name) for name in REFUSED],
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return {name: rest for name, *rest in map(json.loads, done.stdout.splitlines())}


@pytest.mark.skipif(sys.platform == "win32", reason="has neither pipes in folders nor a resource module")
@pytest.mark.parametrize("name", REFUSED)
def test_what_claims_more_than_it_holds_is_refused_in_words_at_once(measured, name):
    code, text, seconds, megabytes = measured[name]
    assert code == 2
    assert "Traceback" not in text
    [line] = [line for line in text.splitlines() if line.startswith("napari-diatom: ")]
    assert name in line
    assert REFUSED[name][1] in line
    assert seconds < MOST_SECONDS
    assert megabytes < MOST_MB


@pytest.mark.skipif(sys.platform == "win32", reason="has no pipes in folders")
def test_a_pipe_in_a_folder_is_skipped_by_name(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("napari_diatom.engines.load", lambda *_, **options: BlobEngine())
    (tmp_path / "slides").mkdir()
    Image.fromarray(SHARP).save(tmp_path / "slides" / "a.png")
    named_pipe(tmp_path / "slides" / "b.tif")
    model = model_folder(tmp_path / "model")
    assert cli.main(["count", str(tmp_path / "slides"), "-o", str(tmp_path / "out"), "--model", str(model)]) == 3
    printed = capsys.readouterr().out
    assert "b.tif" in printed
    assert "pipe" in printed
    assert len((tmp_path / "out" / "specimens.csv").read_text(encoding="utf-8").splitlines()) == 1 + 5


def unusual(folder: Path) -> dict[str, np.ndarray]:
    """Write unusual but valid images; return what they show."""
    grey, colour = np.repeat(SHARP[..., None], 3, axis=2), np.stack([SHARP, SHARP // 2, SHARP // 3], axis=2)
    made = {
        "one strip.tif": (colour, {"rowsperstrip": 300, "compression": "zlib"}),
        "one raw strip.tif": (colour, {"rowsperstrip": 300}),
        "large tile.tif": (colour, {"tile": (1024, 1024), "compression": "lzw"}),
        "large raw tile.tif": (colour, {"tile": (1024, 1024)}),
        "narrow tiles.tif": (colour, {"tile": (16, 512), "compression": "zlib"}),
        "rows.tif": (colour, {"rowsperstrip": 1, "compression": "zlib"}),
        "predictor.tif": (colour, {"compression": "zlib", "predictor": True}),
        "separate.tif": (np.moveaxis(colour, -1, 0), {"planarconfig": "separate", "compression": "lzw"}),
        "big.tif": (colour, {"bigtiff": True, "byteorder": ">"}),
    }
    for name, (pixels, options) in made.items():
        tifffile.imwrite(folder / name, pixels, photometric="rgb", metadata=None, **options)
    shown = dict.fromkeys(made, colour)
    noted = zlib.compress(bytes(40_000))
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in SHARP))
    png(folder / "noted.png", 400, 300, [(b"zTXt", b"a\0\0" + noted), (b"IDAT", body)])
    split = [(b"IDAT", body[at : at + 7]) for at in range(0, len(body), 7)]
    png(folder / "chunks.png", 400, 300, [*split, (b"tEXt", b"a\0b")])
    return shown | {"noted.png": grey, "chunks.png": grey}


def test_unusual_but_valid_images_are_read(tmp_path):
    for name, expected in unusual(tmp_path).items():
        [image] = open_images(tmp_path / name)
        np.testing.assert_array_equal(image.read(0, 0, 400, 300), expected, err_msg=name)


def test_pixels_that_are_left_out_are_dark(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", rgb(), tile=(64, 64), compression="zlib", photometric="rgb", metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        tag = file.pages[0].tags["TileByteCounts"]
        tag.overwrite((0, *tag.value[1:]))
    [image] = open_images(tmp_path / "a.tif")
    assert not image.read(0, 0, 64, 64).any()
    np.testing.assert_array_equal(image.read(64, 0, 400, 300), rgb()[:, 64:])


@pytest.mark.parametrize("compression", ["jpeg", "jpeg2000", "webp", "png", "lerc", "jpegxl"])
def test_what_tiles_say_of_their_size_is_understood(tmp_path, compression):
    tifffile.imwrite(tmp_path / "a.tif", rgb()[:128, :192], tile=(64, 96), compression=compression, photometric="rgb")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        page = file.pages[0]
        file.filehandle.seek(page.dataoffsets[0])
        stream = decoded_size.of_tiff(int(page.compression), file.filehandle.read(page.databytecounts[0]))
    assert stream is not None
    assert (stream.height, stream.width) == (64, 96)
    [image] = open_images(tmp_path / "a.tif")
    assert image.read(0, 0, 192, 128).shape == (128, 192, 3)


def test_the_limit_on_decoding_is_the_users(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((2000, 2000), np.uint8), compression="zlib", rowsperstrip=2000)
    Image.fromarray(np.zeros((2000, 2000), np.uint8)).save(tmp_path / "a.bmp")
    for name in ("a.tif", "a.bmp"):
        with pytest.raises(InputError, match="max-decode-mb"):
            open_images(tmp_path / name, max_decode_mb=3)
        open_images(tmp_path / name, max_decode_mb=4)
        with pytest.raises(InputError, match="at least 1"):
            open_images(tmp_path / name, max_decode_mb=0)


def test_a_decoder_that_crashes_on_damaged_data_is_not_called(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", rgb(), tile=(64, 64), compression="jpegxr", photometric="rgb")
    with pytest.raises(InputError, match="JPEGXR"):
        open_images(tmp_path / "a.tif")


def test_pages_beyond_the_end_of_a_file_are_said_to_be_missing(tmp_path):
    tags = [(code, 4, 1, value) for code, value in BASE.items()]
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<I", 4104) + bytes(4096) + directory(tags, 9_000_000))
    [image] = open_images(tmp_path / "a.tif")
    assert "beyond its end" in image.notices[-1]
