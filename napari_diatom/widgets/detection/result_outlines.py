"""Valves of a result that are found by a click, and outlines that are drawn anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Image
from qtpy.QtCore import QObject, Signal

from napari_diatom.core.progress import Progress
from napari_diatom.core.text import many
from napari_diatom.models import library
from napari_diatom.napari_layers import project_layer
from napari_diatom.project.specimen import Specimen
from napari_diatom.widgets.canvas.arrived_outlines import ArrivedOutlines
from napari_diatom.widgets.canvas.click_outline import (
    ALREADY_HERE,
    CONTRADICTION,
    NO_OUTLINER,
    NOTHING_HERE,
    ClickOutline,
    detector_for_clicks,
    installed_outliner,
    is_there,
)
from napari_diatom.widgets.canvas.outline_queue import Outlined, OutlineQueue, OutlineTask
from napari_diatom.widgets.canvas.shape_edits import ManyShapes, is_under_hand
from napari_diatom.widgets.common.image_layers import layer_pixels
from napari_diatom.widgets.detection.result_specimens import ResultSpecimen

if TYPE_CHECKING:
    from napari_diatom.models.library import ModelFolder
    from napari_diatom.widgets.detection.result_layer import ResultLayer

_BOXES_ONLY: Final = (
    "This result has boxes only. Tick Outlines and search again, or press Send to a project: in Annotate, O turns "
    "boxes into outlines."
)
_NO_IMAGE: Final = "Open the image of this result first."


class ResultOutlines(QObject):
    """Has valves of a result found by clicks, and the selected specimens outlined.

    Parameters
    ----------
    parent : QObject
        Its owner.
    result : ResultLayer
        The result.
    marks : ManyShapes
        Shows where somebody clicked, as long as nothing has come of it.
    find_image : callable
        Returns the image layer of the result, None if it is not open.
    """

    said = Signal(str)
    """What is going on, what was done, or what is missing."""

    def __init__(
        self, parent: QObject, result: ResultLayer, marks: ManyShapes, find_image: Callable[[], Image | None]
    ) -> None:
        super().__init__(parent)
        self._result = result
        self._find_image = find_image
        self._clicks = ClickOutline(result.layer, marks)
        self._clicks.clicked.connect(self.click)
        self._queue = OutlineQueue()
        self._arrived = ArrivedOutlines(self, self._queue, lambda: is_under_hand(result.layer), self._use)
        self._queue.changed.connect(self._mark)
        self._queue.progressed.connect(self._on_progress)
        self._queue.failed.connect(lambda _, why: self.said.emit(f"Nothing was outlined: {why}"))

    @property
    def is_running(self) -> bool:
        """Whether something is not done."""
        return self._arrived.is_running

    def missing(self) -> str:
        """Return what is missing to find valves, empty if nothing is."""
        if self._find_image() is None:
            return _NO_IMAGE
        if installed_outliner() is None:
            return NO_OUTLINER
        return "" if detector_for_clicks(self._detector()) else "No model that finds valves is installed."

    def switch(self, on: bool) -> None:
        """Listen to clicks, or stop listening."""
        self._clicks.switch(on)

    def click(self, x: float, y: float) -> None:
        """Have the valve at a point found, x and y in pixels of the image."""
        facts, outliner = self._result.facts, installed_outliner()
        height, width = facts.height or np.inf, facts.width or np.inf
        if not (0 <= x < width and 0 <= y < height):
            return
        if (missing := self.missing()) or outliner is None:
            self.said.emit(missing)
            return
        self.said.emit("Looking for the valve that you clicked on.")
        name = self._result.sync.new_class or facts.classes[0]
        self._add(outliner, point=(x, y), detector=detector_for_clicks(self._detector()), name=name)

    def outline(self) -> None:
        """Have the selected specimens outlined anew, where the result has outlines."""
        self._result.flush_edits()
        outliner, known = installed_outliner(), self._result.document.specimens
        boxes = {str(number): known[str(number)] for number in self._result.selection()}
        problem = self.missing() or ("" if self._has_outlines else _BOXES_ONLY)
        if problem or outliner is None:
            self.said.emit(problem)
        elif not boxes:
            self.said.emit("Select the specimens that you want to outline, then press O.")
        else:
            self._add(outliner, boxes=boxes)

    def take_back(self) -> bool:
        """Forget the last click that is not done. Return whether there was one."""
        return self._arrived.take_back()

    def stop(self) -> None:
        """Stop. What is done stays."""
        self._arrived.stop()

    def leave(self) -> None:
        """Stop, and tell nobody."""
        self._clicks.switch(False)
        self._arrived.leave()

    @property
    def _has_outlines(self) -> bool:
        return self._result.document.all.found.drawn is not None

    def _detector(self) -> ModelFolder | None:
        """Return the model of the result, None if it is not installed."""
        words = self._result.facts.model.split()
        return next((model for model in library.available() if model.card.name in words), None)

    def _add(self, outliner: ModelFolder, **asked: Any) -> None:
        image, facts = self._find_image(), self._result.facts
        if image is None:
            return
        pixels = layer_pixels(image, facts)
        task = OutlineTask(
            image_name=facts.image,
            pixels=pixels[facts.plane] if facts.plane else pixels,
            rgb=image.rgb,
            pixel_size_um=facts.pixel_size_um,
            outliner=outliner,
            **asked,
        )
        self._queue.add(task)

    def _mark(self) -> None:
        """Show where something was clicked on that is not done. There are no marks on the planes of a stack."""
        if self._result.layer.ndim == 2:
            self._clicks.mark([task.point for task in self._queue.tasks if task.point is not None])

    def _on_progress(self, task: OutlineTask, progress: Progress) -> None:
        if task.point is None and progress.total:
            done = f"{progress.done} of {many(progress.total, 'specimen')}"
            self.said.emit(f"Outlining {done}. Press Esc to stop.")

    def _use(self, task: OutlineTask, outlined: Outlined) -> None:
        """Make edits of what has come of a task."""
        self._result.flush_edits()
        if task.point is None:
            self._reshape(task, outlined)
        else:
            self._add_found(outlined)

    def _reshape(self, task: OutlineTask, outlined: Outlined) -> None:
        """Give specimens their outlines, unless they were changed in the meantime."""
        known = self._result.document.specimens
        shapes = {
            id_: self._drawn(new, id_)
            for id_, new in outlined.shapes.items()
            if id_ in known and known[id_].has_shape_of(task.boxes[id_])
        }
        if shapes:
            self._result.document.reshape(shapes, "outline")
        kept = len(task.boxes) - len(shapes)
        why = f" {many(kept, 'specimen')} stayed as before: changed meanwhile, or the outline contradicts the box."
        self.said.emit(f"{many(len(shapes), 'specimen')} outlined anew.{why if kept else ''}")

    def _add_found(self, outlined: Outlined) -> None:
        """Add the valve that was clicked on."""
        found = outlined.found
        if found is None:
            self.said.emit(NOTHING_HERE)
        elif is_there(found, self._result.document.specimens):
            self.said.emit(ALREADY_HERE)
        else:
            number = self._result.sync.new_number()
            self._result.document.add([self._drawn(found, str(number))], "click")
            self._result.select([number])
            self.said.emit(CONTRADICTION if outlined.contradicting and self._has_outlines else "A valve was added.")

    def _drawn(self, item: Specimen, id_: str) -> ResultSpecimen:
        """Return a specimen of the result: a box where the result has boxes only."""
        if not self._has_outlines or item.pixels is None:
            new = ResultSpecimen.rectangle(item.box, item.name, id=id_)
        else:
            new = ResultSpecimen.of_mask(item.pixels, item.name, item.box, id=id_)
        return new.replace(drawn=project_layer.to_shape(new, self._result.facts.plane))
