"""Hostile annotation files: bytes and structure of small valid files changed, in all formats, read and written back.

Each input is a file of one format with a few of its bytes, values, names or entries changed. The command line converts
it, its own reader and another one read it; what is read is written in other formats and read back.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import random
import shutil
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import numpy as np

from napari_diatom.cli import main
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.core.errors import DiatomError
from napari_diatom.formats.format_detection import detect
from napari_diatom.formats.registry import FORMATS, Format, Layout, by_name
from napari_diatom.measurement.morphometry import oriented_box

WRITERS: Final = 4
"""Formats that an input is written in which was read; chosen at random for each."""
LONGEST: Final = 4000
"""Characters that a message may have."""

_SIZE: Final = (60, 80)
_RING: Final = [[10.0, 12.0], [50.0, 12.0], [50.0, 30.0], [10.0, 30.0]]
_FLAT: Final = [value for point in _RING for value in point]
_DEEP: Final = "@deep@"
_NUMBERS: Final = (0, -1, 1, 0.5, 2**31, 2**63, 10**18, 10**400, 1e308, -1e308, 1e7, 9e6, float("nan"), float("inf"))
_VALUES: Final = (
    None,
    True,
    "",
    "a",
    "\u0000",
    "\ud800",
    "é\u2028",
    "../../x",
    [],
    {},
    [[]],
    [[1, 2]],
    _DEEP,
    *_NUMBERS,
)
_WORDS: Final = (
    *(str(number).encode() for number in _NUMBERS),
    b"null", b"true", b'"', b"'", b"<", b"&", b"&lt;", b"[", b"]", b"{", b"}", b",", b";", b"\x00", b"\xff", b"\n",
    b"\r", b"\\u0000", b"\\ud800", b"*a", b"&a ", b"!!python/object:os.system ", b"#", b"../", b" ", b"",
)  # fmt: skip


def prepare(folder: Path) -> None:
    """Write the valid files, in every format and as other programs write them."""
    from PIL import Image

    os.environ[_HOME] = str(folder / "valid")
    valid = folder / "valid"
    images = valid / "images"
    images.mkdir(parents=True)
    parts = [_boxes(), _masks()]
    for name in ("boxes.png", "masks.png", "q.png"):
        Image.new("L", _SIZE[::-1], 99).save(images / name)
    for format_ in FORMATS:
        format_.write(_target(valid / format_.name, format_), parts, images)
    _write_foreign(valid)


def attempt(number: int, seed: int, folder: Path) -> str:
    """Change a valid file, and read, convert and write what has become of it.

    A warning of numpy about numbers is as wrong as an error: a reader took what it should have refused.

    Returns
    -------
    str
        ``"read"`` where its own reader took it, else ``"refused"``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        return _attempt(number, seed, folder)


def _attempt(number: int, seed: int, folder: Path) -> str:
    """Do what :func:`attempt` says."""
    rng = random.Random(f"{seed} {number}")
    valid = Path(os.environ[_HOME])
    case = rng.choice(sorted(path for path in valid.iterdir() if path.name != "images"))
    shutil.copytree(case, folder / "in")
    # The images of a data set are not changed here.
    files = sorted(path for path in (folder / "in").rglob("*") if path.is_file() and path.suffix != ".png")
    changed = rng.choice(files)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        changed.write_bytes(_mutated(changed, rng))
    format_ = by_name(case.name.partition("@")[0])
    path = _source(folder / "in", format_)
    images = valid / "images" if rng.random() < 0.5 else None
    read = None
    for reader in (format_, rng.choice(FORMATS)):
        found = _read(reader, path, images)
        read = found if reader is format_ else read
    with contextlib.suppress(DiatomError):
        detect(path)
    target = rng.choice(FORMATS)
    given = ["convert", str(path), str(_target(folder / "out", target)), "--to", target.name]
    code = main([*given, *(["--images", str(images)] if images else [])])
    if code not in (0, 2):
        raise AssertionError(f"the command ended with {code}")
    if read is None:
        return "refused"
    for writer in rng.sample(FORMATS, WRITERS):
        out = _target(folder / f"back-{writer.name}", writer)
        with contextlib.suppress(DiatomError):
            writer.write(out, read, images)
            _read(writer, out, images)
    return "read"


def run(count: int, seed: int, seconds: float) -> Any:
    """Try ``count`` inputs, watched from outside, and return what came of them; see :mod:`hostile_inputs.watch`."""
    from hostile_inputs import watch

    return watch.run("annotations", count, seed, seconds / 60)


_HOME: Final = "NAPARI_DIATOM_HOSTILE_ANNOTATIONS"
"""Where this process has its valid files."""


def _read(format_: Format, path: Path, images: Path | None) -> list[Annotations] | None:
    """Return what a reader finds, None where it refuses."""
    try:
        return format_.read(path, images)
    except DiatomError as error:
        if "\n" in str(error) or len(str(error)) > LONGEST:
            raise AssertionError(f"a message of several lines, or one without end: {str(error)[:200]}") from error
        return None


def _target(folder: Path, format_: Format) -> Path:
    """Return where a format writes several images."""
    return folder / f"all{format_.suffixes[0]}" if format_.layout is Layout.ONE_FILE else folder


def _source(folder: Path, format_: Format) -> Path:
    """Return what is named to read a format."""
    files = [path for path in sorted(folder.iterdir()) if path.suffix in format_.suffixes]
    return files[0] if len(files) == 1 and format_.layout is not Layout.FOLDER else folder


# ---- valid files


def _boxes() -> Annotations:
    """Return a few boxes with all that may be known of them."""
    table = [[30, 20, 40, 6, 0.4], [55, 40, 20, 9, -1.0], [20, 45, 12, 12, 0.0]]
    classes = ("Navicula radiosa", "Nitzschia: big", "Übrige, <&>")
    found = Detections.of(table, [0, 1, 2], [0.5, 1, 0.9], classes, cut=[0, 1, 2], status=[0, 3, 1])
    origins = ["person", "diatom-obb 1.0", "person"]
    return Annotations.of(found, origins, [True, False, True], None, None, "boxes.png", *_SIZE, 0.25)


def _masks() -> Annotations:
    """Return masks, one with a hole, one of two parts, and a drawn outline among them."""
    ring = np.ones((12, 16), dtype=bool)
    ring[4:7, 5:10] = False
    parts = np.zeros((10, 20), dtype=bool)
    parts[:, :6] = parts[2:8, 12:] = True
    drawn = np.array([[40.0, 30.0], [70.0, 33.0], [60.0, 50.0]])
    from napari_diatom.core.mask_polygons import fill

    masks = [CroppedMask(ring, 4, 5), CroppedMask(parts, 30, 4), fill(((drawn,),))]
    found = Detections.of(
        [oriented_box(mask) for mask in masks], [0, 1, 0], classes=("Navicula", "Eunotia"), masks=masks
    )
    outlines = [None, None, ((drawn,),)]
    return Annotations.of(found, outlines=outlines, image="masks.png", height=_SIZE[0], width=_SIZE[1])


def _write_foreign(valid: Path) -> None:
    """Write files as other programs do."""

    def put(name: str, file: str, data: str | bytes) -> None:
        (valid / name).mkdir(exist_ok=True)
        (valid / name / file).write_bytes(data.encode() if isinstance(data, str) else data)

    ring = [*_RING, _RING[0]]
    features = [
        {
            "type": "Feature",
            "geometry": {"type": kind, "coordinates": coordinates},
            "properties": {"classification": named},
        }
        for kind, coordinates, named in (
            ("Polygon", [ring], {"names": ["Navicula", "broken"], "color": [1, 2, 3]}),
            ("MultiPolygon", [[ring], [[[60, 40], [70, 40], [70, 50], [60, 40]]]], {"name": "Eunotia", "colorRGB": -1}),
            ("Point", [1, 2], None),
        )
    ]
    put("geojson@qupath", "q.geojson", json.dumps({"type": "FeatureCollection", "features": features}))
    image = {"id": 1, "file_name": "q.png", "height": _SIZE[0], "width": _SIZE[1]}
    runs = {"size": list(_SIZE), "counts": [70, 20, 40, 20, 4650]}
    items: list[dict[str, Any]] = [
        {"segmentation": [_FLAT]},
        {"segmentation": [], "attributes": {"rotation": 30.0}},
        {"segmentation": runs},
        {"segmentation": runs, "iscrowd": 1},
    ]
    shared = {"image_id": 1, "category_id": 1, "bbox": [10, 12, 40, 18], "area": 720, "iscrowd": 0}
    listed = [{**shared, **item, "id": i} for i, item in enumerate(items, start=1)]
    named = [{"id": i, "name": "sp. 1", "supercategory": name} for i, name in enumerate(("Navicula", "Eunotia"), 1)]
    put("coco@cvat", "q.json", json.dumps({"images": [image], "categories": named, "annotations": listed}))
    shapes = (
        '<tag label="blurred"/><ellipse label="a" cx="40" cy="30" rx="20" ry="9" rotation="20"/>'
        '<box label="a" xtl="10" ytl="12" xbr="50" ybr="30" rotation="7"/>'
        '<polygon label="b" points="10,10;40,10;40,30"/>'
        '<mask label="a" rle="1, 2, 2, 1" left="5" top="6" width="3" height="2"/><points label="a" points="1,2"/>'
    )
    head = f'<annotations><version>1.1</version><image id="0" name="q.png" width="{_SIZE[1]}" height="{_SIZE[0]}">'
    put("cvat@cvat", "q.xml", f"{head}{shapes}</image></annotations>")
    put(
        "voc@labelimg",
        "q.xml",
        f"<annotation><filename>q.png</filename><size><width>{_SIZE[1]}</width><height>{_SIZE[0]}</height></size><object>"
        "<name>a</name><bndbox><xmin>10</xmin><ymin>12</ymin><xmax>50</xmax><ymax>30</ymax></bndbox></object><object>"
        "<name>b</name><robndbox><cx>30</cx><cy>20</cy><w>4</w><h>20</h><angle>0.5</angle></robndbox></object></annotation>",
    )
    put("labelme@labelme", "q.json", json.dumps(_labelme()))
    put("biigle-csv@biigle", "q.csv", _biigle())
    put("imagej@fiji", "q.zip", _fiji())
    put("label-tiff@pages", "q.tif", _pages())
    put(
        "dota@dota",
        "q.txt",
        "imagesource:GoogleEarth\ngsd:0.1\n10 12 50 12 50 30 10 30 Navicula,_cf. 0\n10,12,50,12,50,30,10,30,b,1\n",
    )


def _labelme() -> dict[str, Any]:
    """Return LabelMe's file with each of its shapes."""
    import base64

    from PIL import Image

    png = io.BytesIO()
    Image.fromarray(np.array([[0, 255, 255], [255, 255, 0]], dtype=np.uint8)).save(png, "PNG")
    shapes: list[dict[str, Any]] = [
        {"points": [_RING[0], _RING[2]], "shape_type": "rectangle", "score": 0.5},
        {"points": _RING, "shape_type": "rotation", "direction": 0.3},
        {"points": _RING[:3], "shape_type": "polygon", "group_id": 4},
        {"points": [[60, 40], [70, 40], [70, 50]], "shape_type": "polygon", "group_id": 4},
        {"points": [[40, 40], [45, 40]], "shape_type": "circle"},
        {"points": [[5, 6], [7, 7]], "shape_type": "mask", "mask": base64.b64encode(png.getvalue()).decode()},
        {"points": [[5, 6]], "shape_type": "point"},
    ]
    labelled = [{"label": "a", **shape} for shape in shapes]
    return {"shapes": labelled, "imagePath": "..\\x\\q.png", "imageHeight": _SIZE[0], "imageWidth": _SIZE[1]}


def _biigle() -> str:
    """Return a report of BIIGLE with each of its shapes."""
    rows = [
        ("sp. 1", "Navicula > sp. 1", "Rectangle", _FLAT, 1),
        ("sp. 1", "Eunotia > sp. 1", "Polygon", [10, 10, 40, 10, 40, 30], 2),
        ("a", "a", "Circle", [30, 30, 8], 3),
        ("a", "a", "Ellipse", [10, 20, 30, 14, 50, 20, 30, 26], 4),
        ("a", "a", "Point", [1, 2], 5),
    ]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    columns = ("label_name", "label_hierarchy", "shape_name", "points", "annotation_id", "filename", "attributes")
    table.writerow(columns)
    attributes = json.dumps({"width": _SIZE[1], "height": _SIZE[0]})
    table.writerows((*row[:3], json.dumps(row[3]), row[4], "q.png", attributes) for row in rows)
    return text.getvalue()


def _fiji() -> bytes:
    """Return a zip file of regions as macOS packs it."""
    from roifile import ROI_TYPE, ImagejRoi

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("RoiSet/", b"")
        file.writestr("__MACOSX/RoiSet/._a.roi", b"\0\5\x16\7")
        for position, kind in enumerate((ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.RECT, ROI_TYPE.OVAL), start=1):
            region = ImagejRoi.frompoints(np.array(_RING), name=f"Navicula-{position}")
            region.roitype, region.position = kind, position % 2
            file.writestr(f"RoiSet/{position}.roi", region.tobytes())
    return stream.getvalue()


def _pages() -> bytes:
    """Return a label image of two pages."""
    import tifffile

    labels = np.zeros((2, *_SIZE), np.uint16)
    labels[0, 10:30, 10:60] = 1
    labels[1, 20:40, 20:30] = 300
    stream = io.BytesIO()
    tifffile.imwrite(stream, labels, photometric="minisblack", compression="zlib", metadata=None)
    return stream.getvalue()


# ---- changes


def _mutated(path: Path, rng: random.Random) -> bytes:
    """Return a file with something changed."""
    data = path.read_bytes()
    structured = _STRUCTURED.get(path.suffix)
    if structured is not None and rng.random() < 0.6:
        # A file that is no longer of its kind is changed as bytes.
        with contextlib.suppress(Exception):
            return structured(data, rng)
    return rng.choice(_BYTES)(data, rng)


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _flipped(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]


def _worded(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(_WORDS) + data[at + rng.randrange(12) :]


def _moved(data: bytes, rng: random.Random) -> bytes:
    at, other = rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)
    return data[:at] + data[other : other + rng.randrange(200)] + data[at:]


def _numbered(data: bytes, rng: random.Random) -> bytes:
    """Put a number in place of another one in a text, or of bytes that may be one."""
    import re

    found = list(re.finditer(rb"-?\d+(\.\d+)?", data))
    if not found or rng.random() < 0.2:
        at = rng.randrange(len(data) + 1)
        size = struct.pack(rng.choice("<>") + "q", rng.choice((0, -1, 2**31, 2**62, 2**16)))[: rng.choice((2, 4, 8))]
        return data[:at] + size + data[at + len(size) :]
    one = rng.choice(found)
    return data[: one.start()] + str(rng.choice(_NUMBERS)).encode() + data[one.end() :]


def _recoded(data: bytes, rng: random.Random) -> bytes:
    text = data.decode("utf-8", "replace")
    return text.encode(rng.choice(("utf-16", "utf-32", "utf-8-sig", "latin-1", "cp1252", "utf-7")), "replace")


def _grown(data: bytes, rng: random.Random) -> bytes:
    """Repeat a part, or put in what nests or grows without end."""
    at = rng.randrange(len(data) + 1)
    deep = rng.choice((b"[", b'{"a":', b"<a>", b"- ", b"{a: "))
    bombs = (
        deep * rng.choice((50, 200, 100_000)),
        data[at : at + 50] * 2000,
        b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]>',
        b"a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\n",
    )
    return data[:at] + rng.choice(bombs) + data[at:]


_BYTES: Final = (_cut, _flipped, _worded, _worded, _moved, _numbered, _numbered, _recoded, _grown)


class _Twice(dict[str, Any]):
    """An object of JSON that names its entries twice."""

    def items(self) -> Any:
        return [*super().items(), *super().items()]


def _json(data: bytes, rng: random.Random) -> bytes:
    """Change JSON somewhere inside."""
    text = json.dumps(_inside(json.loads(data), rng))
    nested = rng.choice((50, 2000, 100_000))
    return text.replace(json.dumps(_DEEP), "[" * nested + "]" * nested).encode("utf-8", "surrogatepass")


def _inside(data: Any, rng: random.Random) -> Any:
    """Return JSON with one value of another type, or an entry less or twice."""
    if isinstance(data, dict) and data and rng.random() < 0.85:
        key = rng.choice(sorted(data))
        if rng.random() < 0.08:
            return {name: value for name, value in data.items() if name != key}
        if rng.random() < 0.05:
            return _Twice(data)
        return {**data, key: _inside(data[key], rng)}
    if isinstance(data, list) and data and rng.random() < 0.9:
        at = rng.randrange(len(data))
        if rng.random() < 0.1:
            return data[:at] + [data[at]] * rng.choice((0, 2, 1000)) + data[at + 1 :]
        return [*data[:at], _inside(data[at], rng), *data[at + 1 :]]
    return rng.choice(_VALUES)


def _xml(data: bytes, rng: random.Random) -> bytes:
    """Change an element of XML."""
    root = ElementTree.fromstring(data)
    element = rng.choice(list(root.iter()))
    word = rng.choice(_WORDS).decode("utf-8", "replace")
    kind = rng.randrange(5)
    if kind == 0 and element.attrib:
        element.set(rng.choice(sorted(element.attrib)), word)
    elif kind == 1:
        element.text = word
    elif kind == 2:
        element.tag = rng.choice(("box", "mask", "tag", "image", "object", "bndbox", "size", "a"))
    elif kind == 3 and len(element):
        element.remove(rng.choice(list(element)))
    else:
        inner = element
        for _ in range(rng.choice((1, 50, 500))):
            inner = ElementTree.SubElement(inner, element.tag, element.attrib)
    return ElementTree.tostring(root, encoding=rng.choice(("utf-8", "utf-16", "latin-1")))


def _table(data: bytes, rng: random.Random) -> bytes:
    """Change a cell, a row or the separator of a table."""
    text = data.decode()
    rows = list(csv.reader(io.StringIO(text)))
    row = rng.choice(rows)
    at = rng.randrange(len(row))
    kind = rng.randrange(4)
    if kind == 0:
        row[at] = rng.choice(_WORDS).decode("utf-8", "replace")
    elif kind == 1:
        row[at] = json.dumps(rng.choice([value for value in _VALUES if value != "\ud800"]))
    elif kind == 2:
        del row[at]
    else:
        rows += [row] * rng.choice((1, 500))
    out = io.StringIO()
    csv.writer(out, delimiter=rng.choice(",,,,;\t"), lineterminator=rng.choice(("\n", "\r\n"))).writerows(rows)
    return out.getvalue().encode("utf-8", "surrogatepass")


def _lines(data: bytes, rng: random.Random) -> bytes:
    """Change a cell of a line."""
    lines = [line.split() for line in data.decode().splitlines()]
    line = rng.choice([line for line in lines if line])
    line[rng.randrange(len(line))] = rng.choice(_WORDS).decode("utf-8", "replace")
    return "\n".join(map(" ".join, lines)).encode()


def _yaml(data: bytes, rng: random.Random) -> bytes:
    """Change a value of YAML."""
    import yaml

    changed = json.dumps(_inside(yaml.safe_load(data), rng))
    return changed.replace(json.dumps(_DEEP), "[" * 2000 + "]" * 2000).encode("utf-8", "surrogatepass")


def _zip(data: bytes, rng: random.Random) -> bytes:
    """Change a member of a zip file, its name or its packing."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        members = [(entry.filename, packed.read(entry)) for entry in packed.infolist()]
    if members:
        at = rng.randrange(len(members))
        name, content = members[at]
        content = rng.choice(_BYTES)(content, rng) if content else content
        name = rng.choice((name, name, name, "../../x.roi", "/x.roi", "a\x00b.roi", members[0][0], "é.roi", "x.txt"))
        members[at] = (name, content)
    if rng.random() < 0.1:
        members.append(("bomb.roi", bytes(2**24 + rng.randrange(2))))
    stream = io.BytesIO()
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    with zipfile.ZipFile(stream, "w", rng.choice(methods)) as packed:
        for name, content in members:
            packed.writestr(zipfile.ZipInfo(name), content, compress_type=rng.choice(methods))
    return stream.getvalue()


def _tiff(data: bytes, rng: random.Random) -> bytes:
    """Change the value, count or kind of a tag in a TIFF file's first directory."""
    (offset,) = struct.unpack_from("<I", data, 4)
    (tags,) = struct.unpack_from("<H", data, offset)
    at = offset + 2 + 12 * rng.randrange(tags)
    changed = bytearray(data)
    field, kind = rng.choice(((0, "<H"), (2, "<H"), (4, "<I"), (8, "<I"), (8, "<I")))
    most = 2**16 if kind == "<H" else 2**32
    value = rng.choice((0, 1, 2, 3, 255, 256, 65535, 2**16, 2**20, 2**31 - 1, 2**31, 2**32 - 1, rng.randrange(most)))
    struct.pack_into(kind, changed, at + field, value % most)
    return bytes(changed)


_STRUCTURED: Final[dict[str, Callable[[bytes, random.Random], bytes]]] = {
    ".json": _json,
    ".geojson": _json,
    ".xml": _xml,
    ".csv": _table,
    ".txt": _lines,
    ".yaml": _yaml,
    ".zip": _zip,
    ".tif": _tiff,
}
"""Changes that leave a file of its kind, by its suffix."""
