"""Outlines for the selected specimens, and for valves that are clicked on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from qtpy.QtCore import QObject

from napari_diatom.core.detections import PERSON
from napari_diatom.core.progress import Progress
from napari_diatom.core.text import either, many
from napari_diatom.project.project import Project
from napari_diatom.project.settings import ProjectImage
from napari_diatom.project.specimen import Specimen
from napari_diatom.widgets.annotate.canvas import AnnotationCanvas
from napari_diatom.widgets.annotate.form import AnnotateForm
from napari_diatom.widgets.annotate.opened import Opened
from napari_diatom.widgets.canvas.arrived_outlines import ArrivedOutlines
from napari_diatom.widgets.canvas.click_outline import (
    ALREADY_HERE,
    CONTRADICTION,
    NO_OUTLINER,
    NOTHING_HERE,
    detector_for_clicks,
    installed_outliner,
    is_there,
)
from napari_diatom.widgets.canvas.outline_queue import Outlined, OutlineQueue, OutlineTask

_NAMED: Final = 5
"""Specimens that a message names; the others are counted."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ProjectOutlineTask(OutlineTask):
    """What is to be outlined in an image of a project.

    Attributes
    ----------
    project : Project
        The project.
    image : ProjectImage
        Its image.
    """

    project: Project
    image: ProjectImage


class OutlineActions(QObject):
    """Has specimens of the open image outlined.

    Parameters
    ----------
    form : AnnotateForm
        Has the list of models and of classes, and shows messages.
    opened : Opened
        The open project and image.
    canvas : AnnotationCanvas
        Shows the open image, its selection, and marks where something was clicked on.
    """

    def __init__(self, form: AnnotateForm, opened: Opened, canvas: AnnotationCanvas) -> None:
        super().__init__(form)
        self.queue = OutlineQueue()
        self._form = form
        self._opened = opened
        self._canvas = canvas
        self._arrived = ArrivedOutlines(self, self.queue, lambda: canvas.is_drawn_on, self._use)
        canvas.click_outline.clicked.connect(self.click)
        self.queue.changed.connect(self.show)
        self.queue.progressed.connect(self._on_progress)
        self.queue.failed.connect(self._on_failed)
        self.queue.stopped.connect(self._on_stopped)

    @property
    def is_running(self) -> bool:
        """Whether something is being outlined."""
        return self._arrived.is_running

    def outline(self) -> None:
        """Have the selected specimens outlined that are known by their boxes."""
        canvas, line = self._canvas, self._form.line
        canvas.flush()
        document, outliner = self._opened.document, installed_outliner()
        selected = {} if document is None else {id_: document.specimens[id_] for id_ in canvas.selection()}
        boxes = {id_: item for id_, item in selected.items() if not _is_outlined(item)}
        if document is None:
            return
        if outliner is None:
            line.warn(NO_OUTLINER)
        elif not selected and canvas.proposals.selection():
            line.warn("Outlines are drawn for specimens. Press A to accept the proposals, select them and press O.")
        elif not selected:
            line.warn("Select the specimens that you want to outline, then press O.")
        elif not boxes:
            line.say(_kept(len(selected)))
        else:
            self._add(outliner, boxes=boxes, kept=len(selected) - len(boxes))

    def click(self, x: float, y: float) -> None:
        """Have the valve at a point found and outlined."""
        outliner, detector = installed_outliner(), detector_for_clicks(self._form.model())
        image = self._opened.image
        if image is None or not (0 <= x < image.width and 0 <= y < image.height):
            return
        if outliner is None or detector is None:
            self._form.line.warn(NO_OUTLINER if outliner is None else "No model that finds valves is installed.")
        elif not self._canvas.new_class:
            self._canvas.classless.emit()
        else:
            self._form.line.say("Looking for the valve that you clicked on.")
            self._add(outliner, point=(x, y), detector=detector, name=self._canvas.new_class)

    def take_back(self) -> bool:
        """Forget the last click that is not done. Return whether there was one."""
        return self._arrived.take_back()

    def stop(self) -> None:
        """Stop outlining. What is done stays."""
        self._arrived.stop()

    def show(self) -> None:
        """Show what is not done: marks where something was clicked on, and a button that stops it."""
        image = self._opened.image
        tasks = [task for task in self.queue.tasks if image is not None and task.image_name == image.id]
        marks = [task.point for task in tasks if task.point is not None]
        self._canvas.click_outline.mark(marks)
        self._form.show_running("outlining", bool(self.queue.tasks))

    def _add(self, outliner: Any, **asked: Any) -> None:
        project, image, layer = self._opened.project, self._opened.image, self._canvas.image
        if project is None or image is None or layer is None:
            return
        pixels = layer.data[0] if layer.multiscale else layer.data
        size = project.settings.pixel_sizes_um.get(image.slide)
        task = ProjectOutlineTask(
            project=project,
            image=image,
            image_name=image.id,
            pixels=pixels,
            pixel_size_um=size,
            outliner=outliner,
            **asked,
        )
        self.queue.add(task)

    def _on_progress(self, task: ProjectOutlineTask, progress: Progress) -> None:
        if task.point is None and progress.total:
            done = f"{progress.done} of {many(progress.total, 'specimen')}"
            self._form.line.say(f"Outlining {done} of {task.image.id}. Press Esc to stop.")

    def _on_failed(self, task: ProjectOutlineTask, message: str) -> None:
        self._form.line.warn(f"{task.image.id} was not outlined: {message}")

    def _on_stopped(self) -> None:
        if not self.is_running:
            self._form.line.say("Outlining was stopped. Specimens that were not outlined are as they were.")

    def _use(self, task: ProjectOutlineTask, outlined: Outlined) -> None:
        """Make edits of what has come of a task, unless its project was closed."""
        self._canvas.flush()
        if task.project is not self._opened.project:
            return
        with self._form.line.showing_errors():
            if task.point is None:
                self._reshape(task, outlined)
            else:
                self._add_found(task, outlined)
        if self._opened.image is None or self._opened.image.id != task.image.id:
            with self._form.line.showing_errors():
                task.project.release(task.image.id)

    def _reshape(self, task: ProjectOutlineTask, outlined: Outlined) -> None:
        """Give specimens their outlines, unless they were changed in the meantime."""
        document = task.project.document(task.image.id)

        def is_as_before(item: Specimen) -> bool:
            now = document.specimens.get(item.id)
            return now is not None and now.has_shape_of(item)

        shapes = {id_: new for id_, new in outlined.shapes.items() if is_as_before(task.boxes[id_])}
        self._say_outlined(task, outlined, len(shapes))
        if shapes:
            document.reshape(shapes, "outline")

    def _add_found(self, task: ProjectOutlineTask, outlined: Outlined) -> None:
        """Add the specimen that was clicked on."""
        document, line, found = task.project.document(task.image.id), self._form.line, outlined.found
        if found is None:
            line.warn(NOTHING_HERE)
        elif is_there(found, document.specimens):
            line.warn(ALREADY_HERE)
        else:
            line.say(CONTRADICTION if outlined.contradicting else "A valve was added.")
            # The class may have got another name since the click.
            document.add(task.project.classes.present([found]), "click")
            if self._canvas.click_outline.is_on:
                self._canvas.select([found.id])

    def _say_outlined(self, task: ProjectOutlineTask, outlined: Outlined, number: int) -> None:
        texts = [f"{many(number, 'specimen')} {either(number, 'was', 'were')} outlined."]
        if task.kept:
            texts.append(_kept(task.kept))
        if changed := len(outlined.shapes) - number:
            were = either(changed, "was changed or deleted", "were changed or deleted")
            texts.append(f"{many(changed, 'specimen')} {were} in the meantime and got no outline.")
        if outlined.contradicting:
            texts.append(
                "The outline contradicts the box, which was kept, of "
                f"{_named(outlined.contradicting)}. Check {either(len(outlined.contradicting), 'it', 'them')}."
            )
        self._form.line.say(" ".join(texts))


def _is_outlined(specimen: Specimen) -> bool:
    """Return whether a specimen has an outline that a person has drawn, changed or looked at."""
    return specimen.shape != "rectangle" and (specimen.reviewed or specimen.origin == PERSON)


def _kept(number: int) -> str:
    has, it = either(number, "has", "have"), either(number, "it", "them")
    return (
        f"{many(number, 'specimen')} {has} an outline already, which was kept. To have {it} outlined anew, press "
        "To box first."
    )


def _named(some: Sequence[Specimen]) -> str:
    """Return classes and places of specimens, as far as a message has room for them."""
    names = [f"{item.name} at {item.box[0]:.0f}, {item.box[1]:.0f}" for item in some[:_NAMED]]
    more = [f"{len(some) - _NAMED} more"] if len(some) > _NAMED else []
    return "; ".join([*names, *more])
