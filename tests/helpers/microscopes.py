"""Small image files as microscopes, slide scanners and programs write them.

None is a real file: each has the pages, tags and descriptions by which its kind is told, in tifffile's words.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from helpers.fakes import slide

Planes = NDArray[np.uint8]

SHARP = slide()
SHARPEST = 2
"""The plane of :func:`focus_series` that is sharp, counted from 1."""
OME_HEAD = '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'


def focus_series() -> Planes:
    """Return three planes, shape (3, Y, X); the second one is in focus."""
    return np.stack([cv2.GaussianBlur(SHARP, (0, 0), 3), SHARP, cv2.GaussianBlur(SHARP, (0, 0), 2)])


def rgb() -> Planes:
    return np.repeat(SHARP[..., None], 3, axis=2)


def ome_xml(z: int, c: int, t: int, data: str, order: str = "XYZCT", channels: str = "", root: str = "") -> str:
    """Return OME-XML of one image of 400 x 300 px."""
    channels = channels or "".join(f'<Channel ID="Channel:0:{k}" SamplesPerPixel="1"/>' for k in range(c))
    return (
        f'{OME_HEAD} {root}><Image ID="Image:0"><Pixels DimensionOrder="{order}" SizeX="400" SizeY="300" SizeZ="{z}" '
        f'SizeC="{c}" SizeT="{t}" Type="uint8" PhysicalSizeX="0.2" PhysicalSizeY="0.2">{channels}{data}</Pixels>'
        "</Image></OME>"
    )


def ome(path: Path, pages: Sequence[Planes], xml: str) -> None:
    """Write pages with OME-XML of one's own."""
    with tifffile.TiffWriter(path) as writer:
        for number, page in enumerate(pages):
            writer.write(page, photometric="minisblack", metadata=None, description=None if number else xml)


def ome_pyramid(path: Path) -> None:
    planes = focus_series()
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(planes, subifds=1, metadata={"axes": "ZYX"}, photometric="minisblack", tile=(64, 64))
        writer.write(planes[:, ::2, ::2], subfiletype=1, photometric="minisblack", tile=(64, 64))


def svs(path: Path, focus: bool = False) -> None:
    """Aperio: the slide, a thumbnail, further focus planes and levels, label and macro photographs."""
    said = "Aperio Image Library v11.2.1 \n400x300 (64x64) JPEG/RGB Q=30|AppMag = 40|MPP = 0.2526"
    shared = {"photometric": "rgb", "metadata": None, "software": False}
    planes = [np.repeat(plane[..., None], 3, axis=2) for plane in (focus_series() if focus else [SHARP])]
    with tifffile.TiffWriter(path) as writer:
        writer.write(planes[0], tile=(64, 64), description=said, **shared)
        writer.write(rgb()[::4, ::4], description=said, rowsperstrip=16, **shared)
        for plane in planes[1:]:
            writer.write(plane, tile=(64, 64), description=said, **shared)
        for plane in planes:
            writer.write(plane[::2, ::2], tile=(64, 64), description=said, **shared)
        writer.write(rgb()[:90, :100], description="Aperio\nlabel 100x90", subfiletype=1, rowsperstrip=16, **shared)
        writer.write(rgb()[:80, :120], description="Aperio\nmacro 120x80", subfiletype=9, rowsperstrip=16, **shared)


def ndpi(path: Path) -> None:
    """Hamamatsu: three levels, a macro photograph and a map of the slide."""
    levels = ((rgb(), 20.0), (rgb()[::2, ::2], 10.0), (rgb()[::4, ::4], 5.0), (rgb()[:60, :170], -1.0))
    with tifffile.TiffWriter(path) as writer:
        for pixels, magnification in (*levels, (rgb()[:30, :40], -2.0)):
            tags = [(65420, "I", 1, 1, True), (271, "s", 0, "Hamamatsu", True), (65421, "f", 1, magnification, True)]
            writer.write(
                pixels,
                photometric="rgb",
                metadata=None,
                resolution=(40000, 40000),
                resolutionunit="CENTIMETER",
                extratags=tags,
            )


def qptiff(path: Path) -> None:
    """PerkinElmer: a page for each of three channels, a thumbnail, a smaller level, macro and label."""
    shared = {
        "photometric": "minisblack",
        "metadata": None,
        "software": "PerkinElmer-QPI",
        "description": '<?xml version="1.0"?><PerkinElmer-QPI-ImageDescription/>',
        "resolution": (20000, 20000),
        "resolutionunit": "CENTIMETER",
    }
    coloured = shared | {"photometric": "rgb"}
    with tifffile.TiffWriter(path) as writer:
        for _ in range(3):
            writer.write(SHARP, tile=(64, 64), **shared)
        writer.write(rgb()[::4, ::4], **coloured)
        for _ in range(3):
            writer.write(SHARP[::2, ::2], tile=(64, 64), **shared)
        writer.write(rgb()[:90, :100], **coloured)
        writer.write(rgb()[:80, :100], **coloured)


def scn(path: Path) -> None:
    """Leica: a picture of the whole slide, and two levels of the scanned region."""

    def dimensions(first: int, number: int) -> str:
        return "".join(
            f'<dimension sizeX="{400 >> k}" sizeY="{300 >> k}" r="{k}" ifd="{first + k}"/>' for k in range(number)
        )

    xml = (
        '<?xml version="1.0"?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01"><collection name="c">'
        f'<image name="all"><pixels sizeX="100" sizeY="75">{dimensions(0, 1)}</pixels>'
        '<view sizeX="26000000" sizeY="19500000" offsetX="0" offsetY="0"/></image>'
        f'<image name="region"><pixels sizeX="400" sizeY="300">{dimensions(1, 2)}</pixels>'
        '<view sizeX="200000" sizeY="150000" offsetX="1" offsetY="1"/></image></collection></scn>'
    )
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for number, pixels in enumerate((rgb()[::4, ::4], rgb(), rgb()[::2, ::2])):
            writer.write(pixels, photometric="rgb", metadata=None, tile=(64, 64), description=None if number else xml)


def bif(path: Path) -> None:
    """Ventana: a label and two levels."""
    xmp = b'<?xml version="1.0"?><Metadata><iScan ScanRes="0.25" Magnification="40"/></Metadata>'
    shared = {"photometric": "rgb", "metadata": None, "software": "ScanOutputManager 1.1"}
    tags = [(700, "B", len(xmp), xmp, True)]
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        writer.write(rgb()[:90, :100], description="Label Image", extratags=tags, **shared)
        writer.write(rgb(), description="level=0 mag=40 quality=95", tile=(64, 64), extratags=tags, **shared)
        writer.write(rgb()[::2, ::2], description="level=1 mag=20 quality=95", tile=(64, 64), **shared)


def flex(path: Path) -> None:
    """Opera: pages, whose pixel size stands in XML."""
    xml = '<?xml version="1.0"?><Root><Image><ImageResolutionX Unit="m">6.4E-07</ImageResolutionX></Image></Root>'
    with tifffile.TiffWriter(path) as writer:
        writer.write(SHARP, photometric="minisblack", metadata=None, extratags=[(65200, "s", 0, xml, True)])


def stk(path: Path) -> None:
    """MetaMorph: one page, and the other planes of a focus series behind it."""
    planes = focus_series()
    body, at = bytearray(planes.tobytes()), 8

    def put(data: bytes) -> int:
        body.extend(data)
        return at + len(body) - len(data)

    steps = np.array([[5, 1, 0, 0, 0, 0], [10, 1, 0, 0, 0, 0], [15, 1, 0, 0, 0, 0]], "<u4")
    side, unit = put(struct.pack("<II", 1, 5)), put(struct.pack("<I", 3) + b"um\0")
    first = put(struct.pack("<8I", 3, 1, 4, side, 5, side, 6, unit))
    second, third, fourth = put(steps.tobytes()), put(struct.pack("<II", 1, 1) * 3), put(b"\0" * 4)
    tags = [(256, 4, 1, 400), (257, 4, 1, 300), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, at)]
    tags += [(277, 3, 1, 1), (278, 4, 1, 300), (279, 4, 1, 120000), (33628, 4, 4, first), (33629, 5, 3, second)]
    tags += [(33630, 5, 3, third), (33631, 4, 3, fourth)]
    path.write_bytes(b"II*\0" + struct.pack("<I", at + len(body)) + body + directory(tags))


def lsm(path: Path) -> None:
    """Zeiss: a page of three channels for each focus plane, each followed by a thumbnail."""
    kind = np.dtype(tifffile.TIFF.CZ_LSMINFO).newbyteorder("<")
    facts = np.zeros((), kind)
    for name, value in {
        "MagicNumber": 67127628,
        "StructureSize": kind.itemsize,
        "DimensionX": 400,
        "DimensionY": 300,
        "DimensionZ": 3,
        "DimensionChannels": 3,
        "DimensionTime": 1,
        "VoxelSizeX": 2e-7,
        "VoxelSizeY": 2e-7,
    }.items():
        facts[name] = value
    data = facts.tobytes()
    with tifffile.TiffWriter(path, byteorder="<") as writer:
        for number, plane in enumerate(focus_series()):
            writer.write(
                np.stack([plane] * 3),
                photometric="minisblack",
                planarconfig="separate",
                metadata=None,
                contiguous=False,
                extratags=None if number else [(34412, "B", len(data), data, True)],
            )
            writer.write(np.zeros((96, 128), np.uint8), photometric="minisblack", subfiletype=1, metadata=None)


def directory(tags: Sequence[tuple[int, int, int, int]], following: int = 0) -> bytes:
    """Return a directory of classic TIFF in little-endian order, of tags as (code, type, count, value)."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return struct.pack("<H", len(tags)) + entries + struct.pack("<I", following)


def pictures() -> dict[str, bytes]:
    """Return JPEG, PNG, BMP and like files by name."""
    coloured, grey = Image.fromarray(rgb()[:150, :200]), Image.fromarray(SHARP[:150, :200])
    exif = Image.Exif()
    exif[0x0112] = 6
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "grey " * 100, zip=True)
    deep = cv2.imencode(".png", np.asarray(coloured, np.uint16) * 257)[1].tobytes()
    made: dict[str, bytes] = {"deep.png": deep}
    for name, picture, options in (
        ("grey.png", grey, {"pnginfo": text, "exif": exif, "icc_profile": b"\0" * 500}),
        ("colour.png", coloured, {}),
        ("palette.png", coloured.convert("P"), {}),
        ("bits.png", grey.convert("1"), {}),
        ("a.jpg", coloured, {"exif": exif, "quality": 80}),
        ("progressive.jpg", coloured, {"progressive": True}),
        ("cmyk.jpg", coloured.convert("CMYK"), {}),
        ("a.bmp", coloured, {}),
        ("palette.bmp", coloured.convert("P"), {}),
        ("a.gif", grey, {}),
        ("a.webp", coloured, {}),
        ("a.jp2", coloured, {}),
    ):
        stream = io.BytesIO()
        kind = {"jpg": "JPEG", "jp2": "JPEG2000"}.get(name.rpartition(".")[2], name.rpartition(".")[2].upper())
        picture.save(stream, format=kind, **options)
        made[name] = stream.getvalue()
    return made


def _written(**options: object) -> Callable[[Path], None]:
    """Return a writer of a focus series by tifffile."""
    return lambda path: tifffile.imwrite(path, focus_series(), **{"photometric": "minisblack", **options})


FOCUS: dict[str, Callable[[Path], None]] = {
    "ome pages.ome.tif": _written(metadata={"axes": "ZYX", "PhysicalSizeX": 0.2, "PhysicalSizeY": 0.2}),
    "ome tiles.ome.tif": _written(metadata={"axes": "ZYX"}, tile=(64, 64), compression="zlib", bigtiff=True),
    "ome pyramid.ome.tif": ome_pyramid,
    "imagej.tif": _written(imagej=True, metadata={"axes": "ZYX"}, photometric=None),
    "imagej one page.tif": _written(imagej=True, metadata={"axes": "ZYX"}, truncate=True, photometric=None),
    "tifffile.tif": _written(metadata={"axes": "ZYX"}),
    "tifffile one page.tif": _written(metadata={"axes": "ZYX"}, truncate=True),
    "tifffile strips.tif": _written(metadata={"axes": "ZYX"}, compression="lzw", rowsperstrip=32),
    "depth.tif": _written(metadata=None, volumetric=True),
    "depth tiles.tif": _written(metadata=None, volumetric=True, tile=(2, 64, 64), compression="zlib"),
    "metamorph.stk": stk,
    "zeiss.lsm": lsm,
    "aperio.svs": lambda path: svs(path, focus=True),
}
"""Ways to hold a focus series."""

SCANNERS: dict[str, tuple[Callable[[Path], None], float]] = {
    "a.svs": (svs, 0.2526),
    "a.ndpi": (ndpi, 0.25),
    "a.scn": (scn, 0.5),
    "a.bif": (bif, 0.25),
    "a.qptiff": (qptiff, 0.5),
    "a.lsm": (lsm, 0.2),
    "a.stk": (stk, 0.2),
    "a.flex": (flex, 0.64),
}
"""Files of scanners and microscopes, and their pixel sizes in µm."""
