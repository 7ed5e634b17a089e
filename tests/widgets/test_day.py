"""A day in one window of 1366 x 768 by mouse and keys; then the same tables from its files by the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.io import imread

from helpers import hand as hands
from helpers.counting import rows
from helpers.desk import Desk
from helpers.window import child_of, dock_of
from napari_diatom.widgets.batch_run.batch_form import Scope
from napari_diatom.widgets.review.send_dialog import SendDialog

pytestmark = pytest.mark.skipif(bool(hands.missing()), reason=hands.missing())

SLIDE = Path(__file__).parents[2] / "sample_data" / "slides" / "stream_crowded_20x.jpg"
SCALE = 0.325
TAXON = "Navicula radiosa"
TABLES = ("specimens.csv", "counts.csv")
PATIENCE = 300
"""Seconds that a network may take on a busy machine."""
TINY = {"size": 320, "batch": 2, "crops": 4, "epochs": 2, "validation_crops": 2, "warmup": 1}


@pytest.fixture
def fields(tmp_path: Path) -> Path:
    """Three fields of 500 by 400 pixels, each of a site of its own."""
    slide = imread(SLIDE)
    for number in range(3):
        path = tmp_path / "river" / f"site{number}" / f"field{number}.png"
        path.parent.mkdir(parents=True)
        left = 100 + 500 * number
        Image.fromarray(slide[300:700, left : left + 500]).save(path)
    return tmp_path / "river"


@pytest.fixture
def desk(make_napari_viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Desk:
    """Napari with real models in processes of their own, and nobody's models but those of this day."""
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "models"))
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1366, 768)
    return Desk(viewer, qtbot, monkeypatch)


def typed(*commands: list[object]) -> None:
    """Give commands to ``napari-diatom``, one after the other in a process of their own."""
    code = (
        "import json, sys\nfrom napari_diatom.cli.app import main\n"
        "sys.exit(next((code for words in json.loads(sys.argv[1]) if (code := main(words))), 0))"
    )
    words = json.dumps([[str(word) for word in command] for command in commands])
    done = subprocess.run([sys.executable, "-c", code, words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def search(desk: Desk, detect: Any, folder: Path, out: Path | None = None) -> Path:
    """Find the diatoms of all images of a folder; return the folder of results."""
    desk.front(detect)
    desk.choose(detect, "scope", Scope.FOLDER)
    desk.answer(folder)
    desk.click(detect, "input_folder_browse")
    desk.type(detect, "batch_pixel_size_um", str(SCALE))
    if out is not None:
        desk.type(detect, "output_folder", str(out))
    desk.click(detect, "run")
    desk.until(lambda: not detect.value().running and not detect.batch._reading, PATIENCE)
    states = child_of(detect, "image_list").images.states()
    assert [state.state.value for state in states] == ["counted"] * 3, child_of(detect, "message").text()
    return out or folder.parent / f"{folder.name}-diatoms"


def draw(hand: hands.Hand, x: float, y: float) -> None:
    """Draw a box of 60 by 20 pixels in three clicks."""
    hand.key("b")
    for place in ((x - 30, y), (x + 30, y), (x, y + 10)):
        hand.click(*place)


def test_a_day_in_one_window_and_again_from_its_files(desk: Desk, fields: Path, tmp_path: Path) -> None:
    viewer = desk.viewer
    detect = desk.open("detect")

    # A folder, with its scale, is searched.
    out = search(desk, detect, fields)
    found = len(rows(out / "specimens.csv"))
    assert found >= 6

    # The first image is corrected: a specimen is drawn, another deleted, and that undone.
    desk.row(detect, "image_list", 0)
    desk.until(lambda: detect.result() is not None and len(detect.result().specimens()))
    result = detect.result()
    before = result.specimens().tolist()
    hand = hands.Hand(viewer)
    hand.click(5, 5)
    draw(hand, 250, 380)
    hand.wait(lambda: len(result.specimens()) == len(before) + 1)
    [drawn] = set(result.specimens()) - set(before)
    hand.key("s")
    y, x = result.shape(before[0]).mean(axis=0)
    hand.click(x, y)
    hand.wait(lambda: result.selection() == (before[0],))
    hand.key("Delete")
    hand.wait(lambda: before[0] not in result.specimens())
    hand.key("ctrl+z")
    hand.wait(lambda: before[0] in result.specimens())

    # What was drawn gets a name.
    hand.click(250, 380)
    hand.wait(lambda: result.selection() == (drawn,))
    desk.type(detect, "name", TAXON)
    result.flush()

    # It goes to a new project, and then all other images of the folder.
    project = tmp_path / "project"

    def to_new(dialog: SendDialog) -> None:
        desk.answer(project)
        desk.click(dialog, "send_new")
        desk.tick(dialog, "send_as_all")
        desk.click(dialog, "send_send")

    def to_open(dialog: SendDialog) -> None:
        desk.answer(out)
        desk.tick(dialog, "send_folder")
        desk.click(dialog, "send_choose_folder")
        desk.tick(dialog, "send_as_all")
        desk.click(dialog, "send_send")

    for number, act in enumerate((to_new, to_open)):
        desk.front(detect)
        desk.row(detect, "image_list", number)
        desk.until(lambda: child_of(detect, "send").isVisible())
        desk.in_dialog(SendDialog, act, lambda: desk.click(detect, "send"))
        desk.until(lambda: child_of(detect, "send").isEnabled())
    annotate = dock_of(viewer, "Annotate diatoms")
    assert len(annotate.project().images) == 3
    names = [item.name for item in annotate.project().settings.classes]
    assert TAXON in names

    # More is annotated: in the next image, a box of that class, and the image is done.
    desk.front(annotate)
    hand.click(5, 5)
    hand.key("Next")
    desk.until(lambda: annotate.document() is not None)
    document = annotate.document()
    here = set(document.specimens)
    draw(hand, 250, 380)
    hand.wait(lambda: len(document.specimens) == len(here) + 1)
    [new] = set(document.specimens) - here
    hand.key(str(names.index(TAXON) + 1))
    hand.wait(lambda: document.specimens[new].name == TAXON)
    hand.key("d")

    # A model is trained on it, and used.
    train = desk.open("finetune")
    desk.until(lambda: child_of(train, "data").text() == str(project))
    desk.tick(train, "each_image")
    desk.tick(train, "one_class")
    desk.page(train, "pages", 1)
    desk.choose(train, "start", "diatom-obb")
    for name, value in TINY.items():
        child_of(train, f"learning.{name}").setValue(value)
    desk.until(lambda: child_of(train, "start_training").isEnabled())
    desk.click(train, "start_training")
    monitor = train.progress.monitor
    desk.until(lambda: not monitor.is_running, PATIENCE)
    assert child_of(train, "train_message").text().startswith("Finished.")
    run = monitor.folder
    desk.click(train, "use_model")
    desk.until(lambda: detect.value().model == run.path.name)
    again = search(desk, detect, fields, tmp_path / "again")

    # All is exported.
    desk.answer(tmp_path / "all.csv")
    desk.front(detect)
    desk.click(detect, "export_all")
    desk.until(lambda: (tmp_path / "all.csv").exists() and not detect.value().running)
    export = desk.open("convert")
    child_of(export, "format").setCurrentIndex(child_of(export, "format").findData("coco"))
    desk.type(export, "out.path", str(tmp_path / "project.json"))
    desk.click(export, "run")
    desk.until(lambda: (tmp_path / "project.json").exists() and child_of(export, "run").isEnabled())
    tables = desk.open("tables")
    desk.type(tables, "out.path", str(tmp_path / "tables"))
    desk.click(tables, "run")
    desk.until(lambda: (tmp_path / "tables" / "images.csv").exists() and child_of(tables, "run").isEnabled())
    shown = sum(tally.total for tally in annotate.browser().tallies())
    viewer.close()

    # Everything again, from what is left on disk.
    here = tmp_path / "typed"
    model = ["--model", run.path.name, "--pixel-size", SCALE]
    typed(
        ["count", fields, "-o", here / "first", "--pixel-size", SCALE],
        ["count", fields, "-o", here / "again", *model],
        ["convert", project, here / "project.json", "--to", "coco"],
        ["project", "tables", project, "-o", here / "tables"],
        ["train", run / "config.yaml", "-o", here / "run"],
    )
    for window, line in ((out, here / "first"), (again, here / "again"), (tmp_path / "tables", here / "tables")):
        for table in TABLES:
            assert (window / table).read_bytes() == (line / table).read_bytes(), table
    assert (tmp_path / "project.json").read_bytes() == (here / "project.json").read_bytes()
    assert (run / "history.csv").read_bytes() == (here / "run" / "history.csv").read_bytes()
    written = rows(here / "tables" / "specimens.csv")
    assert len(written) == shown == found + 2
    assert [row["class"] for row in written].count(TAXON) == 2
    exported = rows(tmp_path / "all.csv")
    np.testing.assert_array_equal(
        [row["length_um"] for row in exported], [row["length_um"] for row in rows(again / "specimens.csv")]
    )
