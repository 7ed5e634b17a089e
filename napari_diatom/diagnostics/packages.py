"""Installed packages, and those of them that do not go together. Nothing is imported to find that out."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata, util
from typing import Final

from napari_diatom.core.errors import InputError
from napari_diatom.core.text_files import parse_lines
from napari_diatom.diagnostics.problem import Problem

BINDINGS: Final = {"PyQt6": "pyqt6-qt6", "PySide6": "pyside6", "PyQt5": "pyqt5-qt5", "PySide2": "pyside2"}
"""Bindings of Qt, and the package whose version is that of Qt itself."""
ULTRALYTICS: Final = ("ultralytics-opencv-headless", "ultralytics")
"""Distributions of one package: both own the same files. The first is the one that napari-diatom needs."""
OPENCV: Final = (
    *("opencv-python-headless", "opencv-python"),
    *("opencv-contrib-python-headless", "opencv-contrib-python"),
)
"""The same of OpenCV."""
LIBRARIES: Final = (
    *("napari", "npe2", "qtpy", "vispy", "numpy", "scipy", "pandas", "scikit-image", "shapely", "torch", "torchvision"),
    *("pytorch-lightning", "openvino", "tifffile", "imagecodecs", "pillow"),
)


def normalized(name: str) -> str:
    """Return the name of a distribution as all its spellings have it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed() -> dict[str, metadata.Distribution]:
    """Return all distributions by their normalized names; of several of a name, the one that Python imports."""
    found: dict[str, metadata.Distribution] = {}
    for distribution in metadata.distributions():
        # What an interrupted removal has left has no name.
        name: str | None = distribution.metadata["Name"]
        if name:
            found.setdefault(normalized(name), distribution)
    return found


def bindings(found: Mapping[str, metadata.Distribution]) -> list[str]:
    """Return the bindings of Qt that are installed, as names of packages."""
    # conda installs some of them without the data of a distribution.
    return [name for name in BINDINGS if name.lower() in found or util.find_spec(name) is not None]


def installed_versions(found: Mapping[str, metadata.Distribution]) -> Iterator[tuple[str, str]]:
    """Yield what is installed, with its version; a group of distributions in one line."""
    for name in LIBRARIES:
        yield name, found[name].version if name in found else "not installed"
    for title, names in (("ultralytics", ULTRALYTICS), ("OpenCV", OPENCV)):
        there = [f"{name} {found[name].version}" for name in names if name in found]
        yield title, ", ".join(there) or "not installed"
    there = []
    for name in bindings(found):
        version = found[name.lower()].version if name.lower() in found else ""
        qt = BINDINGS[name]
        there.append(f"{name} {version}".rstrip() + (f" (Qt {found[qt].version})" if qt in found else ""))
    yield "Qt binding", ", ".join(there) or "none"
    yield "QT_API", os.environ.get("QT_API", "not set")
    plugins = sorted(
        f"{name} {distribution.version}"
        for name, distribution in found.items()
        if name not in ("napari", "napari-diatom")
        and any(point.group == "napari.manifest" for point in distribution.entry_points)
    )
    yield "other plugins", ", ".join(plugins) or "none"


def problems(found: Mapping[str, metadata.Distribution]) -> Iterator[Problem]:
    """Yield what does not go together, or is missing."""
    both = [name for name in ULTRALYTICS if name in found]
    if len(both) > 1:
        yield Problem(
            "ultralytics and ultralytics-opencv-headless are installed side by side, for instance because another "
            "plugin brought the first. Both own the same files: removing or updating one breaks the other.",
            f"Keep the headless one: {pip('uninstall ultralytics')}, then {_again('ultralytics-opencv-headless')}",
        )
    several = [name for name in OPENCV if name in found]
    if len(several) > 1:
        kept = several[0]
        yield Problem(
            f"Several distributions of OpenCV are installed ({', '.join(several)}). They own the same files, and their "
            "copies of Qt can keep napari from starting.",
            f"Keep one: {pip('uninstall ' + ' '.join(several[1:]))}, then {_again(kept)}",
        )
    if not both:
        yield Problem("Ultralytics is not installed, so no YOLO model can run.", pip(f"install {ULTRALYTICS[0]}"))
    if not several:
        yield Problem("OpenCV is not installed, so no image can be analysed.", pip(f"install {OPENCV[0]}"))
    for name in (*both[:1], *several[:1]):
        if gone := _missing(found[name]):
            yield Problem(
                f"{name} is installed, but {gone} of its files are missing, for instance because a package that owns "
                "the same files was removed.",
                _again(name),
            )
    qt = bindings(found)
    if not qt:
        yield Problem("No Qt binding is installed, so napari cannot open a window.", pip('install "napari[pyqt6]"'))
    elif len(qt) > 1 and not os.environ.get("QT_API"):
        yield Problem(
            f"Several Qt bindings are installed ({', '.join(qt)}), and it is not certain which one napari uses. A "
            "program that loads two of them can crash.",
            f"Keep one, such as {qt[0]}: {pip('uninstall ' + ' '.join(qt[1:]))}. Or set QT_API={qt[0].lower()}.",
        )


def pip(arguments: str) -> str:
    """Return a command for this Python's pip."""
    python = "python" if sys.prefix != sys.base_prefix or os.environ.get("CONDA_PREFIX") else sys.executable
    return f"{python} -m pip {arguments}"


def _again(name: str) -> str:
    """Return the command that installs a package again, without what it depends on."""
    return pip(f"install --force-reinstall --no-deps {name}")


def _missing(distribution: metadata.Distribution) -> int:
    """Return how many files of a distribution are gone; files that Python compiles by itself do not count."""
    # What is gone is left out of the files that importlib lists.
    try:
        lines = parse_lines(distribution.read_text("RECORD") or "", distribution.metadata["Name"], "a list of files")
    except InputError:
        return 0
    listed = [cells[0] for _, cells in lines if cells and not cells[0].endswith(".pyc")]
    return sum(not os.path.lexists(str(distribution.locate_file(file))) for file in listed)
