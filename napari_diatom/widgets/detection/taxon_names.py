"""The taxa of the specimens of a layer, named by classifiers and by people."""

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
    """Keeps the names of specimens by their numbers, in the metadata of their layer.

    Specimens keep their taxa while the threshold hides them. A specimen loses its taxon when it is moved or reshaped,
    because the classifier has not seen it like that. Drawn and pasted specimens start without one. The choice of a
    person has priority: a taxon set by hand stays, and so does a class set by hand that is a taxon of the classifier.

    Parameters
    ----------
    layer : napari.layers.Shapes
        The layer of the specimens.
    """

    def __init__(self, layer: Shapes) -> None:
        self._layer = layer
        self._taxa: tuple[str, ...] = ()
        self._manual_classes: set[int] = set()
        self._reshaped: set[int] = set()

    @property
    def names(self) -> dict[int, Name]:
        """The names by the numbers of the specimens, shared by all that watch the layer."""
        return shapes_layer.names_in(self._layer.metadata)

    def offered(self) -> tuple[str, ...]:
        """Return the taxa that the user can choose from, empty before taxa are named."""
        if shapes_layer.TAXON not in self._layer.features:
            return ()
        found = sorted(filter(None, self._layer.features[shapes_layer.TAXON]))
        return tuple(dict.fromkeys((*self._taxa, *found, UNKNOWN)))

    def begin_naming(self) -> None:
        """Start to note reshaped specimens: names that the classifier gives them from now on do not count."""
        self._reshaped.clear()

    def set_names(self, names: Mapping[int, Name], taxa: Sequence[str]) -> None:
        """Set the names that a classifier gives, in place of those of an earlier classifier.

        Parameters
        ----------
        names : Mapping of int to Name
            The names by the numbers of the specimens. Names that people gave stay.
        taxa : sequence of str
            All taxa that the classifier knows.
        """
        self._taxa = tuple(taxa)
        named = {number: name for number, name in names.items() if number not in self._reshaped}
        by_people = {number: name for number, name in self.names.items() if name.by == PERSON}
        self._layer.metadata = {**self._layer.metadata, shapes_layer.NAMES_KEY: named | by_people}
        classes = self._layer.features[shapes_layer.CLASS]
        for number, name in zip(numbers_in(self._layer.features).tolist(), classes, strict=True):
            self._use_class_as_taxon(number, name)

    def set_taxon(self, number: int, taxon: str) -> None:
        """Set the taxon that a person gives a specimen."""
        self.names[number] = Name.by_person(taxon)

    def set_class(self, number: int, name: str) -> None:
        """Note that a person gives a specimen a class, which may be a taxon."""
        self._manual_classes.add(number)
        self._use_class_as_taxon(number, name)

    def add_manual_classes(self, numbers: Iterable[int]) -> None:
        """Note the specimens of an opened layer whose classes people gave."""
        self._manual_classes.update(numbers)

    def reshape(self, numbers: Collection[int]) -> None:
        """Forget the names that classifiers gave to specimens that are reshaped now."""
        self._reshaped.update(numbers)
        for number in set(numbers) & set(self.names):
            if self.names[number].by != PERSON:
                del self.names[number]

    def restart(self) -> None:
        """Forget the names of the specimens of an emptied layer, and remove their columns."""
        self._taxa = ()
        self._manual_classes.clear()
        self._reshaped.clear()
        self._layer.features = self._layer.features.drop(columns=list(COLUMNS), errors="ignore")

    def with_taxa(self, table: Any) -> Any:
        """Return a table of features with the present taxa, if there are any."""
        if not self.names and shapes_layer.TAXON not in table:
            return table
        numbers = numbers_in(table).tolist()
        return table.assign(**shapes_layer.to_taxa([self.names.get(number) for number in numbers]))

    def _use_class_as_taxon(self, number: int, name: str) -> None:
        """Set the class of a specimen as its taxon if a person gave the class and it is a taxon."""
        if number in self._manual_classes and name in self._taxa:
            self.set_taxon(number, name)
