"""The dock widget *Segment diatoms (DeepLabV3+)*: a class map, and the specimens in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from napari.layers import Image, Labels
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QFormLayout

from napari_diatom.analysis.pipeline import AnalysisOptions
from napari_diatom.models.card import Task
from napari_diatom.napari_layers import shapes_layer
from napari_diatom.tiling.instance_splitting import SplitOptions
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.detection.run_widget import RunWidget

if TYPE_CHECKING:
    from napari_diatom.analysis.pipeline import Analysis
    from napari_diatom.widgets.detection.result_layer import ResultLayer

_LARGEST_AREA: Final = 1e6


class SegmentWidget(RunWidget):
    """Finds diatoms as a class map; see :class:`~napari_diatom.widgets.detection.run_widget.RunWidget`."""

    TASKS: ClassVar[tuple[Task, ...]] = ("semantic",)
    VERB = "Segment"

    def _add_option_rows(self, form: QFormLayout) -> None:
        """Add the options that divide the map into specimens."""
        default = SplitOptions()
        self._separate = named(QCheckBox("Separate touching valves"), "separate")
        self._separate.setToolTip("Cut regions where they are much narrower than the valves on either side")
        self._separate.setChecked(default.neck > 0)
        self._smallest = named(QDoubleSpinBox(), "min_area")
        self._smallest.setRange(0, _LARGEST_AREA)
        self._smallest.setDecimals(0)
        self._smallest.setSuffix(" px²")
        self._smallest.setValue(default.min_area_px)
        self._smallest.setToolTip("Smaller regions are left out")
        self._drop_edge = named(QCheckBox("Leave out specimens cut by the edge"), "drop_edge")
        self._drop_edge.setToolTip("The true size of a specimen that touches the edge of the image is unknown")
        self._show_probability = named(QCheckBox("Show the probability map"), "probability")
        self._show_probability.setToolTip("Add a layer with the probability of a diatom for each pixel")
        form.addRow("", self._separate)
        form.addRow("Smallest area", self._smallest)
        form.addRow("", self._drop_edge)
        form.addRow("", self._show_probability)

    def _options(self) -> AnalysisOptions:
        """Return the chosen options."""
        default = SplitOptions()
        return AnalysisOptions(
            split=SplitOptions(
                min_area_px=self._smallest.value(),
                neck=default.neck if self._separate.isChecked() else 0.0,
                edge="drop" if self._drop_edge.isChecked() else "keep",
            ),
            keep_probability=self._show_probability.isChecked(),
            measure=True,
        )

    def _show_maps(self, analysis: Analysis, layer: Image, result: ResultLayer) -> None:
        """Show the class map, and its probability if the user wants it."""
        facts = result.facts
        if analysis.class_map is not None:
            name = f"{facts.image} class map"
            self._maps.put(Labels, shapes_layer.class_map_kwargs(analysis.class_map, name, facts), layer, facts.plane)
        if analysis.probability is not None:
            name = f"{facts.image} probability"
            self._maps.put(
                Image, shapes_layer.probability_kwargs(analysis.probability, name, facts.plane), layer, facts.plane
            )
