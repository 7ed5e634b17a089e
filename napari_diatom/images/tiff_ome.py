"""Scenes of OME-TIFF files: which pages are which planes of which images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from napari_diatom.core import text_files
from napari_diatom.core.errors import InputError
from napari_diatom.images.tiff_scenes import (
    PHOTOGRAPHS,
    AmbiguousAxesError,
    Part,
    Scene,
    copies_of,
    depth_of,
    odds,
    samples_of,
    scene_of,
)
from napari_diatom.images.xml_elements import children, whole_number

_RED, _GREEN, _BLUE = 0xFF0000, 0x00FF00, 0x0000FF


def of_ome(path: Path, file: Any) -> list[Scene]:
    """Return the scenes of an OME-TIFF file: what of its images is in this file."""
    try:
        root = text_files.parse_xml(file.ome_metadata or "", path, "OME-XML")
    except InputError:
        raise AmbiguousAxesError("Its OME-XML cannot be read, so each page was used as a field.") from None
    table = _OmeTable(path, file, root)
    found = [scene for number, image in enumerate(children(root, "Image")) for scene in table.image(number, image)]
    if not found:
        if table.others or next(children(root, "BinaryOnly"), None) is not None:
            raise AmbiguousAxesError(
                "Its OME-XML is in another file, which was not opened, so each page was used as a field."
            )
        return []
    whole = [scene for scene, name in zip(found, table.names, strict=True) if not name.startswith(PHOTOGRAPHS)]
    found = whole or found
    notices = odds(0, 0, table.unnamed())
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
            for image in children(root, "Image")
            for pixels in children(image, "Pixels")
            for data in children(pixels, "TiffData")
            for item in children(data, "UUID")
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
        pixels = next(children(image, "Pixels"), None)
        if pixels is None:
            return []
        sizes = {axis: whole_number(pixels, f"Size{axis}") for axis in "ZCT"}
        order = [axis for axis in pixels.get("DimensionOrder", "XYZCT").upper()[2:] if axis in sizes]
        if sorted(order) != ["C", "T", "Z"]:
            order = ["Z", "C", "T"]
        channels = list(children(pixels, "Channel"))
        samples = whole_number(channels[0], "SamplesPerPixel") if channels else 1
        sizes["C"] = max(sizes["C"] // samples, 1)
        planes = self._planes(pixels, order, sizes)
        ranks = _colours(channels) if len(channels) == sizes["C"] else None
        by_time: dict[int, dict[tuple[Any, ...], dict[tuple[Any, ...], Part]]] = {}
        for at, (page, depth) in planes.items():
            z, c, t = (at[axis] for axis in ("Z", "C", "T"))
            for sample in samples_of(page[0], samples > 1):
                rank = ranks[c] if ranks else c
                by_time.setdefault(t, {}).setdefault((z,), {})[(rank, sample or 0)] = Part(page, 0, depth, sample)
        notices = odds(math.prod(sizes.values()), len(planes), 0)
        found = [scene_of(by_time[t], image=number, notices=notices) for t in sorted(by_time)]
        self.names += [str(image.get("Name", "")).lower()] * len(found)
        return found

    def _planes(self, pixels: Element, order: Sequence[str], sizes: dict[str, int]) -> Any:
        """Return the page with its copies, and the plane in its depth, of each position."""
        found: dict[_At, tuple[tuple[Any, ...], int]] = {}
        for place, number in self._places(pixels, order, sizes):
            page = self._file.pages.get(number, aspage=True)
            depth = depth_of(page)
            levels = (page, *copies_of(self._file, page))
            for within in range(depth):
                at = _At(order, sizes, place, within, depth)
                if at.is_inside:
                    found.setdefault(at, (levels, within))
        return found

    def _places(self, pixels: Element, order: Sequence[str], sizes: dict[str, int]) -> Iterator[tuple[int, int]]:
        """Yield positions in the order of the dimensions and the pages that hold them; a page is taken once."""
        total = math.prod(sizes.values())
        blocks = list(children(pixels, "TiffData"))
        if not blocks:
            yield from self._run(0, 0, min(total, self._pages))
            return
        for block in blocks:
            owner = next(children(block, "UUID"), None)
            if owner is not None and not self._is_own(owner):
                self.others.add(owner.get("FileName", "") or (owner.text or ""))
                continue
            first = whole_number(block, "IFD", 0)
            usual = 1 if "IFD" in block.attrib else total
            number = whole_number(block, "PlaneCount", whole_number(block, "NumPlanes", usual))
            place, step = 0, 1
            for axis in order:
                place += whole_number(block, f"First{axis}", 0) * step
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
