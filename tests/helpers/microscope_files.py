"""Small files of microscopes that are not TIFF, by the libraries that write them, or byte by byte.

CZI and OME-Zarr are written by pylibCZIrw and zarr. For the others nothing writes files: LIF, LOF, XLIF, ND2 and MRXS
have the parts that their readers ask for, in the places that descriptions of the formats give.
"""

from __future__ import annotations

import shutil
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

from helpers.microscopes import focus_series, rgb

Values = NDArray[Any]


# ---- CZI


def czi(
    path: Path,
    tiles: Sequence[tuple[Values, tuple[int, int], dict[str, int], int]],
    pixel_m: float = 2e-7,
    compression: str | None = None,
) -> None:
    """Write pieces, each with its left and top, its place on other axes, and its scene; colours are RGB."""
    from pylibCZIrw.czi import create_czi

    with create_czi(str(path), exist_ok=True, compression_options=compression) as document:
        for values, place, plane, scene in tiles:
            stored = values[..., ::-1] if values.ndim == 3 else values[..., None]
            document.write(np.ascontiguousarray(stored), location=place, plane=plane, scene=scene)
        document.write_metadata("slide", scale_x=pixel_m, scale_y=pixel_m)


def czi_slide(path: Path) -> None:
    czi(path, [(rgb(), (-30, 70), {}, 0)])


def czi_focus(path: Path) -> None:
    czi(path, [(plane, (0, 0), {"Z": number, "C": 0, "T": 0}, 0) for number, plane in enumerate(focus_series())])


# ---- LIF, LOF, XLIF


def las_xml(shape: dict[int, int], dtype: np.dtype[Any], channels: Sequence[tuple[int, int]], name: str = "a") -> str:
    """Return the description of an image.

    ``shape`` has the length of each axis by its number, the innermost first; ``channels`` the tag and offset in bytes
    of each. The samples of a pixel lie side by side where the second channel is as near as that.
    """
    samples = len(channels) if len(channels) > 1 and channels[1][1] == dtype.itemsize else 1
    stride, dimensions = dtype.itemsize * samples, ""
    for axis, length in shape.items():
        extent, unit = ((length - 1) * 2e-7, "m") if axis < 4 else (float(length), "")
        dimensions += (
            f'<DimensionDescription DimID="{axis}" NumberOfElements="{length}" Origin="0" Length="{extent}" '
            f'Unit="{unit}" BitInc="0" BytesInc="{stride}"/>'
        )
        stride *= length
    described = "".join(
        f'<ChannelDescription DataType="0" ChannelTag="{tag}" Resolution="{dtype.itemsize * 8}" '
        f'NameOfMeasuredQuantity="" Min="0" Max="255" Unit="" LUTName="Gray" IsLUTInverted="0" BytesInc="{offset}" '
        'BitInc="0"/>'
        for tag, offset in channels
    )
    return (
        f'<Element Name="{name}" UniqueID="{name}"><Data><Image><ImageDescription><Channels>{described}</Channels>'
        f"<Dimensions>{dimensions}</Dimensions></ImageDescription></Image></Data>"
    )


def las_header(xml: str) -> bytes:
    return struct.pack("<IIBI", 0x70, 5 + 2 * len(xml), 0x2A, len(xml)) + xml.encode("utf-16-le")


def lif(path: Path, images: Sequence[tuple[str, bytes]]) -> None:
    """Write images: the description and the pixels of each."""
    elements, blocks = "", b""
    for number, (xml, pixels) in enumerate(images):
        name = f"MemBlock_{number}"
        elements += f'{xml}<Memory Size="{len(pixels)}" MemoryBlockID="{name}"/></Element>'
        blocks += struct.pack("<IIBQBI", 0x70, 14 + 2 * len(name), 0x2A, len(pixels), 0x2A, len(name))
        blocks += name.encode("utf-16-le") + pixels
    xml = (
        f'<LMSDataContainerHeader Version="2"><Element Name="project"><Data/><Children>{elements}</Children></Element>'
        "</LMSDataContainerHeader>"
    )
    path.write_bytes(las_header(xml) + blocks)


def lof(path: Path, xml: str, pixels: bytes) -> None:
    """Write one image."""
    name = "LMS_Object_File"
    described = f'<LMSDataContainerHeader Version="2">{xml}</Element></LMSDataContainerHeader>'
    head = struct.pack("<IIBI", 0x70, 5 + 2 * len(name) + 20, 0x2A, len(name)) + name.encode("utf-16-le")
    head += struct.pack("<BIBI", 0x2A, 2, 0x2A, 0) + struct.pack("<BQ", 0x2A, len(pixels))
    path.write_bytes(head + pixels + las_header(described))


def xlif(path: Path, xml: str, named: str, size: int) -> None:
    """Write the description of an image whose pixels are in another file."""
    path.write_text(
        f'<?xml version="1.0" encoding="utf-8"?><LMSDataContainerHeader Version="2">{xml}<Memory Size="{size}" '
        f'MemoryBlockID="MemBlock_0"><Block File="{named}" Offset="0" Size="{size}"/></Memory></Element>'
        "</LMSDataContainerHeader>",
        encoding="utf-8",
    )


BGR = ((3, 0), (2, 1), (1, 2))
"""Tags and offsets of channels as cameras give them to LAS X."""


def las_slide() -> tuple[str, bytes]:
    """Return a colour picture: its description and its pixels."""
    return las_xml({1: 400, 2: 300}, np.dtype(np.uint8), BGR), rgb()[..., ::-1].tobytes()


def lif_slide(path: Path) -> None:
    lif(path, [las_slide()])


def lof_slide(path: Path) -> None:
    lof(path, *las_slide())


def xlif_slide(path: Path) -> None:
    xml, pixels = las_slide()
    lof(path.with_suffix(".lof"), xml, pixels)
    xlif(path, xml, path.with_suffix(".lof").name, len(pixels))


# ---- ND2


def _entry(name: str, kind: int, value: bytes) -> bytes:
    return struct.pack("BB", kind, len(name) + 1) + f"{name}\0".encode("utf-16-le") + value


def _encoded(name: str, value: Any) -> bytes:
    """Return a value of NIS-Elements' metadata."""
    if isinstance(value, dict):
        items = [_encoded(key, item) for key, item in value.items()]
        body = b"".join(items)
        length = 2 + 2 * (len(name) + 1) + 12 + len(body)
        return _entry(name, 11, struct.pack("<IQ", len(items), length) + body + bytes(8 * len(items)))
    if isinstance(value, bool):
        return _entry(name, 1, struct.pack("B", value))
    if isinstance(value, float):
        return _entry(name, 6, struct.pack("<d", value))
    if isinstance(value, str):
        return _entry(name, 8, f"{value}\0".encode("utf-16-le"))
    return _entry(name, 3, struct.pack("<I", value))


def nd2(
    path: Path, frames: Sequence[Values], z: int = 1, channels: int = 1, packed: bool = False, listed: int | None = None
) -> None:
    """Write frames of shape (Y, X, C) or (Y, X, 3), ``z`` of which are a focus series; ``listed`` are named."""
    height, width, components = frames[0].shape
    stored = frames[0].dtype.itemsize
    planes = {
        f"a{number}": {
            "uiCompCount": components // channels,
            "uiSampleIndex": 0,
            "sDescription": f"c{number}",
            "pFluorescentProbe": {"m_uiColor": 1},
        }
        for number in range(channels)
    }
    facts: dict[str, Any] = {
        "ImageAttributesLV!": {
            "SLxImageAttributes": {
                "uiWidth": width,
                "uiWidthBytes": width * components * stored,
                "uiHeight": height,
                "uiComp": components,
                "uiBpcInMemory": 8 * stored,
                "uiBpcSignificant": 8 * stored,
                "uiSequenceCount": len(frames),
                "eCompression": 0 if packed else 2,
            }
        },
        "ImageMetadataSeqLV|0!": {
            "SLxPictureMetadata": {
                "bCalibrated": True,
                "dCalibration": 0.2,
                "sPicturePlanes": {"uiCount": channels, "sPlaneNew": planes},
            }
        },
    }
    if (number := listed or len(frames)) > 1:
        facts["ImageMetadataLV!"] = {
            "SLxExperiment": {
                "eType": 4,
                "uLoopPars": {"uiCount": z, "dZStep": 1.0, "dZLow": 0.0, "dZHigh": 1.0, "dZHome": 0.0, "iType": 0},
            }
            if z == number
            else {"eType": 1, "uLoopPars": {"uiCount": number, "dPeriod": 1.0, "dDuration": 1.0, "dStart": 0.0}}
        }
    data = b""
    places: dict[str, tuple[int, int]] = {}

    def chunk(name: str, body: bytes, reserved: int) -> bytes:
        return struct.pack("<IIQ", 0x0ABECEDA, reserved, len(body)) + name.encode().ljust(reserved, b"\0") + body

    data += chunk("ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver3.0".ljust(64, b"\0"), 32)
    for name, value in facts.items():
        ((inner, entries),) = value.items()
        body = _encoded(inner, entries)
        places[name] = len(data), len(body)
        data += chunk(name, body, 64)
    for number, frame in enumerate(frames):
        pixels = frame[..., ::-1] if components == 3 and channels == 1 else frame
        body = bytes(8) + (zlib.compress(pixels.tobytes()) if packed else pixels.tobytes())
        places[f"ImageDataSeq|{number}!"] = len(data), len(body)
        data += chunk(f"ImageDataSeq|{number}!", body, 4072)
    listing = b"".join(name.encode() + struct.pack("<QQ", *place) for name, place in places.items())
    listing += b"ND2 CHUNK MAP SIGNATURE 0000001!"
    at = len(data)
    data += chunk("ND2 FILEMAP SIGNATURE NAME 0001!", listing, 32)
    path.write_bytes(data + b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", at))


def nd2_slide(path: Path) -> None:
    nd2(path, [rgb()])


# ---- OME-Zarr


def ome_zarr(path: Path, levels: Sequence[Values], axes: str = "cyx", version: str = "0.5", unit: str = "") -> None:
    """Write an image into a folder, or a zip file where the name is that of one."""
    import zarr

    folder = path if path.suffix == ".zarr" else path.with_name("in the zip.zarr")
    group = zarr.open_group(folder, mode="w", zarr_format=3 if version == "0.5" else 2)
    ome_zarr_image(group, levels, axes, version, unit)
    if folder != path:
        with zipfile.ZipFile(path, "w") as packed:
            for file in sorted(folder.rglob("*")):
                packed.write(file, file.relative_to(folder).as_posix())
        shutil.rmtree(folder)


def ome_zarr_image(
    group: Any, levels: Sequence[Values], axes: str = "cyx", version: str = "0.5", unit: str = ""
) -> None:
    """Write an image into a group."""
    kinds = {"c": "channel", "z": "space", "t": "time", "y": "space", "x": "space"}
    described: list[dict[str, Any]] = [{"name": axis, "type": kinds[axis]} for axis in axes]
    for axis in described[-2:]:
        axis["unit"] = unit or "micrometer"
    datasets = []
    for number, level in enumerate(levels):
        chunks = tuple(1 if axis not in "yx" else 64 for axis in axes)
        array = group.create_array(str(number), shape=level.shape, dtype=level.dtype, chunks=chunks, fill_value=7)
        array[...] = level
        side = 0.2 * levels[0].shape[-1] / level.shape[-1]
        scale = [side if axis in "yx" else 1.0 for axis in axes]
        datasets.append({"path": str(number), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
    facts = {"multiscales": [{"axes": described, "datasets": datasets, "version": version}]}
    group.attrs.update({"ome": facts | {"version": version}} if version == "0.5" else facts)


def zarr_slide(path: Path) -> None:
    pixels = np.moveaxis(rgb(), -1, 0)
    ome_zarr(path, [pixels, pixels[:, ::2, ::2]])


def zarr_slide_v2(path: Path) -> None:
    pixels = np.moveaxis(rgb(), -1, 0)
    ome_zarr(path, [pixels, pixels[:, ::2, ::2]], version="0.4")


# ---- OpenSlide


def aperio_jpeg2000(path: Path) -> None:
    """Aperio with pixels in JPEG 2000 as YCbCr, which TIFF readers mostly refuse."""
    said = "Aperio Image Library v11.2.1 \n400x300 (64x64) J2K/YUV16 Q=30|AppMag = 40|MPP = 0.2526"
    ycc = cv2.cvtColor(rgb(), cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]]
    _tiled_jpeg2000(path, ycc, said)


def _tiled_jpeg2000(path: Path, values: Values, said: str) -> None:
    import imagecodecs

    height, width = values.shape[:2]

    def tiles() -> Any:
        for top in range(0, height, 64):
            for left in range(0, width, 64):
                tile = np.zeros((64, 64, 3), np.uint8)
                part = values[top : top + 64, left : left + 64]
                tile[: part.shape[0], : part.shape[1]] = part
                yield imagecodecs.jpeg2k_encode(tile, codecformat="j2k", level=0, mct=False)

    with tifffile.TiffWriter(path) as writer:
        writer.write(
            tiles(),
            shape=values.shape,
            dtype=np.uint8,
            tile=(64, 64),
            photometric="ycbcr",
            compression=33003,
            subsampling=(1, 1),
            description=said,
            metadata=None,
            software=False,
        )


def mrxs(path: Path) -> None:
    """3DHISTECH: one level of four pieces in JPEG, one of which was not scanned."""
    side, across = 200, 2
    pixels = np.zeros((side * 2, side * 2, 3), np.uint8)
    pixels[:300, :400] = rgb()
    folder = path.with_suffix("")
    folder.mkdir()
    path.write_bytes(b"")
    version, slide = b"01.02", b"0123456789ABCDEF"
    data, entries = version + slide, []
    for number in range(3):
        top, left = side * (number // across), side * (number % across)
        piece = np.ascontiguousarray(pixels[top : top + side, left : left + side, ::-1])
        coded = cv2.imencode(".jpg", piece, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
        entries.append((number, len(data), len(coded), 0))
        data += coded
    (folder / "Data0000.dat").write_bytes(data)
    root = len(version + slide) + 8
    index = version + slide + struct.pack("<ii", root, 0)
    index += struct.pack("<i", root + 4) + struct.pack("<ii", 0, root + 12)
    index += struct.pack("<ii", len(entries), 0) + b"".join(struct.pack("<4i", *entry) for entry in entries)
    (folder / "Index.dat").write_bytes(index)
    (folder / "Slidedat.ini").write_text(
        "[GENERAL]\nSLIDE_VERSION = 01.02\nSLIDE_ID = 0123456789ABCDEF\nIMAGENUMBER_X = 2\nIMAGENUMBER_Y = 2\n"
        "OBJECTIVE_MAGNIFICATION = 20\nCameraImageDivisionsPerSide = 1\n[HIERARCHICAL]\nHIER_COUNT = 1\n"
        "NONHIER_COUNT = 0\nINDEXFILE = Index.dat\nHIER_0_NAME = Slide zoom level\nHIER_0_COUNT = 1\n"
        "HIER_0_VAL_0_SECTION = LAYER_0_LEVEL_0_SECTION\n[LAYER_0_LEVEL_0_SECTION]\nOVERLAP_X = 0\nOVERLAP_Y = 0\n"
        "MICROMETER_PER_PIXEL_X = 0.2\nMICROMETER_PER_PIXEL_Y = 0.2\nIMAGE_FILL_COLOR_BGR = 0\n"
        "IMAGE_FORMAT = JPEG\nIMAGE_CONCAT_FACTOR = 0\nDIGITIZER_WIDTH = 200\nDIGITIZER_HEIGHT = 200\n[DATAFILE]\n"
        "FILE_COUNT = 1\nFILE_0 = Data0000.dat\n",
        encoding="utf-8",
    )
