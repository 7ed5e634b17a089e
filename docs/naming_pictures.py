"""Take the pictures of names by example: the naming mode and the pages of the dock *Names*, on a laptop's screen.

Set-up: as for ``screenshots.py``. Run with
``xvfb-run -a -s '-screen 0 1366x768x24' python docs/naming_pictures.py``; the pictures go to ``docs/images``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

sys.path.insert(0, str(Path(__file__).parent))
import screenshots
from screenshots import click, make_project, open_dock, spin, take

if TYPE_CHECKING:
    from napari_diatom.widgets.annotate.widget import AnnotateWidget

SIZE: Final = (1366, 768)
TAUGHT: Final = 6
"""Specimens of each class that are named before."""
SLIDE: Final = "stream_crowded_20x"
PAGES: Final = ("similar", "groups", "next", "check", "taxa", "map")
_MINUTES: Final = 300.0


def main() -> int:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?", default=Path(__file__).parent / "images")
    parser.add_argument("--embedder", type=Path, help="another embedder than the bundled one")
    options = parser.parse_args()
    import napari

    from napari_diatom.analysis import worker_process
    from napari_diatom.models import library

    if options.embedder is not None:
        library.EMBEDDER = str(options.embedder)  # type: ignore[misc]
    options.out.mkdir(parents=True, exist_ok=True)
    viewer = napari.Viewer(show=True)
    window = viewer.window._qt_window
    window.resize(*SIZE)
    widget = open_dock(viewer, "Annotate diatoms")
    widget.open_project(unnamed_project(Path(screenshots._FOLDER.name)))
    widget.open_image(SLIDE)
    spin(2)
    click(widget, "naming_mode")
    look(widget)
    spin(3)
    take(window, options.out / "naming_mode.png")
    click(widget, "naming_mode")
    click(widget, "show_names")
    spin(1)
    dock = widget.names_dock()
    assert dock is not None
    for name in PAGES:
        page = getattr(dock, name)
        dock.show_page(page)
        if name == "similar":
            page.show_like()
        spin(8)
        take(window, options.out / f"names_{name}.png")
    widget.close_project()
    viewer.close()
    worker_process.close()
    return 0


def look(widget: AnnotateWidget) -> None:
    """Wait until all specimens have been looked at."""
    session: Any = widget.names()
    spin(_MINUTES, until=lambda: session.names is not None and not session.is_reading)
    spin(_MINUTES, until=lambda: not session.is_looking)


def unnamed_project(folder: Path) -> Path:
    """Return a project in which only some specimens of each class have a name."""
    from collections import Counter

    from napari_diatom.project.project import Project

    made = make_project(folder, done=True)
    with Project.open(made) as project:
        project.classes.add("diatom")
        taught: Counter[str] = Counter()
        for image in project.images:
            document = project.document(image.id)
            left = []
            for id_, item in document.specimens.items():
                taught[item.name] += image.id == SLIDE
                if taught[item.name] > TAUGHT or image.id != SLIDE:
                    left.append(id_)
            if left:
                document.set_class(left, "diatom")
            project.release(image.id)
    return made


if __name__ == "__main__":
    sys.exit(main())
