"""The taxa of the specimens of a layer, in its features and its metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_diatom.core.taxa import COLUMNS, UNKNOWN
from napari_diatom.napari_layers import shapes_layer
from napari_diatom.widgets.detection.specimen_layer import numbers_in

if TYPE_CHECKING:
    from napari.layers import Shapes

    from napari_diatom.widgets.detection.result_document import ResultDocument


class TaxonNames:
    """Shows the taxa of a document in the layer of its specimens.

    The metadata of the layer have the taxa of hidden specimens too, so that they are saved with it.

    Parameters
    ----------
    layer : napari.layers.Shapes
        The layer of the specimens.
    """

    def __init__(self, layer: Shapes) -> None:
        self._layer = layer
        self.document: ResultDocument | None = None

    def offered(self) -> tuple[str, ...]:
        """Return the taxa that the user can choose from, empty before taxa are named."""
        if self.document is None or shapes_layer.TAXON not in self._layer.features:
            return ()
        found = sorted(filter(None, self._layer.features[shapes_layer.TAXON]))
        return tuple(dict.fromkeys((*self.document.taxa, *found, UNKNOWN)))

    def with_taxa(self, table: Any) -> Any:
        """Return a table of features with the present taxa, without their columns if there are none."""
        names = {} if self.document is None else self.document.all.taxa()
        if shapes_layer.names_in(self._layer.metadata) != names:
            self._layer.metadata = {**self._layer.metadata, shapes_layer.NAMES_KEY: names}
        if not names and shapes_layer.TAXON not in table:
            return table
        if not names:
            return table.drop(columns=list(COLUMNS), errors="ignore")
        return table.assign(**shapes_layer.to_taxa([names.get(number) for number in numbers_in(table).tolist()]))
