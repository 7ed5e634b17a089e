"""Which files are meant by files, folders and patterns, and which images among them cannot be read.

A file that looks like a microscope image and is skipped is named with its reason: one that is left out in silence
would make counts too low.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_diatom.core.atomic_files import reason
from napari_diatom.core.errors import InputError
from napari_diatom.core.text import many
from napari_diatom.images.microscopes import kinds, xlif_links

SLIDES: Final = (".svs", ".ndpi", ".scn", ".bif", ".qptiff", ".lsm", ".stk", ".flex")
"""TIFF files of slide scanners and microscopes, by the names that their programs give them."""
SUFFIXES: Final = (
    *(".tif", ".tiff", ".btf", ".tf2", ".tf8"),
    *SLIDES,
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib"),
    *kinds.SUFFIXES,
)
"""Files that are taken from folders; a file that is named itself may be called anything."""

RESULTS_MARK: Final = ".napari-diatom"
"""A folder that holds this entry holds results, ..."""
RESULT_FOLDERS: Final = ("annotations", "overlays", "masks")
"""... and in these folders there are no images to count."""

_CAMERA_RAW: Final = (
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw"),
    *(".orf", ".pef", ".raf", ".rw2", ".sr2", ".srf", ".srw", ".x3f"),
)
_PICTURES: Final = (
    *(".avif", ".gif", ".heic", ".heif", ".j2k", ".jp2", ".jpf", ".jpx", ".jxl"),
    *(".pbm", ".pcx", ".pgm", ".pnm", ".ppm", ".psd", ".tga", ".webp"),
)
"""Pictures of other kinds; some are read when they are named themselves."""
_MICROSCOPES: Final[Mapping[str, tuple[str, ...]]] = {
    "ZEN": (".czi", ".zvi", ".czsh"),
    "NIS-Elements": (".nd2",),
    "LAS X": (".lif", ".lof", ".xlif", ".xlef", ".xllf", ".lei"),
    "cellSens or FLUOVIEW": (".vsi", ".oib", ".oif", ".oir", ".poir"),
    "SlideViewer": (".mrxs",),
    "NDP.view": (".ndpis", ".vms", ".vmu"),
    "the scanner's program": (
        *(".isyntax", ".i2syntax", ".kfb", ".kfbf", ".sdpc", ".dyqx", ".mds", ".mdsx", ".tmap", ".tron", ".vmic"),
        *(".szi", ".svslide", ".dcm", ".dicom"),
    ),
    "softWoRx": (".dv", ".r3d"),
    "Imaris": (".ims",),
    "SlideBook": (".sld", ".sldy", ".sldyz"),
    "the microscope's program": (".ics", ".mvd2", ".pic", ".al3d", ".vk4", ".vk6", ".dm3", ".dm4", ".ozx"),
}
"""Files of microscopes and scanners that are not TIFF, by the program that exports them."""
_PROGRAMS: Final = {suffix: program for program, suffixes in _MICROSCOPES.items() for suffix in suffixes}
_ZARR: Final = kinds.FOLDERS
_OTHER_ARRAYS: Final = (".n5",)
"""Folders that are images of a kind that is not read."""
_PLANES: Final = ".oif.files"
"""Folders beside an OIF file, with its planes as TIFF files that are not fields of their own."""

_KINDS: Final[Sequence[tuple[Callable[[int], bool], str]]] = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@dataclass(frozen=True)
class SkippedFile:
    """A file or folder that looks like an image, or was named as one, and is not read; ``reason`` is a sentence."""

    path: Path
    reason: str


@dataclass(frozen=True)
class FoundImages:
    """What inputs stand for.

    Attributes
    ----------
    images : tuple of Path
        Image files, each once.
    passed_over : tuple of SkippedFile
        What is not read.
    """

    images: tuple[Path, ...]
    passed_over: tuple[SkippedFile, ...]


def search(inputs: Sequence[str]) -> FoundImages:
    """Return the image files that are meant by files, folders and patterns, and what is skipped.

    Folders are searched with their subfolders, in natural order (``a2`` before ``a10``); hidden entries and the
    overlays of earlier runs are left out. A file that is meant twice is returned once.

    Raises
    ------
    InputError
        When an input does not exist, cannot be looked into, or holds no image; or when no image is left at all.
    """
    images: dict[str, Path] = {}
    passed: dict[str, SkippedFile] = {}
    roots = [os.path.realpath(text) for text in inputs if "\0" not in text and os.path.isdir(text)]
    for text in inputs:
        try:
            found = _meant(text, roots)
        except OSError as error:
            raise InputError(f"{error.filename or text} cannot be read: {reason(error)}") from error
        except ValueError:  # a NUL
            raise InputError(f"{text!r} is not the name of a file.") from None
        for file in found.images:
            images.setdefault(os.path.realpath(file), file)
        for item in found.passed_over:
            passed.setdefault(os.path.realpath(item.path), item)
    if not images:
        first, *others = passed.values()
        more = f" {many(len(others), 'other')} cannot be read either." if others else ""
        raise InputError(f"No image can be read. {first.reason}{more}")
    return FoundImages(tuple(images.values()), tuple(passed.values()))


def find_images(inputs: Sequence[str]) -> list[Path]:
    """Return the image files that :func:`search` finds."""
    return list(search(inputs).images)


def advice(path: Path) -> str | None:
    """Return what to do with an image of a kind that is not read, as a sentence; None for other files."""
    suffix = path.suffix.lower()
    if suffix in SLIDES:
        return "Open it in QuPath or Fiji and export it as TIFF."
    if suffix in _PROGRAMS:
        return f"Export it as TIFF with {_PROGRAMS[suffix]}, or with Fiji (Bio-Formats)."
    if suffix in (*_ZARR, *_OTHER_ARRAYS):
        return "Export it as TIFF, with Fiji for example."
    if suffix in _CAMERA_RAW:
        return "Develop it as TIFF with the camera's program."
    return "Save it as TIFF or PNG." if suffix in _PICTURES else None


def irregular(path: Path) -> str | None:
    """Return what a path is when it is neither a file nor a folder, as a sentence: reading it could wait without end.

    Raises
    ------
    OSError
        When it is not there, or may not be looked at.
    """
    mode = path.stat().st_mode
    kind = next((words for test, words in _KINDS if test(mode)), None)
    return kind and f"{path} is {kind} and not an image file. Name the file that holds the image."


def _meant(text: str, roots: Sequence[str]) -> FoundImages:
    """Return what one input stands for, at least one image or one thing that is skipped."""
    path = Path(text)
    if path.exists():
        found = _Search(roots)
        found.take(path, by_name=True)
        if path.is_dir() and not found:
            raise InputError(f"{text} holds no images ({', '.join(SUFFIXES)}).")
        return found.result()
    matches = [Path(match) for match in glob.glob(text, recursive=True)] if glob.has_magic(text) else []
    if not matches:
        raise InputError(f"{text} does not exist.")
    found = _Search(roots)
    for match in sorted(matches, key=_natural):
        found.take(match)
    if not found:
        raise InputError(f"{text} matches no images ({', '.join(SUFFIXES)}).")
    return found.result()


class _Search:
    """Collects images and what is skipped; ``roots`` are the folders that are searched anyway."""

    def __init__(self, roots: Sequence[str]) -> None:
        self._roots = roots
        self._images: list[Path] = []
        self._passed: list[SkippedFile] = []

    def __bool__(self) -> bool:
        return bool(self._images or self._passed)

    def result(self) -> FoundImages:
        linked: set[str] = set()
        for path in self._images:
            if path.suffix.lower() == xlif_links.SUFFIX:
                with contextlib.suppress(InputError):  # opening it says what is wrong
                    links = xlif_links.linked_files(path)
                    linked.update(os.path.realpath(file) for file in links if file.suffix.lower() == ".lof")
        # The pixels of an XLIF file are not an image of their own.
        images = (path for path in self._images if os.path.realpath(path) not in linked)
        return FoundImages(tuple(images), tuple(self._passed))

    def take(self, path: Path, by_name: bool = False) -> None:
        """Take a file or a folder; one that is given by its name may be called anything."""
        if path.is_dir():
            if not self._image_folder(path):
                self._folder(path)
        elif by_name:
            is_known = path.name.lower().endswith(kinds.SUFFIXES)
            self._file(path, is_known or path.suffix.lower() not in (*_PROGRAMS, *_CAMERA_RAW))
        else:
            self._listed(path)

    def _listed(self, path: Path) -> None:
        """Take a file that was found in a folder or by a pattern, if it looks like an image."""
        known = path.name.lower().endswith(SUFFIXES)
        if known or advice(path):
            self._file(path, known)

    def _file(self, path: Path, is_read: bool) -> None:
        try:
            fault = irregular(path)
        except FileNotFoundError:  # a link that leads nowhere: reading it says so
            fault = None
        if fault:
            self._passed.append(SkippedFile(path, fault))
        elif is_read:
            self._readable(path)
        else:
            self._pass(path)

    def _readable(self, path: Path) -> None:
        """Take an image, unless what reads it is not installed."""
        if (fault := kinds.not_installed(path)) is None:
            self._images.append(path)
        else:
            self._passed.append(SkippedFile(path, f"{fault} {advice(path) or ''}".rstrip()))

    def _pass(self, path: Path) -> None:
        self._passed.append(SkippedFile(path, f"{path} has an unsupported format. {advice(path)}"))

    def _folder(self, folder: Path) -> None:
        """Take the images in a folder and its subfolders, in natural order."""

        def refuse(error: OSError) -> None:
            # A folder that is skipped in silence would make the counts too low.
            raise error

        for root, folders, files in os.walk(folder, onerror=refuse):
            passed = RESULT_FOLDERS if RESULTS_MARK in folders else ()
            below = sorted((name for name in folders if not name.startswith(".") and name not in passed), key=_natural)
            folders[:] = [name for name in below if self._is_searched(Path(root, name))]
            for name in sorted(files, key=_natural):
                if not name.startswith("."):
                    self._listed(Path(root, name))

    def _image_folder(self, path: Path) -> bool:
        """Take a folder that is an image in itself, or one of a kind that is not read; return whether it is."""
        name = path.name.lower()
        if name.endswith(_OTHER_ARRAYS):
            self._pass(path)
        elif name.endswith(_ZARR) or kinds.is_image_folder(path):
            self._readable(path)
        else:
            return False
        return True

    def _is_searched(self, path: Path) -> bool:
        """Return whether a subfolder is looked into; one that is not is named."""
        name = path.name.lower()
        if self._image_folder(path):
            return False
        if name.endswith(_PLANES):
            text = f"{path} holds the planes of an OIF file. {advice(Path('a.oif'))}"
            self._passed.append(SkippedFile(path, text))
            return False
        if path.is_symlink() and not any(_is_within(os.path.realpath(path), root) for root in self._roots):
            text = (
                f"{path} is a link to another folder, which is not followed. To include that folder, name it as well."
            )
            self._passed.append(SkippedFile(path, text))
        return True


def _is_within(path: str, folder: str) -> bool:
    """Return whether a path is a folder or lies in it."""
    try:
        return os.path.commonpath([path, folder]) == folder
    except ValueError:  # on another drive
        return False


def _natural(path: str | Path) -> tuple[list[tuple[int, int, str]], str]:
    """Return a key that sorts numbers within names by their value, the same on every system."""
    parts = re.split(r"([0-9]+)", str(path).lower())
    return [(0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts], str(path)
