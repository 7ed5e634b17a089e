"""What the docks of one viewer share: who watches over which layer of specimens, and what pixel sizes were typed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self
from weakref import WeakKeyDictionary, ref

from napari.layers import Image, Shapes
from qtpy.QtCore import QObject, Signal

from napari_diatom.images.pixel_size import LARGEST_UM, SMALLEST_UM
from napari_diatom.napari_layers.shapes_layer import ResultFacts
from napari_diatom.widgets.common.image_layers import called, is_input, path_of
from napari_diatom.widgets.common.opengl import guard
from napari_diatom.widgets.detection.result_layer import ResultLayer
from napari_diatom.widgets.detection.specimen_layer import lay_over

if TYPE_CHECKING:
    from pathlib import Path

    from napari.viewer import Viewer

_of_viewers: Final[WeakKeyDictionary[Any, Shared]] = WeakKeyDictionary()


@dataclass
class _Entry:
    """A result, the dock that made it (None where it was opened, or the dock is closed), and the image it lies on.

    The image of a result that was opened is found by its name.
    """

    result: ResultLayer
    owner: object | None
    image: Callable[[], Image | None]
    opened: bool = False


@dataclass(frozen=True)
class LastTyped:
    """The pixel size that was typed last, in µm, the image that it was typed for, and what that was called then."""

    size_um: float
    image: Callable[[], Image | None]
    name: str


class Shared(QObject):
    """The results of a viewer and its pixel sizes, whichever docks are open.

    A layer of specimens has one watcher, be there one dock or three: what one of them changes is a change of the
    program, for the others too. Results and pixel sizes belong to an image layer, never to a name.
    """

    opened = Signal(object)
    """A layer of specimens came that no dock has made; with its result."""
    closed = Signal(object)
    """The layer of a result is gone."""
    typed = Signal(object)
    """Another pixel size was given for an image layer."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._layers = ref(viewer.layers)
        self._entries: dict[Shapes, _Entry] = {}
        self._sizes: WeakKeyDictionary[Image, float | None] = WeakKeyDictionary()
        self.last_typed: LastTyped | None = None
        guard(viewer)
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        for layer in list(viewer.layers):
            self._adopt(layer)

    @classmethod
    def of(cls, viewer: Viewer) -> Self:
        """Return what all docks of a viewer share."""
        bare = getattr(viewer, "__wrapped__", viewer)
        found = _of_viewers.get(bare)
        if found is None:
            found = _of_viewers[bare] = cls(bare)
        assert isinstance(found, cls)
        return found

    def add(self, result: ResultLayer, image: Image, owner: object) -> None:
        """Take in a result that a dock has made for an image, before its layer comes into the viewer."""
        self._entries[result.layer] = _Entry(result, owner, ref(image))

    def release(self, owner: object) -> None:
        """Leave what a dock has made to the other docks, as it goes."""
        for entry in self._entries.values():
            if entry.owner is owner:
                entry.owner = None

    def get(self, layer: Any) -> ResultLayer | None:
        """Return the result of a layer, None where it is not a layer of specimens."""
        entry = self._entries.get(layer) if isinstance(layer, Shapes) else None
        return None if entry is None else entry.result

    def results(self, owner: object) -> list[ResultLayer]:
        """Return what a dock has made, and what no other dock has, the newest last."""
        return [entry.result for entry in self._entries.values() if entry.owner in (owner, None)]

    def made_by(self, owner: object) -> list[ResultLayer]:
        """Return what a dock has made, the newest last."""
        return [entry.result for entry in self._entries.values() if entry.owner is owner]

    def results_on(self, image: Image) -> list[ResultLayer]:
        """Return all results that lie on an image layer."""
        return [entry.result for entry in self._entries.values() if self.image_of(entry.result) is image]

    def image_of(self, result: ResultLayer) -> Image | None:
        """Return the image layer that a result lies on, None where it is not open."""
        entry = self._entries.get(result.layer)
        if entry is None:
            return None
        images = [image for image in self._images() if image.ndim == result.layer.ndim]
        known = entry.image()
        if any(image is known for image in images):
            return known
        facts = result.facts
        if facts.path:
            found = next((image for image in reversed(images) if _path_text(image) == facts.path), None)
        elif entry.opened:
            found = called(images, facts, path_of(result.layer))
        else:
            found = None
        if found is not None:
            entry.image = ref(found)
            if entry.opened:
                # Annotations may be opened before their image.
                lay_over(result.layer, facts, found)
        return found

    def pixel_size(self, image: Image) -> float | None:
        """Return the pixel size in µm that a person gave for an image; None where it was said to be unknown.

        Raises
        ------
        KeyError
            When nobody has said anything.
        """
        return self._sizes[image]

    def type_pixel_size(self, image: Image, name: str, size_um: float | None) -> None:
        """Take in what a person says of an image's pixel size, and measure what lies on it in that."""
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

    def _adopt(self, layer: Any) -> None:
        """Watch over a layer of specimens that no dock has made."""
        if not isinstance(layer, Shapes) or layer in self._entries or not ResultFacts.from_metadata(layer.metadata):
            return
        result = ResultLayer(layer)
        self._entries[layer] = _Entry(result, None, _nothing, opened=True)
        self.image_of(result)
        self.opened.emit(result)

    def _on_removed(self, event: Any) -> None:
        entry = self._entries.pop(event.value, None) if isinstance(event.value, Shapes) else None
        if entry is not None:
            entry.result.close()
            self.closed.emit(entry.result)


def watch_current() -> None:
    """Watch over the viewer that is in use, if there is one: annotations may come without a dock of ours."""
    from napari import current_viewer

    viewer = current_viewer()
    if viewer is not None:
        Shared.of(viewer)


def can_be(size_um: float | None) -> bool:
    """Return whether a pixel size is unknown, or one that a person may give."""
    return size_um is None or SMALLEST_UM <= size_um <= LARGEST_UM


def _nothing() -> None:
    """Stand for an image that is not known."""


def _path_text(image: Image) -> str:
    """Return the path of an image's file as facts have it."""
    path: Path | None = path_of(image)
    return "" if path is None else str(path)
