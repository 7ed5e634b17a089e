"""The day's actions in the window of today: run by ``day_clicks.py``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from day_desk import IMAGES, DayDesk, fields, work

NAME = "Navicula radiosa"
OTHER = "Navicula tripunctata"
WARMUP = "9"
TRAINING = """data: p
learning: {seed: 1, epochs: 1, size: 320, batch: 2, crops: 2, validation_crops: 2}
"""


def finding(desk: DayDesk) -> None:
    """Find, correct and send."""
    from qtpy.QtWidgets import QLabel

    from napari_diatom.project.project import Project

    river = fields(desk.folder / "river")
    with desk.action("detect"):
        detect = desk.open("detect")
        desk.choose(detect, "scope", "A folder")
        desk.answer(river)
        desk.click(detect, "input_folder_browse")
        with desk.action("scale"):
            desk.type(detect, "batch_pixel_size_um", ".325")
        desk.click(detect, "run")
        desk.wait(lambda: not detect.value().running and not detect.batch._reading)
    print(detect.findChild(QLabel, "message").text())
    with desk.action("look"):
        desk.cell(detect, "image_list", 0)
        desk.wait(lambda: detect.result() is not None and len(detect.result().specimens()) > 2)
    result = detect.result()
    first, second = result.specimens().tolist()[:2]
    desk.hand.click(3, 3)
    with desk.action("delete"):
        delete(desk, result, first)
    with desk.action("undo"):
        desk.hand.key("ctrl+z")
        desk.wait(lambda: first in result.specimens(), 10)
    with desk.action("status"):
        click_on(desk, result, second)
        desk.hand.key("k")
        desk.wait(lambda: "broken" in result.layer.features["status"].tolist(), 10)
    with desk.action("draw"):
        number = len(result.specimens())
        desk.hand.key("b")
        for place in ((100, 150), (140, 170), (115, 170)):
            desk.hand.click(*place)
        desk.wait(lambda: len(result.specimens()) == number + 1, 10)
    desk.hand.key("s")
    with desk.action("taxon"):
        click_on(desk, result, first)
        desk.type(detect, "name", NAME, enter=True)
    with desk.action("export_image"):
        desk.answer(desk.folder / "s.csv")
        desk.click(detect, "export")
        desk.wait((desk.folder / "s.csv").exists)
    p, q = desk.folder / "p", desk.folder / "q"
    Project.create(q, [river / "field9.png"], ["diatom"]).close()

    def to_new(dialog: Any) -> None:
        desk.click(dialog, "send_folder")
        desk.answer(p)
        desk.click(dialog, "send_new")
        desk.click(dialog, "send_as_all")
        desk.click(dialog, "send_send")

    with desk.action("send_new"):
        desk.in_dialogs(lambda: desk.click(detect, "send"), to_new)
        desk.wait(lambda: (p / "diatom-project.yaml").exists() and detect.panel.send.isEnabled())
    annotate = desk.dock("Annotate diatoms")
    desk.wait(lambda: annotate.project() is not None)
    assert len(annotate.project().images) == IMAGES

    def to_old(dialog: Any) -> None:
        desk.click(dialog, "send_folder")
        desk.answer(q)
        desk.click(dialog, "send_open")
        desk.click(dialog, "send_as_all")
        desk.click(dialog, "send_send")

    desk.front(detect)
    with desk.action("send_old"):
        desk.in_dialogs(lambda: desk.click(detect, "send"), to_old)
        desk.wait(lambda: detect.panel.send.isEnabled() and annotate.project().folder == q)
    assert len(annotate.project().images) == IMAGES


def click_on(desk: DayDesk, result: Any, number: int) -> None:
    """Click on a specimen of a result, in a view of the whole image."""
    desk.whole_image()
    y, x = result.shape(number).mean(axis=0)[-2:]
    desk.hand.click(float(x), float(y))
    desk.wait(lambda: result.selection() == (number,), 10)


def delete(desk: DayDesk, result: Any, number: int) -> None:
    """Delete a specimen of a result, choosing the tool only where it is another one."""
    if result.layer.mode != "select":
        desk.hand.key("s")
    click_on(desk, result, number)
    desk.hand.key("Delete")
    desk.wait(lambda: number not in result.specimens(), 10)


def annotating(desk: DayDesk) -> None:
    """Make a project, review proposals, and change its settings."""
    from napari_diatom.widgets.annotate.widget import AnnotateWidget

    river = fields(desk.folder / "river")
    annotate: AnnotateWidget = desk.open("annotate")

    def make(dialog: Any) -> None:
        desk.answer(river)
        desk.click(dialog, "images.choose")
        desk.wait(lambda: "10 images" in dialog._preview.toPlainText(), 60)
        desk.wait(dialog._create.isEnabled, 20)
        desk.click(dialog, "new_project_create")

    with desk.action("project"):
        desk.in_dialogs(lambda: desk.click(annotate, "new_project"), make)
        desk.wait(lambda: annotate.project() is not None, 60)
    p = annotate.project().folder
    review(desk, annotate)
    with desk.action("settings"):
        desk.click(annotate, "project_settings")
    settings = desk.dock("Project settings")
    in_settings(desk, settings, annotate)
    files(desk, p)


def review(desk: DayDesk, annotate: Any) -> None:
    """Accept, reject, draw, and give classes."""
    with desk.action("propose"):
        desk.click(annotate, "propose")
        desk.wait(lambda: len(annotate.document().proposals) >= 5, 120)
    document = annotate.document()
    desk.hand.click(3, 3)
    with desk.action("accept"):
        for key in "aaaxx":
            desk.hand.key("n")
            number = len(document.proposals)
            desk.hand.key(key)
            desk.wait(lambda number=number: len(document.proposals) < number, 10)
    with desk.action("add_class"):
        desk.in_dialogs(lambda: desk.type(annotate, "class_search", NAME, enter=True), desk.press("Yes"))
    desk.viewer.layers.selection.active = annotate.canvas().specimens.layer
    desk.hand.click(3, 3)
    with desk.action("draw_project"):
        number = len(document.specimens)
        desk.hand.key("b")
        for place in ((100, 150), (140, 170), (115, 170)):
            desk.hand.click(*place)
        desk.wait(lambda: len(document.specimens) == number + 1, 10)
    give_class(desk, annotate)
    with desk.action("done"):
        desk.hand.key("d")
        desk.hand.key("Next")
        desk.wait(lambda: annotate.document() is not document, 60)


def give_class(desk: DayDesk, annotate: Any) -> None:
    """Give a specimen the second class."""
    document = annotate.document()
    number = next(key for key, specimen in document.specimens.items() if specimen.name != NAME)
    desk.viewer.layers.selection.active = annotate.canvas().specimens.layer
    desk.hand.key("s")
    desk.whole_image()
    x, y = document.specimens[number].box[:2]
    with desk.action("give_class"):
        desk.hand.click(float(x), float(y))
        desk.hand.key("2")
        desk.wait(lambda: document.specimens[number].name == NAME, 10)


def in_settings(desk: DayDesk, settings: Any, annotate: Any) -> None:
    """Change what the project has agreed on."""
    project = annotate.project

    def classes() -> list[str]:
        return [item.name for item in project().settings.classes]

    def is_free() -> bool:
        return not settings.session().is_running

    with desk.action("rename_class"):
        desk.cell(settings, "classes_table", classes().index("diatom"), twice=True)
        desk.type_into_cell(OTHER)
        desk.wait(lambda: OTHER in classes() and is_free(), 60)

    with desk.action("merge_classes"):
        desk.cell(settings, "classes_table", classes().index(NAME))
        desk.in_dialogs(lambda: desk.click(settings, "class_merge"), desk.enter, desk.press("Merge"))
        desk.wait(lambda: classes() == [OTHER] and is_free(), 60)
    with desk.action("pixel_size"):
        desk.page(settings, "settings_pages", "Images")
        desk.type(settings, "pixel_size_spin", ".325")
        desk.click(settings, "pixel_size_set")
        desk.wait(lambda: set(project().settings.pixel_sizes_um.values()) == {0.325}, 20)
    settings.show_page("Classes")
    with desk.action("slides"):
        desk.page(settings, "settings_pages", "Images")
        for slide, first, last in (("A", 0, 2), ("B", 3, 5), ("C", 6, 9)):
            desk.drag_rows(settings, "images_table", first, last)
            desk.type(settings, "slide_name", slide)
            desk.click(settings, "slide_set")
    assert [image.slide for image in project().settings.images] == list("AAABBBCCCC")
    with desk.action("split"):
        desk.page(settings, "settings_pages", "Split")
        desk.click(settings, "split_make")
        desk.wait(lambda: project().settings.split is not None, 20)
    parts = project().settings.split.parts
    slide = parts["train"][0]
    settings.show_page("Classes")
    with desk.action("move_slide"):
        desk.page(settings, "settings_pages", "Split")
        desk.choose(settings, f"part_of_{slide}", "test")
        desk.wait(lambda: slide in project().settings.split.parts["test"], 20)


def files(desk: DayDesk, project: Path) -> None:
    """Write annotations and tables."""
    with desk.action("export_project"):
        convert = desk.open("convert")
        desk.choose(convert, "format", "COCO")
        desk.answer(desk.folder / "c.json")
        desk.click(convert, "out.choose")
        desk.click(convert, "run")
        desk.wait((desk.folder / "c.json").exists, 60)
    with desk.action("tables"):
        tables = desk.open("tables")
        desk.answer(desk.folder / "t")
        desk.click(tables, "out.choose")
        desk.click(tables, "run")
        desk.wait((desk.folder / "t" / "specimens.csv").exists, 60)


def training(desk: DayDesk) -> None:
    """Train, compare, use, import."""
    from napari_diatom.models import library

    prepare_training(desk)
    detect = desk.open("detect")
    train = first_training(desk)
    with desk.action("train_warmup"):
        desk.page(train, "pages", "Settings")
        desk.click(train, "learning.heading")
        desk.click(train, "learning.more_options.heading")
        desk.type(train, "learning.warmup", WARMUP)
        desk.click(train, "start_training")
        desk.wait(lambda: not train.progress.monitor.is_running)
    assert train.progress.monitor.folder.config().learning.warmup == int(WARMUP)
    with desk.action("compare"):
        desk.cell(train, "runs", 1, held="ctrl")
    assert len(train.progress._runs.selected()) == 2
    train.progress._runs._table.selectRow(0)
    with desk.action("use_model"):
        desk.click(train, "use_model")
        desk.wait(lambda: detect.value().model == train.progress.monitor.folder.path.name, 60)
    file = desk.folder / "m.diatom-model"
    library.pack_model(library.resolve_model(desk.folder / "first" / "model"), file)
    with desk.action("import_model"):
        models = desk.open("models")
        desk.answer(file)
        desk.in_dialogs(lambda: desk.click(models, "import_file"), lambda dialog: desk.click(dialog, "import_take"))
        desk.wait(lambda: any(model.card.name == "first" for model in library.available()), 60)


def first_training(desk: DayDesk) -> Any:
    """Train as the dock is set, and return the dock."""
    with desk.action("train"):
        train = desk.open("finetune")
        desk.answer(desk.folder / "p")
        desk.click(train, "choose_project")
        desk.wait(lambda: train.slides.dataset() is not None, 60)
        keep_short(train)
        desk.click(train, "start_training")
        desk.wait(lambda: not train.progress.monitor.is_running)
    return train


def prepare_training(desk: DayDesk) -> None:
    """Make a project of found specimens, and a model that somebody else has trained."""
    fields(desk.folder / "river", apart=True)
    run = desk.terminal.run
    run(["count", "river", "-o", "o", "--no-overlays"])
    found = sorted(map(str, (desk.folder / "o" / "annotations").rglob("*.geojson")))
    run(["project", "new", "p", "river", "--annotations", *found])
    (desk.folder / "first.yaml").write_text(TRAINING + "name: first\n", encoding="utf-8")
    run(["train", "first.yaml", "-o", "first"])


def keep_short(train: Any) -> None:
    """Set what makes the training short, without counting it."""
    from qtpy.QtWidgets import QWidget

    for name, value in {"epochs": 1, "size": 320, "batch": 2, "crops": 2, "validation_crops": 2}.items():
        spin = train.findChild(QWidget, f"learning.{name}") or train.findChild(QWidget, name)
        if spin is not None:
            spin.setValue(value)


if __name__ == "__main__":
    sys.exit(work([finding, annotating, training]))
