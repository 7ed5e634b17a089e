"""The drawing tools, one of which is in use."""

from __future__ import annotations

from qtpy.QtCore import QObject

from napari_diatom.project.specimen import Specimen
from napari_diatom.widgets.annotate.canvas import AnnotationCanvas
from napari_diatom.widgets.annotate.form import AnnotateForm
from napari_diatom.widgets.annotate.mask_painter import MaskPainter
from napari_diatom.widgets.annotate.opened import Opened
from napari_diatom.widgets.annotate.slide_view import visible_region
from napari_diatom.widgets.canvas.click_outline import NO_OUTLINER, installed_outliner
from napari_diatom.widgets.canvas.drawing_tools import MODES, use_tool


class Toolbox(QObject):
    """Switches tools, and makes a specimen of what was painted.

    Parameters
    ----------
    form : AnnotateForm
        Shows which tool is in use.
    opened : Opened
        The open project and image.
    canvas : AnnotationCanvas
        Shows the open image.
    """

    def __init__(self, form: AnnotateForm, opened: Opened, canvas: AnnotationCanvas) -> None:
        super().__init__(form)
        self._form = form
        self._opened = opened
        self._canvas = canvas
        self._painter = MaskPainter(canvas.viewer)
        self._tool = "select"

    def use(self, name: str) -> None:
        """Switch to a tool. ``paint`` a second time, or another tool, finishes the mask that is being painted."""
        if self._painter.is_on:
            self.end_painting()
            name = "select" if name == "paint" else name
        if name == "wand" and installed_outliner() is None:
            self._form.line.warn(NO_OUTLINER)
            name = "select"
        self._show_tool(name)
        if self._opened.document is None:
            return
        self._canvas.click_outline.switch(name == "wand")
        use_tool(self._canvas, name)
        if name == "paint":
            self._begin_painting()

    def use_again(self) -> None:
        """Use the same tool for another image."""
        self.use(self._tool)

    def stop_painting(self) -> None:
        """Finish the mask that is being painted, if there is one."""
        if self._painter.is_on:
            self.use("select")

    def stop_drawing(self) -> None:
        """Switch off drawing while the layer of the proposals is active: nothing can be drawn in it."""
        if self._canvas.viewer.layers.selection.active == self._canvas.proposals.layer and not self._painter.is_on:
            self._show_tool("select")
            self._canvas.three_clicks.switch(False)
            self._canvas.click_outline.switch(False)
            self._canvas.specimens.layer.mode = MODES["select"]

    def check_mask_layer(self) -> None:
        """Finish the mask if its layer was deleted."""
        if self._painter.is_on and self._painter.layer not in self._canvas.viewer.layers:
            self.use("select")

    def end_painting(self) -> None:
        """Make a specimen of what was painted. The tool stays the same."""
        if not self._painter.is_on:
            return
        specimen = self._painter.specimen
        mask = self._painter.end()
        document = self._opened.document
        if document is None or mask is None:
            return
        with self._form.line.showing_errors():
            if specimen is not None and specimen.id in document.specimens:
                document.reshape({specimen.id: Specimen.of_mask(mask, specimen.name)})
            else:
                document.add([Specimen.of_mask(mask, self._form.classes.value())], "paint")

    def _show_tool(self, name: str) -> None:
        self._tool = name
        self._form.show_tool(name)

    def _begin_painting(self) -> None:
        selected, document = self._canvas.selection(), self._opened.document
        specimen = document.specimens[selected[0]] if document is not None and selected else None
        image = self._canvas.image
        if not self._form.classes.value():
            self._canvas.classless.emit()
            self.use("select")
        elif image is not None:
            layer = self._painter.begin(image, visible_region(image), specimen)
            for name in ("M", "Enter", "Return"):
                layer.bind_key(name, lambda *_: self.use("paint"), overwrite=True)
