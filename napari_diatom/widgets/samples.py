"""Rendering an example slide while the window stays alive."""

from __future__ import annotations

from pathlib import Path

from napari.utils import progress
from qtpy.QtCore import QEventLoop, QProcess

from napari_diatom.contributions import render_command, rendered


def render_aside(name: str, file: Path) -> None:
    """Render an example slide into ``file`` in a process of its own, and go on with the window's events meanwhile.

    napari wants a sample's data as the return value of a call, so the call waits in an event loop of its own.

    Raises
    ------
    OutputError
        When the process failed.
    """
    process = QProcess()
    loop = QEventLoop()
    process.finished.connect(loop.quit)
    process.errorOccurred.connect(loop.quit)
    program, *arguments = render_command(name, file)
    with progress(desc=f"Rendering {name}", total=0):
        process.start(program, arguments)
        loop.exec()
    rendered(file, bytes(process.readAllStandardError().data()).decode("utf-8", "replace"))
