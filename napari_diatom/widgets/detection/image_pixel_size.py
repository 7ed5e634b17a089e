"""The pixel size of the chosen image: typed for it, stated by it, or typed for another image."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QLabel, QMessageBox, QWidget
from superqt.utils import signals_blocked

from napari_diatom.widgets.common.image_layers import layer_image_name, layer_pixels, plane_of, stated_pixel_size
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.pixel_size_edit import PixelSizeEdit
from napari_diatom.widgets.common.text_tone import link_colour
from napari_diatom.widgets.detection.scale_bar_offer import ScaleBarOffer
from napari_diatom.widgets.detection.viewer_state import can_be

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_diatom.images.optics_presets import Presets
    from napari_diatom.widgets.detection.image_chooser import ImageChooser
    from napari_diatom.widgets.detection.results_panel import ResultsPanel
    from napari_diatom.widgets.detection.viewer_state import Shared


class ImagePixelSize(QObject):
    """Shows the pixel size of the chosen image, and lets the user change it.

    The size that the user typed for the image comes first, then the size that the image states, then the size that was
    typed last for another image. The last one is borrowed: a note says so, and a run asks before it uses it.

    Parameters
    ----------
    parent : QWidget
        The dock. Questions appear in front of it.
    viewer : napari.viewer.Viewer
        Whose images they are.
    shared : Shared
        Has the pixel sizes that were typed for images.
    images : ImageChooser
        The choice of the image.
    panel : ResultsPanel
        Its result gives the pixel size while no image is open.
    presets : Presets, optional
        The optics to choose from, by default the user's own.

    Attributes
    ----------
    edit : PixelSizeEdit
        Shows the pixel size and lets the user type it.
    note : QLabel
        Says that the size is borrowed, with a link to keep it.
    borrowed : bool
        Whether the shown size was typed for another image.
    """

    changed = Signal()
    """The pixel size has changed."""
    noticed = Signal(str)
    """A warning about the pixel size that an image states."""

    def __init__(
        self,
        parent: QWidget,
        viewer: Viewer,
        shared: Shared,
        images: ImageChooser,
        panel: ResultsPanel,
        presets: Presets | None = None,
    ) -> None:
        super().__init__(parent)
        self._parent = parent
        self._viewer = viewer
        self._shared = shared
        self._images = images
        self._panel = panel
        self.edit = named(PixelSizeEdit(presets), "pixel_size")
        self.note = named(QLabel(), "borrowed")
        self.note.setWordWrap(True)
        self.note.hide()
        self.borrowed = False
        self.edit.valueChanged.connect(self.take)
        self._offer = ScaleBarOffer(parent)
        self._offer.taken.connect(self.edit.setValue)
        self.edit.addSource("From the scale bar…", self.look_for_scale_bar)
        self.note.linkActivated.connect(lambda _: self.take(self.edit.value()))

    def value(self) -> float | None:
        """Return the shown micrometres per pixel, None while unknown."""
        return self.edit.value()

    def attach(self) -> None:
        """Follow the sizes that are typed here or in another dock."""
        self._shared.typed.connect(self._on_typed)

    def detach(self) -> None:
        """Stop following the typed sizes."""
        self._shared.typed.disconnect(self._on_typed)

    def show(self, image: Image | None) -> None:
        """Show the pixel size of an image, or without an image that of the shown result."""
        result = self._panel.result()
        size, hint, self.borrowed = None, "", False
        if image is None:
            size = None if result is None else result.facts.pixel_size_um
        else:
            try:
                size = self._shared.pixel_size(image)
            except KeyError:
                stated = stated_pixel_size(image)
                size, last = stated.um, self._shared.last_typed
                hint = " ".join([*(["Taken from the image."] if size is not None else []), *stated.notices])
                if stated.notices:
                    self.noticed.emit(" ".join(stated.notices))
                if size is None and last is not None:
                    size, self.borrowed = last.size_um, True
                    hint = f"Typed for {self._typed_for()}; this image does not state its pixel size."
        with signals_blocked(self.edit):
            self.edit.setValue(size)
        self.edit.setHint(hint)
        self.note.setText(
            f"{escape(hint)} <a href='keep' style='color: {link_colour(self.note)}'>Use it for this image too</a>"
            if self.borrowed
            else ""
        )
        self.note.setVisible(self.borrowed)

    def take(self, size: float | None) -> None:
        """Set the pixel size of the chosen image, or without an image that of the shown result."""
        image, result = self._images.image(), self._panel.result()
        if image is not None:
            self._shared.type_pixel_size(image, layer_image_name(image, self._viewer.layers), size)
        elif result is not None and can_be(size):
            result.set_pixel_size(size)
        self.changed.emit()

    def look_for_scale_bar(self) -> None:
        """Look for the scale bar of the chosen image, and offer what it says."""
        image = self._images.image()
        if image is None:
            return
        plane, pixels = plane_of(image, self._viewer), layer_pixels(image)
        height, width = pixels.shape[-3:-1] if image.rgb else pixels.shape[-2:]
        self._offer.look(lambda: pixels[tuple(plane)], (int(height), int(width)), stated_pixel_size(image).um)

    def ask_about_borrowed(self, image: Image) -> bool:
        """Ask whether a borrowed pixel size is right, once for each image. Return whether to start the run."""
        size, last = self.value(), self._shared.last_typed
        other = "" if last is None else f", as you typed for {self._typed_for()}"
        kinds = QMessageBox.StandardButton
        answer = QMessageBox.question(
            self._parent,
            "Pixel size",
            f"{layer_image_name(image, self._viewer.layers)} does not state its pixel size. "
            f"Is it {size:g} µm{other}?\n\n"
            "If you choose No, it stays unknown and lengths are in pixels.",
            kinds.Yes | kinds.No | kinds.Cancel,
            kinds.Yes,
        )
        if answer not in (kinds.Yes, kinds.No):
            return False
        self.take(size if answer == kinds.Yes else None)
        return True

    def _typed_for(self) -> str:
        """Return the name of the image that a pixel size was typed for last."""
        last = self._shared.last_typed
        image = None if last is None else last.image()
        if image is not None and image in self._viewer.layers:
            return layer_image_name(image, self._viewer.layers)
        return "" if last is None else last.name

    def _on_typed(self, image: Image) -> None:
        if image is self._images.image():
            self.show(image)
            self.changed.emit()
