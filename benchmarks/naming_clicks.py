"""How many keys and clicks it takes to name 400 valves of 25 taxa, with names by example and without.

The valves are rendered ones that no embedder was learnt from. They lie on eight slides, in boxes of the class
``diatom``; the project lists the 25 taxa, each with a code of four letters, and nothing is named to begin with. A
driver knows the right names, sends real events of Qt to the window and counts them:

- *without*: each valve is clicked and gets its class, by its key where it has one, else by a click into the search
  field, its code and Enter;
- *naming mode*: a key takes one of three suggestions, and the next valve comes; where the name is not among them, C,
  the code and Enter give it;
- *groups, then naming mode*: groups of similar valves are named first. Those of other taxa are picked out by a click
  each; of a group without a majority nothing is named.

Looking at pictures, and moving the view, is not counted.

Set-up: ``pip install -e '.[test,benchmark]'``, and on Linux without a screen Xvfb and the system libraries of Qt,
which ``scripts/test`` installs. Run with
``xvfb-run -a -s '-screen 0 1366x768x24' python benchmarks/naming_clicks.py WORK``; the valves are rendered into WORK
the first time, which takes minutes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from window_driver import Driver

_FOLDER: Final = tempfile.TemporaryDirectory(prefix="napari-diatom-benchmark-", ignore_cleanup_errors=True)
os.environ["NAPARI_CONFIG"] = str(Path(_FOLDER.name) / "settings.yaml")
os.environ.setdefault("QT_API", "pyqt6")

TAXA, EACH, SLIDES = 25, 16, 8
FIRST_TAXON, STUDY, RENDERED = 100, 100, 30
"""Those that ``names.py`` measures on."""
SLIDE_WIDTH = 4000
CODE_LETTERS = 4
KEYS = "123456789"


def main() -> int:
    """Name the valves in all ways, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder of the rendered valves")
    ways: dict[str, Callable[[Driver, dict[str, str]], None]] = {
        "without": without,
        "naming mode": naming_mode,
        "groups, then naming mode": groups_first,
    }
    parser.add_argument("--ways", nargs="+", choices=tuple(ways), help="some of the ways; all by default")
    parser.add_argument("--embedder", help="another embedder than the bundled one")
    options = parser.parse_args()
    import napari

    from napari_diatom.analysis import worker_process
    from napari_diatom.models import library
    from napari_diatom.widgets.annotate.widget import AnnotateWidget

    if options.embedder:
        library.EMBEDDER = options.embedder  # type: ignore[misc]
    slides = Path(_FOLDER.name) / "slides"
    valves = draw_slides(options.work, slides)
    print(f"{'':28}{'clicks':>8}{'keys':>8}{'in all':>8}{'a valve':>9}{'right':>8}")
    for way in options.ways or ways:
        folder, truth = make_project(Path(_FOLDER.name) / way.replace(" ", "-"), slides, valves)
        viewer = napari.Viewer()
        viewer.window._qt_window.resize(1366, 768)
        widget = AnnotateWidget(viewer)
        viewer.window.add_dock_widget(widget, name="Annotate diatoms")
        widget.open_project(folder)
        driver = Driver(viewer, widget)
        driver.spin()
        ways[way](driver, truth)
        counts, number = driver.counts, sum(driver.counts.values())
        cells = f"{counts['clicks']:8}{counts['keys']:8}{number:8}{number / len(truth):9.2f}"
        print(f"{way:28}{cells}{right(widget, truth):8.1%}", flush=True)
        widget.close_project()
        viewer.close()
    worker_process.close()
    return 0


def draw_slides(work: Path, folder: Path) -> dict[str, list[tuple[tuple[float, ...], str]]]:
    """Write the slides, and return the boxes and taxa of their valves by the names of the files."""
    import cv2

    from diatom_training.data.rendered_taxa import render_taxa

    examples = render_taxa(work, range(FIRST_TAXON, FIRST_TAXON + TAXA), RENDERED, STUDY)
    chosen = [examples[RENDERED * taxon + n] for taxon in range(TAXA) for n in range(EACH)]
    order = np.random.default_rng(0).permutation(len(chosen)).tolist()
    folder.mkdir(parents=True)
    valves: dict[str, list[tuple[tuple[float, ...], str]]] = {}
    for slide in range(SLIDES):
        path = folder / f"slide_{slide}.png"
        listed = valves[path.stem] = []
        rows: list[list[np.ndarray]] = [[]]
        x = y = height = 0
        for one in (chosen[k] for k in order[slide::SLIDES]):
            pixels = one.image.read(0, 0, one.image.width, one.image.height)
            if x + pixels.shape[1] > SLIDE_WIDTH:
                x, y, height = 0, y + height, 0
                rows.append([])
            box = one.box + np.array([x, y, 0, 0, 0])
            listed.append((tuple(box.tolist()), one.taxon))
            rows[-1].append(pixels)
            x, height = x + pixels.shape[1], max(height, pixels.shape[0])
        cv2.imwrite(str(path), montage(rows)[..., ::-1])
    return valves


def montage(rows: list[list[np.ndarray]]) -> np.ndarray:
    """Return fields one beside the other, row by row, on grey."""
    height = sum(max(one.shape[0] for one in row) for row in rows)
    out = np.full((height, SLIDE_WIDTH, 3), 200, np.uint8)
    y = 0
    for row in rows:
        x = 0
        for one in row:
            out[y : y + one.shape[0], x : x + one.shape[1]] = one
            x += one.shape[1]
        y += max(one.shape[0] for one in row)
    return out


def make_project(
    folder: Path, slides: Path, valves: dict[str, list[tuple[tuple[float, ...], str]]]
) -> tuple[Path, dict[str, str]]:
    """Make a project in which nothing is named, and return its folder and what each valve is."""
    from diatom_training.synthesis.taxon_specimens import PIXEL_SIZE_UM
    from napari_diatom.project.project import Project
    from napari_diatom.project.settings import class_of
    from napari_diatom.project.specimen import Specimen

    taxa = sorted({taxon for listed in valves.values() for _, taxon in listed})
    rng = np.random.default_rng(1)
    codes = iter({"".join(rng.choice(list("bcdfghjklmnpqrstvwxz"), CODE_LETTERS)): None for _ in range(2 * TAXA)})
    classes = [class_of("diatom", 0)]
    for number, taxon in enumerate(taxa):
        classes.append(class_of(taxon, number + 1, KEYS[number] if number < len(KEYS) else "", next(codes)))
    truth: dict[str, str] = {}
    with Project.create(folder, sorted(slides.iterdir()), classes) as project:
        project.update(project.settings.replace(pixel_sizes_um={i.slide: PIXEL_SIZE_UM for i in project.images}))
        for image in project.images:
            some = [Specimen.rectangle(box, "diatom") for box, _ in valves[image.id]]
            truth |= {item.id: taxon for item, (_, taxon) in zip(some, valves[image.id], strict=True)}
            project.document(image.id).add(some)
            project.release(image.id)
    return folder, truth


def without(driver: Driver, truth: dict[str, str]) -> None:
    """Click each valve and give it its class."""
    from qtpy.QtCore import Qt
    from qtpy.QtWidgets import QLineEdit

    search = driver.part(QLineEdit, "class_search")
    for image in driver.widget.project().images:
        driver.widget.open_image(image.id)
        for id_ in list(driver.widget.document().specimens):
            # A click on the valve: where that lies in the window does not matter here.
            driver.widget.canvas().select([id_])
            driver.counts["clicks"] += 1
            entry = class_named(driver, truth[id_])
            if entry.key:
                driver.key(entry.key)
            else:
                driver.click(search)
                driver.type(entry.code, search)
                driver.key(Qt.Key.Key_Return, search)


def naming_mode(driver: Driver, truth: dict[str, str]) -> None:
    """Name one valve after the other."""
    from qtpy.QtCore import Qt

    driver.key(Qt.Key.Key_E)
    wait_for_vectors(driver)
    finish(driver, truth)


def groups_first(driver: Driver, truth: dict[str, str]) -> None:
    """Name groups, and then what is left one by one."""
    from qtpy.QtCore import Qt
    from qtpy.QtWidgets import QAbstractButton

    driver.click(driver.part(QAbstractButton, "show_names"))
    wait_for_vectors(driver)
    dock = driver.widget.names_dock()
    dock.show_page(dock.groups)
    # The tab, and the button that groups anew.
    driver.counts["clicks"] += 2
    dock.groups.make()
    page, field = dock.groups, dock.findChild(object, "name_all").lineEdit()
    driver.wait(lambda: bool(page.view.entries()) and not page.is_working)
    passed: set[str] = set()
    while True:
        entries = page.view.entries()
        if not entries or entries[0].id in passed:
            break
        names = Counter(truth[entry.id] for entry in entries)
        [(taxon, number)] = names.most_common(1)
        if 2 * number <= len(entries):
            passed.add(entries[0].id)
            next_group(driver, page)
            continue
        others = [row for row, entry in enumerate(entries) if truth[entry.id] != taxon]
        for row in others:
            index = page.view.specimens.index(row)
            page.view.scrollTo(index)
            driver.spin()
            driver.click(page.view.viewport(), page.view.visualRect(index).center())
        if field.text() != taxon:
            if others:
                driver.click(field)
                field.selectAll()
            driver.type(class_named(driver, taxon).code, field)
        driver.key(Qt.Key.Key_Return, field)
        driver.wait(lambda: not driver.widget.names().steps.is_busy and not page.is_working)
        driver.spin()
        if others:
            # Those that were picked out stay as a group of their own.
            passed.add(entries[others[0]].id)
            if page.view.entries() and page.view.entries()[0].id in passed:
                next_group(driver, page)
    driver.key(Qt.Key.Key_E)
    finish(driver, truth)


def next_group(driver: Driver, page: Any) -> None:
    """Press PageDown: it needs a window with the focus, which there may be none of here."""
    page.step(1)
    driver.counts["keys"] += 1
    driver.spin()


def finish(driver: Driver, truth: dict[str, str]) -> None:
    """Name the selected valve, and all that come after it in the naming mode."""
    from qtpy.QtCore import Qt
    from qtpy.QtWidgets import QLineEdit

    search = driver.part(QLineEdit, "class_search")
    for id_ in selected_ids(driver):
        taxon, offered = truth[id_], driver.widget.suggested()
        if taxon in offered:
            driver.key(KEYS[offered.index(taxon)])
        else:
            driver.key(Qt.Key.Key_C)
            driver.type(class_named(driver, taxon).code, search)
            driver.key(Qt.Key.Key_Return, search)


def selected_ids(driver: Driver) -> Iterator[str]:
    """Yield the valve that is selected, until none is."""
    last = ""
    while driver.widget.canvas().selection():
        [id_] = driver.widget.canvas().selection()
        if id_ == last:
            sys.exit(f"Valve {id_} did not get its name.")
        last = id_
        yield id_


def wait_for_vectors(driver: Driver) -> None:
    """Wait until all valves have been looked at."""
    session = driver.widget.names()
    driver.wait(lambda: session.names is not None and not session.is_reading)
    driver.wait(lambda: session.names.specimens.table.known.all())


def class_named(driver: Driver, name: str) -> Any:
    """Return a class of the project."""
    return next(entry for entry in driver.widget.project().settings.classes if entry.name == name)


def right(widget: Any, truth: dict[str, str]) -> float:
    """Return the share of valves with their right names."""
    project = widget.project()
    called = {item.id: item.name for image in project.images for item in project.contents(image.id).specimens}
    return sum(called[id_] == taxon for id_, taxon in truth.items()) / len(truth)


if __name__ == "__main__":
    sys.exit(main())
