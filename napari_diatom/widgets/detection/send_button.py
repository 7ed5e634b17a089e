"""The button that sends results to a project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_diatom.images.planes import BEST, PAGES
from napari_diatom.napari_layers.layer_file import LayerFile, layer_file
from napari_diatom.review.sent_image import SentImage, classes_sent
from napari_diatom.widgets.common.image_layers import layer_pixels
from napari_diatom.widgets.common.open_project import OpenProject
from napari_diatom.widgets.detection.viewer_state import Shared
from napari_diatom.widgets.review.send_dialog import SendDialog
from napari_diatom.widgets.review.send_form import ResultToSend, What
from napari_diatom.widgets.review.sender import Sender

if TYPE_CHECKING:
    from napari.layers import Image, Layer
    from napari.viewer import Viewer

    from napari_diatom.core.annotations import Annotations
    from napari_diatom.widgets.detection.result_layer import ResultLayer


class SendButton(QPushButton):
    """Asks which results go to which project, and sends them.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Has the results.
    shown : callable
        Returns the shown result.

    Attributes
    ----------
    count_folder : Path or None
        The results folder of the run over several images that the dock shows.
    """

    said = Signal(str)
    """What is going on, and what was sent."""
    failed = Signal(str)
    """Why nothing was sent, or not all."""
    running = Signal(bool)
    """Sending has begun or ended."""

    def __init__(self, viewer: Viewer, shown: Callable[[], ResultLayer | None]) -> None:
        super().__init__("Send to a project…")
        self.setObjectName("send")
        self.setToolTip("Put the specimens into a project, to review, correct and train on them in Annotate diatoms")
        self._viewer = viewer
        self._shown = shown
        self.count_folder: Path | None = None
        self._folder_first = False
        self._behind: list[Layer] = []
        self._sender = Sender(self, viewer)
        self._sender.said.connect(self.said)
        self._sender.failed.connect(self.failed)
        self._sender.shown.connect(self._make_way)
        self._sender.started.connect(lambda: self.running.emit(True))
        self._sender.ended.connect(lambda: self.setEnabled(True))
        self._sender.ended.connect(lambda: self.running.emit(False))
        self.clicked.connect(self._ask)

    @property
    def is_running(self) -> bool:
        """Whether results are being sent."""
        return self._sender.is_running

    def stop(self) -> None:
        """Stop sending. What was sent stays in the project, and is not sent again the next time."""
        self._sender.stop()

    def results(self) -> tuple[ResultToSend, ...]:
        """Return the results of the viewer, the shown one first."""
        shared, shown = Shared.of(self._viewer), self._shown()
        every = list(shared.all_results())
        every.sort(key=lambda result: result is not shown)
        return tuple(result_to_send(result, shared.image_of(result)) for result in every)

    def setFolder(self, count_folder: Path | None, first: bool) -> None:
        """Offer the results folder of a run, chosen at first after that run unless something else was corrected."""
        self.count_folder, self._folder_first = count_folder, first
        self.refresh()

    def refresh(self) -> None:
        """Show the button as soon as there is something to send, in whatever image it was found."""
        self.setVisible(self.count_folder is not None or bool(Shared.of(self._viewer).all_results()))

    def _make_way(self) -> None:
        """Hide the results that were sent and their images: the project shows them in layers of its own."""
        for layer in self._behind:
            layer.visible = False
        self._behind = []

    def _ask(self) -> None:
        project, results = OpenProject.of(self._viewer).folder, self.results()
        # Corrections of images that are not in the folder are not sent with it.
        others = any(item.is_corrected and not item.is_of(self.count_folder) for item in results)
        dialog = SendDialog(
            _window_of(self), results, project, self.count_folder, folder_first=self._folder_first and not others
        )
        if dialog.exec():
            form = dialog.value()
            self._behind = self._layers_of(form.what)
            self.setEnabled(False)
            self._sender.send(form)
            if not self._sender.is_running:
                self.setEnabled(True)
        dialog.deleteLater()

    def _layers_of(self, what: What) -> list[Layer]:
        """Return the layers of what is sent: results, and their images."""
        shared, shown = Shared.of(self._viewer), self._shown()
        chosen = [result for result in shared.all_results() if what != "shown" or result is shown]
        layers = [layer for result in chosen for layer in (result.layer, shared.image_of(result))]
        return [layer for layer in layers if layer is not None]


def result_to_send(result: ResultLayer, layer: Image | None) -> ResultToSend:
    """Return a result with its image, None if that is not open, as it is sent to a project."""
    annotations, facts = result.annotations(), result.facts
    file = None if layer is None else layer_file(layer)
    if facts.path:
        file = LayerFile(facts.path, facts.page, facts.z)
    pixels = None
    if file is None and layer is not None:
        pixels = layer_pixels(layer, facts)
        for position in facts.plane:
            pixels = pixels[position]
    page, z = (None, BEST) if file is None else (file.page, file.z)
    if facts.plane and layer is not None:
        page, z = 1 + int(np.ravel_multi_index(facts.plane, layer_pixels(layer).shape[: len(facts.plane)])), PAGES
    image = SentImage(
        facts.image,
        Path() if file is None else Path(file.path),
        _returning(annotations),
        page,
        z,
        pixel_size_um=facts.pixel_size_um,
        annotations=result.file,
    )
    return ResultToSend(
        image,
        len(annotations),
        classes_sent(annotations),
        pixels,
        rgb=layer is not None and bool(layer.rgb),
        is_corrected=result.document.all.is_corrected,
    )


def _returning(annotations: Annotations) -> Callable[[], Annotations]:
    return lambda: annotations


def _window_of(widget: QWidget) -> QWidget | None:
    """Return the window of a widget: a dialog in front of a dock alone may lie behind others."""
    window: QWidget | None = widget.window()
    return window
