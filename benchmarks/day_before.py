"""The day's actions in a version without folders, settings and taxa in its window: run by ``day_clicks.py``.

What its window cannot do is done by the command line or in a text file; what cannot be done at all is left out.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from day_after import NAME, OTHER, WARMUP, click_on, delete, first_training, prepare_training, review
from day_desk import EDITOR, TERMINAL, DayDesk, fields, work

BOTH = f"window, {EDITOR}"
"""An action that is begun in the window and ended in the text file."""


def finding(desk: DayDesk) -> None:
    """Find, correct and send."""
    river = fields(desk.folder / "river")
    with desk.action("detect", TERMINAL):
        with desk.action("scale", TERMINAL):
            desk.terminal.words("--p .325")
        desk.terminal.command("napari-diatom count river -o o", "--p .325")
    with desk.action("look"):
        desk.load(river / "field0.png")
        desk.load(desk.folder / "o" / "annotations" / "field0.geojson", plugin="napari-diatom")
    desk.viewer.layers.clear()
    desk.viewer.open(river / "field0.png", plugin="napari")
    detect = desk.open("detect")
    desk.counts.clear()
    detect.run()
    desk.wait(lambda: not detect.value().running)
    result = detect.result()
    result.flush()
    first, second = result.specimens().tolist()[:2]
    with desk.action("delete"):
        delete(desk, result, first)
    with desk.action("status"):
        click_on(desk, result, second)
        set_status(desk, detect, second)
    desk.wait(lambda: "broken" in result.layer.features["status"].tolist(), 10)
    desk.hand.click(3, 3)
    with desk.action("draw"):
        draw(desk, result)
    with desk.action("export_image"):
        desk.answer(desk.folder / "s.csv")
        desk.click(detect, "export")
        desk.wait((desk.folder / "s.csv").exists)
    with desk.action("send_new", TERMINAL):
        desk.terminal.command("napari-diatom project new p river --an o/annotations")
    assert (desk.folder / "p" / "annotations" / "field0.geojson").exists()


def set_status(desk: DayDesk, detect: Any, number: int) -> None:
    """Choose a status in the table of specimens."""
    from qtpy.QtCore import Qt
    from qtpy.QtWidgets import QComboBox

    table = detect.findChild(object, "specimen_table")
    model = table.model()
    titles = [model.headerData(k, Qt.Orientation.Horizontal) for k in range(model.columnCount())]
    desk.cell(detect, "specimen_table", table.specimens.row(number), titles.index("Status"), twice=True)
    combo = table.findChild(QComboBox)
    combo.setObjectName("status_of_specimen")
    desk.choose(table, "status_of_specimen", "broken")


def draw(desk: DayDesk, result: Any) -> None:
    """Draw an upright box, and turn it by its handle."""
    layer = result.layer
    number = len(result.specimens())
    desk.hand.key("r")
    desk.hand.drag((100, 140), (120, 160), (150, 170))
    desk.wait(lambda: len(result.specimens()) == number + 1, 10)
    result.flush()
    desk.hand.key("s")
    if not layer.selected_data:
        desk.hand.click(125, 155)
    before = np.array(layer.data[-1])
    [y, x] = layer._selected_box[9]
    desk.hand.drag((float(x), float(y)), (float(x) + 6, float(y) + 3), (float(x) + 15, float(y) + 8))
    result.flush()
    desk.wait(lambda: len(layer.data[-1]) == len(before) and not np.allclose(layer.data[-1], before, atol=1), 10)


def annotating(desk: DayDesk) -> None:
    """Make a project, review proposals, and change its settings."""
    river = fields(desk.folder / "river")
    annotate = desk.open("annotate")
    p = desk.folder / "p"
    with desk.action("project"):
        desk.answer(p)
        desk.answer(*sorted(river.glob("*.png")))
        desk.answer()
        desk.click(annotate, "new_project")
        desk.wait(lambda: annotate.project() is not None, 60)
    review(desk, annotate)
    file = p / "diatom-project.yaml"
    with desk.action("settings", EDITOR):
        desk.terminal.open_file()
    in_gallery(desk, annotate, file)
    annotate.close_project()
    with desk.action("pixel_size", EDITOR):
        desk.terminal.edit(file, ("pixel_sizes_um: {}", "pixel_sizes_um: {river: .325}"))
    with desk.action("slides", EDITOR):
        places = [("slide: river", f"slide: {slide}") for slide in "AAABBBCCCC"]
        desk.terminal.edit(file, *places)
    with desk.action("split", TERMINAL):
        desk.terminal.command("napari-diatom project split p")
    move_slide(desk, file)
    desk.terminal.run(["project", "check", "p"])
    with desk.action("export_project", TERMINAL):
        desk.terminal.command("napari-diatom convert p/annotations c.json --to coco")
    assert (desk.folder / "c.json").exists()


def in_gallery(desk: DayDesk, annotate: Any, file: Path) -> None:
    """Give all specimens of a class another one in the gallery, and take the old class out of the list."""

    def names() -> set[str]:
        contents = [annotate.project().contents(image.id) for image in annotate.project().images]
        return {specimen.name for found in contents for specimen in found.specimens}

    def change(former: str, new: str) -> None:
        gallery = annotate.gallery()
        desk.choose(gallery, "gallery_class", former)
        desk.cell(gallery, "gallery", 0)
        desk.hand.key("ctrl+a")
        desk.choose(gallery, "gallery_new_class", new)
        desk.wait(lambda: former not in names(), 20)
        text = file.read_text(encoding="utf-8")
        start = text.index(f"- name: {former}")
        entry = text[start : text.index("\n", text.index("key:", start)) + 1]
        annotate.close_project()
        desk.terminal.edit(file, (entry, ""))
        annotate.open_project(file.parent)

    with desk.action("rename_class", BOTH):
        desk.in_dialogs(lambda: desk.type(annotate, "class_search", OTHER, enter=True), desk.press("Yes"))
        desk.click(annotate, "show_gallery")
        desk.hand.spin(0.5)
        change("diatom", OTHER)
    with desk.action("merge_classes", BOTH):
        change(NAME, OTHER)
    assert names() == {OTHER}


def move_slide(desk: DayDesk, file: Path) -> None:
    """Move a slide from the training to the test slides: cut it in one place, and paste it in the other."""
    import yaml

    settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    parts = settings["split"]["parts"]
    slide = parts["train"].pop(0)
    parts["test"].append(slide)
    with desk.action("move_slide", EDITOR):
        desk.terminal.cut_and_paste(file, yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))


def training(desk: DayDesk) -> None:
    """Train, use, import."""
    from napari_diatom.models import library

    prepare_training(desk)
    train = first_training(desk)
    with desk.action("train_warmup", f"{EDITOR}, {TERMINAL}"):
        desk.terminal.write(desk.folder / "t.yaml", f"data: p\nlearning: {{warmup: {WARMUP}}}\n")
        desk.terminal.count("napari-diatom train t.yaml")
    desk.terminal.run(["train", "t.yaml", "--check"])

    def in_detect() -> str:
        found = any(name.startswith("Detect") for name in desk.viewer.window.dock_widgets)
        return desk.dock("Detect").value().model if found else ""

    with desk.action("use_model"):
        desk.click(train, "use_model")
        desk.wait(lambda: in_detect() == train.progress.monitor.folder.path.name, 60)
    with desk.action("import_model", TERMINAL):
        desk.terminal.command("napari-diatom models import first/model")
    assert any(model.card.name == "first" for model in library.available())


if __name__ == "__main__":
    sys.exit(work([finding, annotating, training]))
