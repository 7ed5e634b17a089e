"""Opens counted images in the viewer, one at a time: a folder of 2,000 images is a list, not layers."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from napari.layers import Image
from qtpy.QtCore import QObject, QTimer, Signal

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.counting.image_states import ImageState
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.images.planes import BEST
from napari_diatom.images.slide_image import open_images
from napari_diatom.napari_layers.layer_file import LayerFile, layer_file
from napari_diatom.widgets.common.image_layers import is_input
from napari_diatom.widgets.common.image_pyramid import layer_data
from napari_diatom.widgets.common.worker import ReportingWorker

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_diatom.counting.batch_options import Batch

_PAUSE_MS: Final = 120
"""Time without another choice before an image is opened: who walks through a list with the keys opens the last."""
_BREATH_MS: Final = 30
"""Time for the viewer to draw between two steps."""


@dataclass(frozen=True, eq=False)
class OpenedImage:
    """A counted image, as it is read from the disk.

    Attributes
    ----------
    state : ImageState
        The image.
    specimen : int
        Number of the specimen to show, 0 for none.
    annotations : Annotations or None
        Its specimens, None where there is no result.
    data : array-like or None
        Pixels of a layer, or its pyramid; None where the image is open already.
    multiscale : bool
        Whether that is a pyramid.
    file : LayerFile or None
        Which image of which file the layer shows; None where it is open already.
    annotated_in : Path or None
        The file of annotations that the specimens were read from.
    """

    state: ImageState
    specimen: int
    annotations: Annotations | None
    data: Any = None
    multiscale: bool = False
    file: LayerFile | None = None
    annotated_in: Path | None = None


class ImageOpener(QObject):
    """Opens the image of a row, and closes the one that it opened before.

    Parameters
    ----------
    parent : QObject
        Owns it.
    viewer : napari.viewer.Viewer
        Where images are opened.
    may_close : callable
        Whether nothing that a person did to an image layer is lost when it is closed.

    Attributes
    ----------
    batch : Batch or None
        The run whose images are opened.
    workers : list of ReportingWorker
        Those that read. The list stays the same object.
    """

    opened = Signal(object, object)
    """An image is in the viewer: its layer, and the :class:`OpenedImage`."""
    closing = Signal(object)
    """An image layer is about to be closed."""
    failed = Signal(str)
    """Why an image cannot be opened."""

    def __init__(self, parent: QObject, viewer: Viewer, may_close: Callable[[Image], bool]) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._may_close = may_close
        self.batch: Batch | None = None
        self._current: Callable[[], Image | None] = _none
        self._images: dict[str, Callable[[], Image | None]] = {}
        self._wanted: tuple[ImageState, int] | None = None
        self.workers: list[ReportingWorker] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE_MS)
        self._timer.timeout.connect(self._read)
        # The opener owns its timers, and they end with it: the window may be closed between two steps.
        self._breath = QTimer(self)
        self._breath.setSingleShot(True)
        self._breath.setInterval(_BREATH_MS)
        self._breath.timeout.connect(self._next)
        self._step: Callable[[], object] = _none

    def setBatch(self, batch: Batch) -> None:
        """Take images as a batch reads them, and close the image of an earlier one."""
        self.stop()
        self._close_current()
        self.batch = batch
        self._images.clear()

    def open(self, state: ImageState, specimen: int = 0) -> None:
        """Open an image, and show one of its specimens."""
        self._wanted = state, specimen
        self._timer.start()

    def stop(self) -> None:
        """Open nothing any more."""
        self._timer.stop()
        self._breath.stop()
        self._wanted = None
        for worker in self.workers:
            worker.quit()

    def _read(self) -> None:
        """Read the wanted image in a thread."""
        if self._wanted is None or self.batch is None:
            return
        from napari.qt.threading import create_worker

        state, specimen = self._wanted
        is_open = self._layer_of(state) is not None
        worker = create_worker(
            _from_disk, state, specimen, self.batch, is_open, _worker_class=ReportingWorker, _ignore_errors=True
        )
        worker.returned.connect(self._show)
        worker.errored.connect(lambda error: self.failed.emit(" ".join(str(error).split())))
        worker.finished.connect(lambda: self.workers.remove(worker))
        self.workers.append(worker)
        worker.start()

    def _show(self, found: OpenedImage) -> None:
        """Show an image that was read, unless another one is wanted by now."""
        if self._wanted is None or self._wanted[0].image != found.state.image:
            return
        found = replace(found, specimen=self._wanted[1])
        known = self._layer_of(found.state)
        if known is not None:
            self.opened.emit(known, found)
            return
        self._close_current()
        self._do_soon(partial(self._add, found))

    def _do_soon(self, step: Callable[[], object]) -> None:
        """Take a step when the viewer has drawn; one that waits is given up for it."""
        self._step = step
        self._breath.start()

    def _next(self) -> None:
        self._step()

    def _add(self, found: OpenedImage) -> None:
        """Add the layer of an image."""
        if found.file is None or self._wanted is None or self._wanted[0].image != found.state.image:
            return
        size = found.state.pixel_size_um
        placed = {} if size is None else {"scale": (size, size), "units": ("um", "um")}
        shown = {"multiscale": found.multiscale, "metadata": found.file.to_metadata()}
        layer = Image(found.data, rgb=True, name=found.state.image, **shown, **placed)
        self._viewer.add_layer(layer)
        self._current = self._images[found.state.image] = ref(layer)
        self._do_soon(partial(self.opened.emit, layer, found))

    def _close_current(self) -> None:
        """Close the image that was opened last, unless a person has changed its specimens."""
        before, self._current = self._current(), _none
        if before is not None and before in self._viewer.layers and self._may_close(before):
            self.closing.emit(before)
            self._viewer.layers.remove(before)

    def _layer_of(self, state: ImageState) -> Image | None:
        """Return the layer of an image if it is open: the one that was opened here, or the one of its file."""
        known = self._images.get(state.image, _none)()
        if known is not None and known in self._viewer.layers:
            return known
        page = _page(state)
        meant = os.path.abspath(state.file), page, BEST if page is None or self.batch is None else self.batch.z
        files = ((layer, layer_file(layer)) for layer in self._viewer.layers if is_input(layer) and layer.ndim == 2)
        return next((layer for layer, file in files if file is not None and file.image == meant), None)


def _from_disk(state: ImageState, specimen: int, batch: Batch, is_open: bool, monitor: ProgressMonitor) -> OpenedImage:
    """Read a counted image and its specimens."""
    monitor.report(Progress("open", message=f"Opening {state.image}"))
    annotated_in = batch.out / state.annotations if state.annotations else None
    annotations = None if annotated_in is None else geojson.read(annotated_in)
    if is_open:
        return OpenedImage(state, specimen, annotations, annotated_in=annotated_in)
    path = Path(state.file)
    images = open_images(path, batch.options.pixel_size_um, batch.z, batch.max_decode_mb)
    if state.number > len(images):
        raise InputError(f"{path} was changed after the run: it has no image {state.number} any more.")
    monitor.check()
    image = images[state.number - 1]
    file = LayerFile.of_opened(image, state.image, _page(state), batch.z)
    return OpenedImage(state, specimen, annotations, *layer_data(image), file, annotated_in)


def _page(state: ImageState) -> int | None:
    """Return the number of an image in a file of several, None for that of a file with one image."""
    return None if state.image == state.source else state.number


def _none() -> None:
    """Stand for a layer that is not open."""
