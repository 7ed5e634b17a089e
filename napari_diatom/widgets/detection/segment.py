"""The dock widget *Segment diatoms (DeepLabV3+)*: a class map, and the specimens in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from napari.layers import Image, Labels
from qtpy.QtWidgets import QFormLayout

from napari_diatom.analysis.pipeline import AnalysisOptions
from napari_diatom.core.errors import InputError
from napari_diatom.models.card import Task
from napari_diatom.napari_layers import shapes_layer
from napari_diatom.widgets.detection.run_widget import RunWidget
from napari_diatom.widgets.forms.pydantic_adapter import options_form

if TYPE_CHECKING:
    from napari_diatom.analysis.pipeline import Analysis
    from napari_diatom.widgets.detection.result_layer import ResultLayer


class SegmentWidget(RunWidget):
    """Finds diatoms as a class map; see :class:`~napari_diatom.widgets.detection.run_widget.RunWidget`."""

    TASKS: ClassVar[tuple[Task, ...]] = ("semantic",)
    TAB = VERB = "Segment"

    def run(self) -> None:
        """Start a run, or show why it cannot start."""
        try:
            self._options()
        except InputError as error:
            self.progress.complain(str(error))
        else:
            super().run()

    def _add_option_rows(self, form: QFormLayout) -> None:
        """Add the options that divide the map into specimens."""
        self._chosen = options_form(
            AnalysisOptions,
            AnalysisOptions(measure=True),
            include=("split", "keep_probability", "map_scales", "overlap", "all_tiles"),
            advanced=("split.max_hole", "map_scales", "overlap", "all_tiles"),
        )
        form.addRow(self._chosen.native)

    def _options(self) -> AnalysisOptions:
        """Return the chosen options."""
        return self._chosen.value()

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
