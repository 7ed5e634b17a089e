"""The machine: folders that can be written to, and how the window is drawn."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from platformdirs import user_cache_dir, user_config_dir, user_data_dir

from napari_diatom.core.atomic_files import reason
from napari_diatom.core.processes import run
from napari_diatom.diagnostics.advice import Advice
from napari_diatom.models import library

LITTLE_GB: Final = 2.0
"""Free space below which a long count or a training may fail."""
SOFTWARE: Final = ("llvmpipe", "softpipe", "swrast", "swiftshader", "software", "gdi generic", "basic render")
"""Parts of the names of OpenGL renderers that draw on the processor."""
_PATIENCE_SECONDS: Final = 60
_MARK: Final = "OpenGL:"
RENDERER: Final = "napari_diatom.diagnostics.machine:print_renderer"
"""The function that finds the OpenGL renderer, in a separate process."""


@dataclass(frozen=True)
class Folder:
    """A folder that napari-diatom writes to.

    Attributes
    ----------
    title : str
        What is in it.
    path : Path
        Where it is. It is made when it is needed.
    fault : str
        Why it cannot be written to, empty if it can.
    free_gb : float
        Free space on its disk in GB.
    """

    title: str
    path: Path
    fault: str
    free_gb: float


def folders() -> list[Folder]:
    """Return the folders that napari-diatom writes to."""
    own: dict[str, str | Path] = {
        "cache": user_cache_dir("napari-diatom", appauthor=False),
        "models": library.user_folder(),
        "data": user_data_dir("napari-diatom", appauthor=False),
        "settings": user_config_dir("napari-diatom", appauthor=False),
        "temporary files": tempfile.gettempdir(),
    }
    return [_inspect(title, Path(path)) for title, path in own.items()]


def folder_problems(known: list[Folder]) -> Iterator[Advice]:
    """Yield the problems of folders, and a full disk once."""
    little: dict[float, Folder] = {}
    for folder in known:
        if folder.fault:
            yield Advice(
                f"The folder for {folder.title}, {folder.path}, cannot be written to: {folder.fault}",
                "Give yourself permission to write there, or remove what is in the way."
                + (" NAPARI_DIATOM_MODELS names another folder." if folder.title == "models" else ""),
            )
        elif folder.free_gb < LITTLE_GB:
            little.setdefault(round(folder.free_gb, 1), folder)
    for folder in little.values():
        yield Advice(
            f"The disk of {folder.path} has {folder.free_gb:.1f} GB left.",
            "Free some space: large images, trainings and models need several GB.",
        )


def print_renderer() -> None:
    """Print a mark and the name of the OpenGL renderer, and end this process."""
    from qtpy.QtGui import QOffscreenSurface, QOpenGLContext
    from qtpy.QtWidgets import QApplication

    # It must not be collected while the context is in use.
    application = QApplication([])  # noqa: F841
    surface = QOffscreenSurface()
    surface.create()
    context = QOpenGLContext()
    name = ""
    if context.create() and context.makeCurrent(surface):
        from vispy.gloo import gl  # type: ignore[import-untyped]

        name = gl.glGetParameter(gl.GL_RENDERER)
    print(_MARK, name, flush=True)
    os._exit(0)


def has_display() -> bool:
    """Return whether this process can expect a display. On macOS and Windows it always can."""
    names = ("DISPLAY", "WAYLAND_DISPLAY")
    return not sys.platform.startswith("linux") or any(os.environ.get(name) for name in names)


def renderer(target: str = RENDERER) -> str | None:
    """Return the name of the OpenGL renderer, empty if OpenGL is missing, None if that cannot be found out.

    A separate process finds it, because a display that cannot be opened, or a faulty driver, ends the process.
    """
    if not has_display():
        return None
    try:
        done = run(target, timeout=_PATIENCE_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
    return lines[-1].removeprefix(_MARK).strip() if lines else None


def renderer_text(name: str | None) -> str:
    """Return the OpenGL renderer as the checkup shows it."""
    if name is None:
        return "not known" if has_display() else "not known: there is no screen"
    return name or "none"


def renderer_advice(name: str | None) -> Iterator[Advice]:
    """Yield what the user should know about OpenGL."""
    if name is None and has_display():
        yield Advice(
            "OpenGL cannot be checked: the display cannot be opened, or the graphics driver does not answer. Without a "
            "display napari cannot open its window. The command line and Python work without it.",
            "If napari opens, do nothing. Otherwise check the environment variable DISPLAY, or install the driver of "
            "your graphics card.",
            "note",
        )
    elif name == "":
        yield Advice(
            "OpenGL is missing, so napari cannot show images.",
            "Install the driver of your graphics card. Over Remote Desktop, set QT_OPENGL=software.",
        )
    elif name is not None and any(word in name.lower() for word in SOFTWARE):
        yield Advice(
            f"OpenGL runs in software ({name}), on the processor. The window is slower with large images. Results are "
            "the same.",
            "On your own computer, install the driver of your graphics card. On a server, on a virtual machine or "
            "under Xvfb this is normal: do nothing.",
            "note",
        )


def _inspect(title: str, path: Path) -> Folder:
    """Check whether a folder can be written to, without making it."""
    there = path
    fault, free = "", 0.0
    try:
        while not there.exists() and there != there.parent:
            there = there.parent
        if not there.is_dir():
            return Folder(title, path, f"{there} is a file.", free)
        free = shutil.disk_usage(there).free / 1e9
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        fault = reason(error)
    return Folder(title, path, fault, free)
