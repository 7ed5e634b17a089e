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
from napari_diatom.diagnostics.problem import Problem
from napari_diatom.models import library

LITTLE_GB: Final = 2.0
"""Free space below which a long count, or a training, may not end well."""
SOFTWARE: Final = ("llvmpipe", "softpipe", "swrast", "swiftshader", "software", "gdi generic", "basic render")
"""What names of OpenGL's renderers hold that draw on the processor."""
_PATIENCE_SECONDS: Final = 60
_MARK: Final = "OpenGL:"
RENDERER: Final = "napari_diatom.diagnostics.machine:print_renderer"
"""The function that is asked in a separate process what draws OpenGL."""


@dataclass(frozen=True)
class Folder:
    """A folder that napari-diatom writes to.

    Attributes
    ----------
    title : str
        What is in it.
    path : Path
        Where it is; made when it is needed.
    fault : str
        Why it cannot be written to; empty where it can.
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
    return [_looked_at(title, Path(path)) for title, path in own.items()]


def folder_problems(known: list[Folder]) -> Iterator[Problem]:
    """Yield what is wrong with folders; a full disk is named once."""
    little: dict[float, Folder] = {}
    for folder in known:
        if folder.fault:
            yield Problem(
                f"The folder for {folder.title}, {folder.path}, cannot be written to: {folder.fault}",
                "Give yourself permission to write there, or remove what is in the way."
                + (" NAPARI_DIATOM_MODELS names another folder." if folder.title == "models" else ""),
            )
        elif folder.free_gb < LITTLE_GB:
            little.setdefault(round(folder.free_gb, 1), folder)
    for folder in little.values():
        yield Problem(
            f"The disk of {folder.path} has {folder.free_gb:.1f} GB left.",
            "Free some space: large images, trainings and models need several GB.",
        )


def print_renderer() -> None:
    """Print the name of what draws OpenGL behind a mark, and end this process."""
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


def renderer(target: str = RENDERER) -> str | None:
    """Return the name of what draws OpenGL, empty where nothing does, and None where that cannot be found out.

    It is asked in a separate process, that ends at once, since a fault of a driver ends the process that asks.
    """
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return None
    try:
        done = run(target, timeout=_PATIENCE_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
    return lines[-1].removeprefix(_MARK).strip() if lines else None


def renderer_problems(name: str | None) -> Iterator[Problem]:
    """Yield what is wrong with OpenGL."""
    if name == "":
        yield Problem(
            "OpenGL is missing, so napari cannot show images.",
            "Install the driver of your graphics card. Over Remote Desktop, set QT_OPENGL=software.",
        )
    elif name is not None and any(word in name.lower() for word in SOFTWARE):
        yield Problem(
            f"OpenGL is drawn in software ({name}): large images move slowly in the window. Results are the same.",
            "Install the driver of your graphics card. On a virtual or a remote machine there may be none to install.",
        )


def _looked_at(title: str, path: Path) -> Folder:
    """Return what is known of a folder, without making it."""
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
