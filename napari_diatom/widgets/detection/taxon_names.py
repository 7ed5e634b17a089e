"""What the specimens of a layer are called, by classifiers and by people."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from napari_diatom.core.detections import PERSON
from napari_diatom.core.taxa import COLUMNS, UNKNOWN, Name
from napari_diatom.napari_layers import shapes_layer
from napari_diatom.widgets.detection.specimen_layer import numbers_in

if TYPE_CHECKING:
    from napari.layers import Shapes


class TaxonNames:
    """Keeps the names of a layer's specimens by their numbers, in its metadata.

    Taxa stay with their specimens, also while the threshold hides them. A specimen that is drawn, pasted, moved or
    reshaped has none, since the classifier has not seen what is in it now. What a person says goes first: a taxon given
    by hand stays whatever is moved or named, and so does a class given by hand that is one of the classifier's taxa.

    Parameters
    ----------
    layer : napari.layers.Shapes
        Whose specimens they are.
    """

    def __init__(self, layer: Shapes) -> None:
        self._layer = layer
        self._taxa: tuple[str, ...] = ()
        self._classed: set[int] = set()
        self._reshaped: set[int] = set()

    @property
    def names(self) -> dict[int, Name]:
        """The names by the specimens' numbers, which all who watch over the layer share."""
        return shapes_layer.names_in(self._layer.metadata)

    def offered(self) -> tuple[str, ...]:
        """Return what a specimen may be called; nothing where taxa were not named."""
        if shapes_layer.TAXON not in self._layer.features:
            return ()
        found = sorted(filter(None, self._layer.features[shapes_layer.TAXON]))
        return tuple(dict.fromkeys((*self._taxa, *found, UNKNOWN)))

    def ask(self) -> None:
        """Begin to note what is reshaped while a classifier looks: its names for that do not count."""
        self._reshaped.clear()

    def take(self, names: Mapping[int, Name], taxa: Sequence[str]) -> None:
        """Take over what a classifier calls specimens in place of what another one called them.

        Parameters
        ----------
        names : Mapping of int to Name
            What it calls them, by their numbers; what people call them stays.
        taxa : sequence of str
            All that it may call them.
        """
        self._taxa = tuple(taxa)
        named = {number: name for number, name in names.items() if number not in self._reshaped}
        by_people = {number: name for number, name in self.names.items() if name.by == PERSON}
        self._layer.metadata = {**self._layer.metadata, shapes_layer.NAMES_KEY: named | by_people}
        classes = self._layer.features[shapes_layer.CLASS]
        for number, name in zip(numbers_in(self._layer.features).tolist(), classes, strict=True):
            self._heed_class(number, name)

    def call(self, number: int, taxon: str) -> None:
        """Call a specimen as a person says."""
        self.names[number] = Name.by_person(taxon)

    def give_class(self, number: int, name: str) -> None:
        """Take in that a person gave a specimen its class, which may be a taxon."""
        self._classed.add(number)
        self._heed_class(number, name)

    def classed_by_people(self, numbers: Iterable[int]) -> None:
        """Take in whose classes people gave, in a layer that was opened."""
        self._classed.update(numbers)

    def reshape(self, numbers: Collection[int]) -> None:
        """Forget what classifiers called specimens that look different now."""
        self._reshaped.update(numbers)
        for number in set(numbers) & set(self.names):
            if self.names[number].by != PERSON:
                del self.names[number]

    def restart(self) -> None:
        """Forget what the specimens of an emptied layer were called, and the columns that said so."""
        self._taxa = ()
        self._classed.clear()
        self._reshaped.clear()
        self._layer.features = self._layer.features.drop(columns=list(COLUMNS), errors="ignore")

    def with_taxa(self, table: Any) -> Any:
        """Return a table of features with the taxa as they are now, where there are any."""
        if not self.names and shapes_layer.TAXON not in table:
            return table
        numbers = numbers_in(table).tolist()
        return table.assign(**shapes_layer.to_taxa([self.names.get(number) for number in numbers]))

    def _heed_class(self, number: int, name: str) -> None:
        """Take a specimen's class for its taxon where a person gave the class, and it is a taxon."""
        if number in self._classed and name in self._taxa:
            self.call(number, name)
