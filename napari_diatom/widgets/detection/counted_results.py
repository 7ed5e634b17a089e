"""Shows the specimens of images that a run over several images has counted, as it shows those of a single run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_diatom.analysis.pipeline import FLOOR
from napari_diatom.core.detections import PERSON
from napari_diatom.napari_layers.layer_file import LayerFile, layer_file
from napari_diatom.napari_layers.result_facts import ResultFacts
from napari_diatom.widgets.common.image_layers import belongs
from napari_diatom.widgets.detection.result_layer import ResultLayer

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_diatom.widgets.batch_run.image_opener import ImageOpener, OpenedImage
    from napari_diatom.widgets.detection.results_panel import ResultsPanel
    from napari_diatom.widgets.detection.shown_result import ShownResult
    from napari_diatom.widgets.detection.viewer_state import Shared


class CountedResults(QObject):
    """Makes a layer of specimens for each counted image that is opened, and removes it with its image.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Holds images and results.
    shared : Shared
        Has the results of the viewer.
    shown : ShownResult
        Chooses the shown result.
    panel : ResultsPanel
        Shows it.
    """

    def __init__(self, viewer: Viewer, shared: Shared, shown: ShownResult, panel: ResultsPanel) -> None:
        super().__init__(panel)
        self._viewer = viewer
        self._shared = shared
        self._shown = shown
        self._panel = panel

    def follow(self, opener: ImageOpener) -> None:
        """Show the specimens of the images that are opened."""
        opener.opened.connect(self.show)
        opener.closing.connect(self.close_of)

    def may_close(self, image: Image) -> bool:
        """Return whether an image can be closed: a person has changed none of its specimens."""
        return not any(result.touched() for result in self._shared.results_on(image))

    def close_of(self, image: Image) -> None:
        """Remove the layers of specimens of an image that is about to be closed."""
        for result in self._shared.results_on(image):
            if result.layer in self._viewer.layers:
                self._viewer.layers.remove(result.layer)

    def show(self, image: Image, opened: OpenedImage) -> None:
        """Show the specimens of a counted image, and one of them close up."""
        if image not in self._viewer.layers or opened.annotations is None:
            return
        facts = _facts(image, opened)
        known = [result for result in self._shared.made_by(self._shown.owner) if result.facts.image == facts.image]
        here = [result for result in known if self._shared.image_of(result) is image]
        result = here[-1] if here else self._add(image, facts, opened)
        if result is None:
            return
        # They may have been hidden, for example because they were sent to a project.
        for layer in (image, result.layer):
            # napari gives a layer the tool that it had when it was hidden, even if it is visible already.
            if not layer.visible:
                layer.visible = True
        self._viewer.layers.selection.active = result.layer
        self._shown.choose(result)
        if not opened.specimen:
            return
        if result.shape(opened.specimen) is not None:
            self._panel.show_specimens((opened.specimen,))
        else:
            self._show_when_there(result, opened.specimen)

    def _add(self, image: Image, facts: ResultFacts, opened: OpenedImage) -> ResultLayer | None:
        """Add a layer for the specimens of an image; none where the open image has another size."""
        annotations = opened.annotations
        if annotations is None or not belongs(facts, image):
            return None
        found = annotations.detections
        result = ResultLayer.create(image, facts, found)
        result.file = opened.annotated_in
        # It is added first, because the viewer would take an unknown layer for an opened file.
        self._shared.add(result, image, self._shown.owner)
        self._viewer.add_layer(result.layer)
        result.layer.visible = True
        result.layer.mode = "select"
        names = {number: name for number, name in enumerate(annotations.names, start=1) if name is not None}
        result.set_threshold(float(found.scores.min()) if len(found) else FLOOR, at_once=False)
        if names:
            result.set_names(names, sorted({name.taxon for name in names.values()}))
        return result

    def _show_when_there(self, result: ResultLayer, number: int) -> None:
        """Show a specimen as soon as its shape is drawn: the viewer draws many of them bit by bit."""

        def look(*_: Any) -> None:
            if result.shape(number) is not None:
                result.changed.disconnect(look)
                if self._panel.result() is result:
                    self._panel.show_specimens((number,))

        result.changed.connect(look)


def _facts(image: Image, opened: OpenedImage) -> ResultFacts:
    """Return the facts of a layer for the specimens of a counted image."""
    annotations, file = opened.annotations, layer_file(image) or LayerFile("")
    assert annotations is not None
    models = sorted({origin for origin in annotations.origins if origin != PERSON})
    return ResultFacts(
        image=annotations.image,
        height=annotations.height,
        width=annotations.width,
        classes=annotations.detections.classes,
        pixel_size_um=annotations.pixel_size_um,
        model=models[0] if len(models) == 1 else "",
        orientation=annotations.orientation,
        path=file.path,
        page=file.page,
        z=file.z,
    )
