"""What the pages of a TIFF file are to each other: places, times, focus planes, channels.

TIFF itself only has pages. What they mean stands in OME-XML, in ImageJ's or tifffile's description, or in what a
microscope's own program adds. All of it becomes one thing here, a :class:`Scene`: one place at one time, with its
focus planes and channels. A page that nothing is said of is a scene by itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import Element

from napari_diatom.core import text_files
from napari_diatom.core.errors import InputError
from napari_diatom.core.text import many
from napari_diatom.images.tiff_directories import MOST_PAGES

_SERIES_KINDS: Final = (
    *("shaped", "lsm", "mmstack", "ome", "imagej", "ndtiff", "fluoview", "stk", "sis", "svs", "scn", "qpi", "ndpi"),
    *("bif", "avs", "eer", "philips", "scanimage", "nih", "mdgel", "uniform"),
)
_FROM_SERIES: Final = ("lsm", "stk", "fluoview", "sis", "svs", "qpi", "ndpi", "bif", "avs", "philips")
"""Kinds whose series tifffile tells."""
_CHANNEL_AXES: Final = "CE"
_PHOTOGRAPHS: Final = ("label", "macro", "thumbnail", "map", "overview", "probability")
"""What scanners call the pictures of the slide that they add."""
_MOST_COMPARED: Final = 1000
"""Pages up to which pyramids are looked for among them: tifffile compares each with all others."""
_MOST_SAMPLES: Final = 1000
_LARGEST_SIZE: Final = 2**40
_MOST_AXES: Final = 16
_MOST_LEVELS: Final = 32
_OVERVIEW: Final = 4.0
"""A picture whose pixels are so many times larger than the finest ones shows the slide and not the specimens."""
_NDPI_MAGNIFICATION: Final = 65421
_COLOURED: Final = (2, 3, 5, 6, 8)
"""Photometric interpretations whose samples are colours: RGB, palette, CMYK, YCbCr, Lab."""
_RED, _GREEN, _BLUE = 0xFF0000, 0x00FF00, 0x0000FF


@dataclass(frozen=True, eq=False)
class Part:
    """Where one channel of one plane is.

    Attributes
    ----------
    pages : tuple of tifffile.TiffPage
        The page, then its reduced copies, largest first.
    within : int
        Which plane, where a page is followed by the raw planes of a stack.
    depth : int
        Which plane, where a page has a depth.
    sample : int or None
        Which sample of a pixel, None for all.
    """

    pages: tuple[Any, ...]
    within: int = 0
    depth: int = 0
    sample: int | None = None


@dataclass(frozen=True, eq=False)
class Scene:
    """One place at one time.

    Attributes
    ----------
    stack : tuple of tuple of Part
        Focus planes, and the channels of each.
    pixel_size_um : float or None
        Micrometres per pixel as the metadata of the stack tell it.
    image : int or None
        Number of its OME image.
    notices : tuple of str
        What the user should know of it.
    """

    stack: tuple[tuple[Part, ...], ...]
    pixel_size_um: float | None = None
    image: int | None = None
    notices: tuple[str, ...] = ()

    def is_even(self) -> bool:
        """Whether all planes and channels have one size and type."""
        kinds = {_size(part.pages[0]) for plane in self.stack for part in plane}
        return len(kinds) == 1 and len({len(plane) for plane in self.stack}) == 1


def scenes(path: Path, file: Any) -> list[Scene]:
    """Return the scenes of an open TIFF file; label and macro photographs of slide scanners are left out.

    Parameters
    ----------
    path : Path
        Its name, for errors.
    file : tifffile.TiffFile
        The file.

    Raises
    ------
    InputError
        When a stack is cut off.
    """
    first = file.pages.first
    notices: tuple[str, ...] = ()
    try:
        found = _named(path, file, first)
    except _Unclear as unclear:
        found, notices = [], (str(unclear),)
    if found and not all(scene.is_even() for scene in found):
        found = []
        notices = ("Its planes or channels are not of one size and type, so each page was taken as a field.",)
    return [replace(scene, notices=notices + scene.notices) for scene in found or plain(file)]


def plain(file: Any) -> list[Scene]:
    """Return every page of an open TIFF file as a scene; reduced copies of pages are levels of theirs."""
    _only(file, "")
    try:
        compared = file.series if len(file.pages) <= _MOST_COMPARED else ()
        pyramids = [series for series in compared if series.is_pyramidal]
    except Exception:  # tifffile meets what it does not expect with errors of many kinds
        pyramids = []
    found: list[Scene] = []
    for series in (item for item in pyramids if not _is_photograph(item)):
        for number in range(len(series.levels[0])):
            copies = [level[number].aspage() for level in series.levels if number < len(level)]
            found.append(Scene(((Part(tuple(copies)),),)))
    if found:
        return found
    every = list(_pages(file))
    whole = [page for page in every if not page.is_reduced and not _is_small(page)]
    found = []
    for page in whole or every:
        levels = (page, *_copies(file, page))
        # The depth of a page is its focus, whoever wrote it.
        found.append(Scene(tuple((Part(levels, depth=depth),) for depth in range(_depth(page)))))
    return found


class _Unclear(Exception):
    """What is said of the axes cannot be used, and why."""


def _named(path: Path, file: Any, first: Any) -> list[Scene]:
    """Return the scenes as the file names them, none where it says nothing."""
    if file.is_ome:
        return _ome(path, file)
    if file.is_imagej:
        return _imagej(path, file)
    if file.is_scn:
        return _scn(path, file)
    kind = next((name for name in _FROM_SERIES if getattr(first, f"is_{name}", False)), None)
    if kind == "lsm" and len(file.pages) < 2:
        return []
    if kind is not None:
        return _of_kind(file, kind)
    return _shaped(path, file, first)


def _only(file: Any, kind: str) -> None:
    """Have tifffile see one kind of file; some of the others open files beside this one."""
    for name in _SERIES_KINDS:
        setattr(file, f"is_{name}", name == kind)


def _pages(file: Any) -> Iterator[Any]:
    """Yield the pages of the main chain in full."""
    for number in range(len(file.pages)):
        yield file.pages.get(number, aspage=True)


def _size(page: Any) -> tuple[Any, ...]:
    """Return what planes of one stack have in common."""
    key = page.keyframe or page
    return key.imagelength, key.imagewidth, key.dtype


def _copies(file: Any, page: Any) -> list[Any]:
    """Return the reduced copies of a page that its sub-directories hold, largest first."""
    import tifffile

    found: list[Any] = []
    last = page
    for number, offset in enumerate((page.subifds or ())[:_MOST_LEVELS]):
        if not 8 <= offset < file.filehandle.size:
            continue
        file.filehandle.seek(offset)
        copy = tifffile.TiffPage(file, (page.index, number))
        ratios = [
            large / small if small else math.inf
            for large, small in ((last.imagewidth, copy.imagewidth), (last.imagelength, copy.imagelength))
        ]
        # A level is smaller by one factor both ways, but for the rounding of its sides.
        if min(ratios) > 1.2 and max(ratios) < 1.25 * min(ratios) and copy.dtype == page.dtype:
            found.append(copy)
            last = copy
    return found


def _is_photograph(series: Any) -> bool:
    """Return whether a series is a label, a macro photograph or another picture of the slide."""
    return str(series.name).lower().startswith(_PHOTOGRAPHS) or _is_small(series.keyframe)


def _is_small(page: Any) -> bool:
    """Return whether a page of an NDPI file is its macro photograph or map."""
    magnification = page.tags.valueof(_NDPI_MAGNIFICATION)
    return isinstance(magnification, float) and magnification < 0


# ---- what tifffile tells


def _of_kind(file: Any, kind: str) -> list[Scene]:
    """Return the scenes of the series of a microscope's or scanner's own kind of TIFF."""
    _only(file, kind)
    try:
        series = list(file.series) if len(file.pages) <= _MOST_COMPARED or kind in ("lsm", "stk", "fluoview") else ()
    except Exception:
        raise _Unclear(
            f"What its {kind.upper()} metadata say of planes and channels cannot be read, so each page was taken as a "
            "field."
        ) from None
    pictures = [item for item in series if not _is_photograph(item)] or list(series)
    if kind == "lsm":
        # The second series holds the thumbnails.
        pictures = pictures[:1]
    elif pyramids := [item for item in pictures if item.is_pyramidal]:
        pictures = pyramids
    notices: tuple[str, ...] = ()
    if kind == "bif":
        notices = (
            "The tiles of a Ventana file overlap; they were laid side by side, so sizes at their seams are off.",
        )
    return [replace(scene, notices=notices) for item in pictures for scene in _of_series(item, kind)]


def _of_series(series: Any, kind: str) -> list[Scene]:
    """Return the scenes of one of tifffile's series."""
    axes, shape = series.get_axes(squeeze=False), series.get_shape(squeeze=False)
    key = series.keyframe
    outer = _outer(axes, shape, key)
    number = math.prod(size for _, size in outer)
    if number > 1 and key.is_final and series.dataoffset is not None:
        entries = [((key,), within) for within in _planes_that_fit(key, number)]
    else:
        entries = []
        for place in range(len(series)):
            page = series[place]
            if page is None:
                continue
            levels = [level[place] for level in series.levels if place < len(level) and level[place] is not None]
            # tifffile corrects the tables of LSM files in its frames; those of others are read whole again.
            entries.append((tuple(levels if kind == "lsm" else [level.aspage() for level in levels]), 0))
    return _grouped(outer, entries, axes[len(outer) :])


def _depth(page: Any) -> int:
    """Return how many planes a page holds one behind the other."""
    depth = max(int((page.keyframe or page).imagedepth), 1)
    if depth > MOST_PAGES:
        raise InputError(f"{page.parent.filehandle.path} claims {depth:,} planes in one page, which cannot be right.")
    return depth


def _planes_that_fit(page: Any, number: int) -> range:
    """Return which planes of a raw stack can lie between its first one and the end of the file."""
    fitting = int((page.parent.filehandle.size - page.dataoffsets[0]) // max(page.nbytes, 1))
    if min(number, fitting) > MOST_PAGES:
        raise InputError(
            f"{page.parent.filehandle.path} has more than {MOST_PAGES:,} planes; split it into several files."
        )
    return range(min(number, fitting))


def _outer(axes: str, shape: Sequence[int], page: Any) -> list[tuple[str, int]]:
    """Return the axes of a stack that are not within a page, with their lengths."""
    inside = math.prod(page.shape)
    for number in range(len(axes) + 1):
        if math.prod(shape[number:]) == inside:
            return list(zip(axes[:number], shape[:number], strict=True))
    raise _Unclear("What it says of its planes does not fit its pages, so each page was taken as a field.")


def _grouped(
    outer: Sequence[tuple[str, int]], entries: Sequence[tuple[tuple[Any, ...], int]], inner: str
) -> list[Scene]:
    """Return the scenes of planes that lie in the order of their outer axes, the last axis changing fastest."""
    where: dict[tuple[Any, ...], dict[tuple[Any, ...], dict[tuple[Any, ...], Part]]] = {}
    expected = math.prod(size for _, size in outer)
    for at, (pages, within) in zip(_positions([size for _, size in outer], len(entries)), entries, strict=False):
        z, channel, other = (
            tuple(index for (axis, _), index in zip(outer, at, strict=True) if _role(axis) == role)
            for role in ("Z", "C", "")
        )
        for depth in range(_depth(pages[0])):
            for sample in _samples(pages[0], "C" in inner):
                part = Part(pages, within, depth, sample)
                where.setdefault(other, {}).setdefault((*z, depth), {})[(*channel, sample or 0)] = part
    notices = _odds(expected, min(len(entries), expected), max(len(entries) - expected, 0))
    return [_scene(planes, notices=notices) for _, planes in sorted(where.items())]


def _odds(expected: int, found: int, unnamed: int) -> tuple[str, ...]:
    """Return what is to be said where a file names planes that it lacks, or has pages that it does not name."""
    notices = []
    if found < expected:
        notices.append(f"The file holds {found:,} of the {many(expected, 'plane')} that it names.")
    if unnamed:
        pages = "1 page that is" if unnamed == 1 else f"{unnamed:,} pages that are"
        notices.append(f"The file holds {pages} not named as a plane and not counted.")
    return tuple(notices)


def _positions(sizes: Sequence[int], number: int) -> Iterator[tuple[int, ...]]:
    """Yield the first positions in an array, the last axis changing fastest."""
    for flat in range(number):
        at, rest = [], flat
        for size in reversed(sizes):
            at.append(rest % size)
            rest //= size
        if rest:
            return
        yield tuple(reversed(at))


def _scene(planes: dict[tuple[Any, ...], dict[tuple[Any, ...], Part]], **facts: Any) -> Scene:
    """Return a scene; a plane that lacks a channel is left out where another one has all."""
    most = max(len(channels) for channels in planes.values())
    whole = [channels for _, channels in sorted(planes.items()) if len(channels) == most]
    return Scene(tuple(tuple(part for _, part in sorted(channels.items())) for channels in whole), **facts)


def _role(axis: str) -> str:
    """Return what an axis is: focus, channel, or neither."""
    return "Z" if axis == "Z" else "C" if axis in _CHANNEL_AXES else ""


def _samples(page: Any, named: bool) -> list[int | None]:
    """Return the samples of a pixel that are channels of their own; None stands for all of them together."""
    key = page.keyframe or page
    number = int(key.samplesperpixel)
    if not named or not 2 <= number <= _MOST_SAMPLES or key.photometric in _COLOURED:
        return [None]
    extra = list(key.extrasamples)
    clear = number - len(extra)
    return [at for at in range(number) if at < clear or extra[at - clear] == 0]


# ---- ImageJ


def _imagej(path: Path, file: Any) -> list[Scene]:
    """Return the scenes of a file that ImageJ wrote, whose stacks may be one page and raw planes behind it."""
    metadata = file.imagej_metadata or {}
    counts = [metadata.get(name, 1) for name in ("frames", "slices", "channels")]
    if not all(isinstance(count, int) and 0 < count < _LARGEST_SIZE for count in counts):
        raise _Unclear("What ImageJ says of its planes cannot be read, so each page was taken as a field.")
    images = metadata.get("images", 1)
    _only(file, "imagej")
    series = file.series
    if not series or series[0].kind != "imagej":
        if len(file.pages) == 1 and isinstance(images, int) and images > 1:
            raise InputError(f"{path} is truncated: ImageJ names {images:,} planes, and the file ends before they do.")
        # ImageJ's own order; planes that are not there are named as missing.
        outer = [("T", counts[0]), ("Z", counts[1]), ("C", counts[2])]
        return _grouped(outer, [((page,), 0) for page in _pages(file)], "")
    return _of_series(series[0], "imagej")


# ---- tifffile's own description


def _shaped(path: Path, file: Any, first: Any) -> list[Scene]:
    """Return the scenes of a file that tifffile or a program that uses it wrote; each series has axes of its own."""
    if _description(first, path) is None:
        return []
    every = list(_pages(file))
    found: list[Scene] = []
    at = 0
    while at < len(every):
        page = every[at]
        said = _description(page, path)
        if page.is_reduced and found:
            found[-1] = _with_copy(found[-1], page)
            at += 1
            continue
        inside = math.prod(page.shape)
        axes, shape, is_truncated = said or ("", (), False)
        number, rest = divmod(math.prod(shape), inside) if inside else (1, 1)
        if said is None or rest or number < 1:
            found.append(Scene(((Part((page, *_copies(file, page))),),)))
            at += 1
            continue
        outer = _outer(axes, shape, page)
        following = every[at : at + number]
        if number > 1 and page.is_final and (is_truncated or len(following) < number):
            # The stack is one page with the other planes behind it.
            entries = [((page,), within) for within in _planes_that_fit(page, number)]
            at += 1
        else:
            entries = [((plane, *_copies(file, plane)), 0) for plane in following]
            at += len(following)
        found += _grouped(outer, entries, axes[len(outer) :])
    return found


def _with_copy(scene: Scene, copy: Any) -> Scene:
    """Return a scene with one more reduced copy, where it is one of its only plane."""
    if len(scene.stack) != 1 or len(scene.stack[0]) != 1:
        return scene
    [[part]] = scene.stack
    last = part.pages[-1]
    if copy.imagewidth >= last.imagewidth or copy.imagelength >= last.imagelength or copy.dtype != last.dtype:
        return scene
    return replace(scene, stack=((replace(part, pages=(*part.pages, copy)),),))


def _description(page: Any, path: Path) -> tuple[str, tuple[int, ...], bool] | None:
    """Return what tifffile wrote into a page's description: axes, shape, and whether a stack has one page only."""
    text = page.shaped_description
    if not text:
        return None
    try:
        said = text_files.parse_json(text, path, "tifffile's description")
        shape, axes, is_truncated = said["shape"], said.get("axes"), bool(said.get("truncated"))
    except (InputError, KeyError, TypeError, AttributeError):
        return None
    if not isinstance(shape, list) or not 2 <= len(shape) <= _MOST_AXES:
        return None
    if not all(isinstance(size, int) and 0 < size < _LARGEST_SIZE for size in shape):
        return None
    if not isinstance(axes, str) or len(axes) != len(shape):
        axes = "Q" * len(shape)
    return axes, tuple(shape), is_truncated


# ---- OME


def _ome(path: Path, file: Any) -> list[Scene]:
    """Return the scenes of an OME-TIFF file: what of its images is in this file."""
    try:
        root = text_files.parse_xml(file.ome_metadata or "", path, "OME-XML")
    except InputError:
        raise _Unclear("Its OME-XML cannot be read, so each page was taken as a field.") from None
    table = _OmeTable(path, file, root)
    found = [scene for number, image in enumerate(_children(root, "Image")) for scene in table.image(number, image)]
    if not found:
        if table.others or next(_children(root, "BinaryOnly"), None) is not None:
            raise _Unclear("Its OME-XML is in another file, which was not opened, so each page was taken as a field.")
        return []
    whole = [scene for scene, name in zip(found, table.names, strict=True) if not name.startswith(_PHOTOGRAPHS)]
    found = whole or found
    notices = _odds(0, 0, table.unnamed())
    if table.others:
        files = "another file" if len(table.others) == 1 else f"{len(table.others):,} other files"
        notices += (f"Its OME-XML names {files} as well; the planes there are not in this count.",)
    return [replace(scene, notices=scene.notices + notices) for scene in found]


class _OmeTable:
    """Which pages of a file are which planes of which OME images."""

    def __init__(self, path: Path, file: Any, root: Element) -> None:
        self._file = file
        self._own = {path.name.lower()}
        self._uuid = root.get("UUID")
        self._pages = len(file.pages)
        self._used: set[int] = set()
        self.others: set[str] = set()
        self.names: list[str] = []
        named = {
            item.get("FileName", "").lower()
            for image in _children(root, "Image")
            for pixels in _children(image, "Pixels")
            for data in _children(pixels, "TiffData")
            for item in _children(data, "UUID")
        }
        if self._uuid is None and len(named) == 1:
            # One file by itself, whatever it is called now.
            self._own |= named

    def unnamed(self) -> int:
        """Return how many pages are in full size and belong to no image."""
        rest = (self._file.pages.get(number, aspage=True) for number in range(self._pages) if number not in self._used)
        return sum(not page.is_reduced for page in rest)

    def image(self, number: int, image: Element) -> list[Scene]:
        """Return the scenes of one image: its times, each with focus planes and channels."""
        pixels = next(_children(image, "Pixels"), None)
        if pixels is None:
            return []
        sizes = {axis: _whole(pixels, f"Size{axis}") for axis in "ZCT"}
        order = [axis for axis in pixels.get("DimensionOrder", "XYZCT").upper()[2:] if axis in sizes]
        if sorted(order) != ["C", "T", "Z"]:
            order = ["Z", "C", "T"]
        channels = list(_children(pixels, "Channel"))
        samples = _whole(channels[0], "SamplesPerPixel") if channels else 1
        sizes["C"] = max(sizes["C"] // samples, 1)
        planes = self._planes(pixels, order, sizes)
        ranks = _colours(channels) if len(channels) == sizes["C"] else None
        by_time: dict[int, dict[tuple[Any, ...], dict[tuple[Any, ...], Part]]] = {}
        for at, (page, depth) in planes.items():
            z, c, t = (at[axis] for axis in ("Z", "C", "T"))
            for sample in _samples(page[0], samples > 1):
                rank = ranks[c] if ranks else c
                by_time.setdefault(t, {}).setdefault((z,), {})[(rank, sample or 0)] = Part(page, 0, depth, sample)
        notices = _odds(math.prod(sizes.values()), len(planes), 0)
        found = [_scene(by_time[t], image=number, notices=notices) for t in sorted(by_time)]
        self.names += [str(image.get("Name", "")).lower()] * len(found)
        return found

    def _planes(self, pixels: Element, order: Sequence[str], sizes: dict[str, int]) -> Any:
        """Return the page with its copies, and the plane in its depth, of each position."""
        found: dict[_At, tuple[tuple[Any, ...], int]] = {}
        for place, number in self._places(pixels, order, sizes):
            page = self._file.pages.get(number, aspage=True)
            depth = _depth(page)
            levels = (page, *_copies(self._file, page))
            for within in range(depth):
                at = _At(order, sizes, place, within, depth)
                if at.is_inside:
                    found.setdefault(at, (levels, within))
        return found

    def _places(self, pixels: Element, order: Sequence[str], sizes: dict[str, int]) -> Iterator[tuple[int, int]]:
        """Yield positions in the order of the dimensions and the pages that hold them; a page is taken once."""
        total = math.prod(sizes.values())
        blocks = list(_children(pixels, "TiffData"))
        if not blocks:
            yield from self._run(0, 0, min(total, self._pages))
            return
        for block in blocks:
            owner = next(_children(block, "UUID"), None)
            if owner is not None and not self._is_own(owner):
                self.others.add(owner.get("FileName", "") or (owner.text or ""))
                continue
            first = _whole(block, "IFD", 0)
            number = _whole(block, "PlaneCount", _whole(block, "NumPlanes", 1 if "IFD" in block.attrib else total))
            place, step = 0, 1
            for axis in order:
                place += _whole(block, f"First{axis}", 0) * step
                step *= sizes[axis]
            yield from self._run(place, first, min(number, self._pages - first, total - place))

    def _run(self, place: int, first: int, number: int) -> Iterator[tuple[int, int]]:
        """Yield pages that follow each other, up to one that has been taken before."""
        for step in range(number):
            if first + step in self._used:
                return
            self._used.add(first + step)
            yield place + step, first + step

    def _is_own(self, owner: Element) -> bool:
        """Return whether planes are said to be in this file."""
        text = (owner.text or "").strip()
        if self._uuid is not None and text:
            return text == self._uuid
        return owner.get("FileName", "").lower() in self._own or not owner.get("FileName")


class _At(dict[str, int]):
    """A position on the axes Z, C and T."""

    def __init__(self, order: Sequence[str], sizes: dict[str, int], place: int, within: int, depth: int) -> None:
        super().__init__()
        rest = place
        for axis in order:
            # A page with a depth holds that many planes along z.
            length = max(sizes[axis] // depth, 1) if axis == "Z" else sizes[axis]
            self[axis] = rest % length
            rest //= length
        self["Z"] = self["Z"] * depth + within
        self.is_inside = rest == 0 and self["Z"] < sizes["Z"]

    def __hash__(self) -> int:  # type: ignore[override]
        return hash((self["Z"], self["C"], self["T"]))


def _colours(channels: Sequence[Element]) -> list[int] | None:
    """Return where red, green and blue channels belong when a picture has just these three, else None."""
    said = []
    for channel in channels:
        try:
            said.append(int(channel.get("Color", "")) >> 8 & 0xFFFFFF)
        except ValueError:
            return None
    wanted = [_RED, _GREEN, _BLUE]
    return [wanted.index(colour) for colour in said] if sorted(said) == sorted(wanted) else None


def _children(element: Element, name: str) -> Iterator[Element]:
    """Yield the children of a name, whatever their namespace."""
    return (child for child in element if child.tag.rpartition("}")[2] == name)


def _whole(element: Element, name: str, usual: int = 1) -> int:
    """Return an attribute that is a whole number from 0, ``usual`` where there is none that can be used."""
    text = element.get(name, "")
    value = int(text) if re.fullmatch(r"[0-9]{1,12}", text) else usual
    return max(value, 1) if usual == 1 and not name.startswith("IFD") else value


# ---- Leica SCN


def _scn(path: Path, file: Any) -> list[Scene]:
    """Return the scenes of a Leica SCN file; the picture of the whole slide is left out."""
    try:
        root = text_files.parse_xml(file.pages.first.description, path, "Leica XML")
    except InputError:
        raise _Unclear("Its Leica XML cannot be read, so each page was taken as a field.") from None
    pages = len(file.pages)
    found: list[Scene] = []
    for image in (item for collection in _children(root, "collection") for item in _children(collection, "image")):
        pixels, view = next(_children(image, "pixels"), None), next(_children(image, "view"), None)
        if pixels is None:
            continue
        levels: dict[tuple[int, int], dict[int, int]] = {}
        for dimension in _children(pixels, "dimension"):
            number = _whole(dimension, "ifd", pages)
            if number < pages:
                place = _whole(dimension, "z", 0), _whole(dimension, "c", 0)
                levels.setdefault(place, {})[_whole(dimension, "r", 0)] = number
        planes: dict[tuple[Any, ...], dict[tuple[Any, ...], Part]] = {}
        for (z, channel), copies in levels.items():
            chosen = tuple(file.pages.get(number, aspage=True) for _, number in sorted(copies.items()))
            planes.setdefault((z,), {})[(channel,)] = Part(chosen)
        if planes:
            across, over = _whole(pixels, "sizeX"), _whole(view, "sizeX", 0) if view is not None else 0
            # Lengths are in nanometres.
            found.append(_scene(planes, pixel_size_um=over / across / 1000 if over and across else None))
    finest = min((scene.pixel_size_um for scene in found if scene.pixel_size_um), default=None)
    if finest is None:
        return found
    return [scene for scene in found if (scene.pixel_size_um or finest) <= _OVERVIEW * finest]
