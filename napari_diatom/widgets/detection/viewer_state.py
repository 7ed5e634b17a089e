"""The results and the typed pixel sizes of one viewer, shared by its docks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self
from weakref import WeakKeyDictionary, ref

from napari.layers import Image, Shapes
from qtpy.QtCore import QObject, QTimer, Signal

from napari_diatom.images.pixel_size import LARGEST_UM, SMALLEST_UM
from napari_diatom.napari_layers.layer_file import layer_file, layer_path
from napari_diatom.napari_layers.result_facts import ResultFacts
from napari_diatom.widgets.canvas.pointing import Pointing
from napari_diatom.widgets.common.image_layers import find_image, is_input
from napari_diatom.widgets.common.opengl import guard
from napari_diatom.widgets.detection.result_canvas import ResultCanvas
from napari_diatom.widgets.detection.result_layer import ResultLayer
from napari_diatom.widgets.detection.specimen_layer import lay_over

if TYPE_CHECKING:
    from napari.viewer import Viewer

_of_viewers: Final[WeakKeyDictionary[Any, Shared]] = WeakKeyDictionary()


@dataclass
class _Entry:
    """A result, the dock that made it, and its image.

    The owner is None if the result was opened from a file, or the dock is closed. The image of an opened result is
    found by its name.
    """

    result: ResultLayer
    canvas: ResultCanvas
    owner: object | None
    image: Callable[[], Image | None]
    opened: bool = False


@dataclass(frozen=True)
class LastTyped:
    """The pixel size that was typed last, in µm, with its image and the name of the image at that time."""

    size_um: float
    image: Callable[[], Image | None]
    name: str


class Shared(QObject):
    """The results and the pixel sizes of a viewer, for all its docks.

    Each layer of specimens has one watcher, so that a change by one dock is a change by the program for all docks.
    Results and pixel sizes belong to an image layer, not to a name.
    """

    opened = Signal(object)
    """A layer of specimens was opened from a file; with its result."""
    closed = Signal(object)
    """The layer of a result was removed."""
    typed = Signal(object)
    """A pixel size was set for an image layer."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._layers = ref(viewer.layers)
        self._pointing = Pointing.of(viewer)
        self._entries: dict[Shapes, _Entry] = {}
        self._sizes: WeakKeyDictionary[Image, float | None] = WeakKeyDictionary()
        self.last_typed: LastTyped | None = None
        guard(viewer)
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        # A layer can be neither added nor removed while another one becomes the active layer.
        self._tidy_timer = QTimer(self)
        self._tidy_timer.setSingleShot(True)
        self._tidy_timer.setInterval(0)
        self._tidy_timer.timeout.connect(self._tidy)
        viewer.layers.selection.events.active.connect(self._on_active)
        for layer in list(viewer.layers):
            self._adopt(layer)

    @classmethod
    def of(cls, viewer: Viewer) -> Self:
        """Return the one object of a viewer."""
        bare = getattr(viewer, "__wrapped__", viewer)
        found = _of_viewers.get(bare)
        if found is None:
            found = _of_viewers[bare] = cls(bare)
        assert isinstance(found, cls)
        return found

    def add(self, result: ResultLayer, image: Image, owner: object) -> None:
        """Add a result that a dock has made for an image, before its layer is added to the viewer."""
        self._entries[result.layer] = _Entry(result, self._canvas(result), owner, ref(image))
        self._pointing.follow(result.layer)

    def _canvas(self, result: ResultLayer) -> ResultCanvas:
        return ResultCanvas(result, self._layers, partial(self.image_of, result))

    def release(self, owner: object) -> None:
        """Leave the results of a closing dock to the other docks."""
        for entry in self._entries.values():
            if entry.owner is owner:
                entry.owner = None

    def get(self, layer: Any) -> ResultLayer | None:
        """Return the result of a layer, None if it is not a layer of specimens."""
        entry = self._entries.get(layer) if isinstance(layer, Shapes) else None
        return None if entry is None else entry.result

    def canvas_of(self, result: ResultLayer | None) -> ResultCanvas | None:
        """Return the tools and keys that edit a result, None if there is no such result."""
        entry = None if result is None else self._entries.get(result.layer)
        return None if entry is None else entry.canvas

    def results(self, owner: object) -> list[ResultLayer]:
        """Return the results of a dock, and those without a dock, the newest last."""
        return [entry.result for entry in self._entries.values() if entry.owner in (owner, None)]

    def all_results(self) -> list[ResultLayer]:
        """Return the results of all docks, the newest last."""
        return [entry.result for entry in self._entries.values()]

    def made_by(self, owner: object) -> list[ResultLayer]:
        """Return the results of a dock, the newest last."""
        return [entry.result for entry in self._entries.values() if entry.owner is owner]

    def results_on(self, image: Image) -> list[ResultLayer]:
        """Return all results of an image layer."""
        return [entry.result for entry in self._entries.values() if self.image_of(entry.result) is image]

    def image_of(self, result: ResultLayer) -> Image | None:
        """Return the image layer of a result, None if it is not open."""
        entry = self._entries.get(result.layer)
        if entry is None:
            return None
        images = [image for image in self._images() if image.ndim == result.layer.ndim]
        known = entry.image()
        if any(image is known for image in images):
            return known
        facts = result.facts
        if facts.path:
            meant = facts.path, facts.page, facts.z
            found = next((image for image in reversed(images) if _file_image(image) == meant), None)
        elif entry.opened:
            found = find_image(images, facts, layer_path(result.layer))
        else:
            found = None
        if found is not None:
            entry.image = ref(found)
            if entry.opened:
                # Annotations may be opened before their image.
                lay_over(result.layer, facts, found)
        return found

    def pixel_size(self, image: Image) -> float | None:
        """Return the pixel size in µm that a person set for an image, None if the person said that it is unknown.

        Raises
        ------
        KeyError
            When no person has set it.
        """
        return self._sizes[image]

    def typed_or(self, image: Image, other_um: float | None) -> float | None:
        """Return the pixel size in µm that a person set for an image, or another one where no person has."""
        return self._sizes.get(image, other_um)

    def type_pixel_size(self, image: Image, name: str, size_um: float | None) -> None:
        """Set the pixel size of an image, and convert the sizes of its specimens."""
        self._sizes[image] = size_um
        if can_be(size_um):
            if size_um is not None:
                self.last_typed = LastTyped(size_um, ref(image), name)
            for result in self.results_on(image):
                result.set_pixel_size(size_um)
        self.typed.emit(image)

    def _images(self) -> Iterator[Image]:
        layers = self._layers()
        return iter(()) if layers is None else (layer for layer in list(layers) if is_input(layer))

    def _on_inserted(self, event: Any) -> None:
        self._adopt(event.value)
        if is_input(event.value):
            for entry in list(self._entries.values()):
                self.image_of(entry.result)

    def _on_active(self, event: Any) -> None:
        if isinstance(event.value, Shapes) and event.value in self._entries:
            self._tidy_timer.start()

    def _tidy(self) -> None:
        """Leave the layer of what is being drawn to the result that the user works on."""
        layers = self._layers()
        active = None if layers is None else layers.selection.active
        if isinstance(active, Shapes) and active in self._entries:
            for layer, entry in list(self._entries.items()):
                entry.canvas.tidy(layer is active)

    def _adopt(self, layer: Any) -> None:
        """Watch a layer of specimens that was opened from a file."""
        if not isinstance(layer, Shapes) or layer in self._entries or not ResultFacts.from_metadata(layer.metadata):
            return
        result = ResultLayer(layer)
        self._entries[layer] = _Entry(result, self._canvas(result), None, _nothing, opened=True)
        self._pointing.follow(layer)
        self.image_of(result)
        self.opened.emit(result)

    def _on_removed(self, event: Any) -> None:
        entry = self._entries.pop(event.value, None) if isinstance(event.value, Shapes) else None
        if entry is not None:
            entry.canvas.close()
            entry.result.close()
            self.closed.emit(entry.result)


def watch_current() -> None:
    """Watch the current viewer, if there is one: users can open annotations without a dock."""
    from napari import current_viewer

    viewer = current_viewer()
    if viewer is not None:
        Shared.of(viewer)


def can_be(size_um: float | None) -> bool:
    """Return whether a pixel size is unknown or within the possible range."""
    return size_um is None or SMALLEST_UM <= size_um <= LARGEST_UM


def _nothing() -> None:
    """Stand for an unknown image."""


def _file_image(image: Image) -> tuple[str, int | None, str] | None:
    """Return what tells an image of a file from all others, None for one that has no file."""
    file = layer_file(image)
    return None if file is None else file.image
