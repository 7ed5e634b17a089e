"""The scale bar of the chosen image, offered as its pixel size."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QInputDialog, QMessageBox, QWidget

from napari_diatom.core.errors import DiatomError
from napari_diatom.images.scale_bar import MOST_PIXELS, ScaleBar, find_scale_bar
from napari_diatom.images.slide_image import from_array
from napari_diatom.widgets.common.asking import ask
from napari_diatom.widgets.common.worker import QuietWorker

if TYPE_CHECKING:
    from numpy.typing import NDArray

TITLE: Final = "Scale bar"


class ScaleBarOffer(QObject):
    """Looks for a scale bar in a thread, and asks before anything is taken from it.

    Parameters
    ----------
    parent : QWidget
        The dock. Questions appear in front of it.
    """

    taken = Signal(object)
    """The pixel size that the user has taken, in µm."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._parent = parent
        self._worker: QuietWorker | None = None
        self._stated_um: float | None = None

    @property
    def running(self) -> bool:
        """Whether a scale bar is being looked for."""
        return self._worker is not None

    def look(self, pixels: Callable[[], NDArray[Any]], size: tuple[int, int], stated_um: float | None) -> None:
        """Look for the scale bar of an image, unless one is being looked for.

        Parameters
        ----------
        pixels : callable
            Returns the image, shape (H, W) or (H, W, 3); called in a thread.
        size : tuple of int, length 2
            Height and width.
        stated_um : float or None
            The pixel size that the image states.
        """
        if self.running:
            return
        if size[0] * size[1] > MOST_PIXELS:
            self._say("This image is a stitched scan. Nothing is burned into these.")
            return
        worker = QuietWorker(lambda: find_scale_bar(from_array(np.asarray(pixels()), TITLE)))
        worker.returned.connect(self._on_found)
        worker.errored.connect(self._on_error)
        worker.finished.connect(self._on_finished)
        self._worker, self._stated_um = worker, stated_um
        worker.start()

    def _on_finished(self) -> None:
        self._worker = None

    def _on_error(self, error: Exception) -> None:
        if not isinstance(error, DiatomError):
            raise error
        self._say(str(error))

    def _on_found(self, bar: ScaleBar | None) -> None:
        """Show what was found, beside what the image states, and ask."""
        stated_um = self._stated_um
        if bar is None:
            self._say("No scale bar was found. A bar must be level, of one colour, and have sharp edges.")
            return
        if bar.label is None:
            bar = self._labelled(bar)
        if bar is None or bar.label is None or bar.pixel_size_um is None:
            return
        says = f"The scale bar is {bar.length_px:.1f} px long and says {bar.label.text}"
        text = f"{says}: {bar.pixel_size_um:.4g} µm a pixel."
        if stated_um is not None:
            text += f"\nThe image states {stated_um:.4g} µm a pixel."
        remark = bar.remark(stated_um)
        if remark:
            text += f"\n\n{remark[:1].upper()}{remark[1:]}".rstrip(".") + "."
        text += "\n\nIs the label right?"
        answers = ("Leave as it is", f"Use {bar.pixel_size_um:.4g} µm", "Correct the label…")
        chosen = ask(self._parent, TITLE, text, *answers)
        if chosen == 2:
            corrected = self._labelled(bar, bar.label.text)
            if corrected is not None:
                self._on_found(corrected)
        elif chosen == 1:
            self.taken.emit(bar.pixel_size_um)

    def _labelled(self, bar: ScaleBar, text: str = "") -> ScaleBar | None:
        """Ask what a bar says until it is a length; None if the user gives up."""
        question = f"The scale bar is {bar.length_px:.1f} px long. What does it say, such as 20 µm?"
        while True:
            text, entered = QInputDialog.getText(self._parent, TITLE, question, text=text)
            if not entered:
                return None
            try:
                return bar.labelled(text)
            except DiatomError as error:
                question = str(error)

    def _say(self, text: str) -> None:
        QMessageBox.information(self._parent, TITLE, text)
