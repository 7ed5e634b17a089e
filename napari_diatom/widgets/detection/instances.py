"""The dock widget *Diatom instances (Mask R-CNN)*: a mask for each specimen, even if specimens overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from napari_diatom.models.card import Task
from napari_diatom.widgets.detection.mask_view import MaskView
from napari_diatom.widgets.detection.run_widget import RunWidget

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_diatom.analysis.pipeline import Analysis
    from napari_diatom.widgets.detection.result_layer import ResultLayer


class InstancesWidget(RunWidget):
    """Finds diatoms as masks; see :class:`~napari_diatom.widgets.detection.run_widget.RunWidget`."""

    TASKS: ClassVar[tuple[Task, ...]] = ("instances",)
    TAB = "Instances"
    VERB = "Find instances"

    # napari passes its viewer only to an argument with this name.
    def __init__(self, napari_viewer: Viewer, *args: Any, **kwargs: Any) -> None:
        self._views: dict[ResultLayer, MaskView] = {}
        super().__init__(napari_viewer, *args, **kwargs)

    def _show_maps(self, analysis: Analysis, layer: Image, result: ResultLayer) -> None:
        """Show the masks in a layer that follows the result."""
        self._views = {known: view for known, view in self._views.items() if view.layer in self._viewer.layers}
        if result not in self._views:
            self._views[result] = view = MaskView(result, layer)
            self._viewer.layers.insert(self._viewer.layers.index(layer) + 1, view.layer)
