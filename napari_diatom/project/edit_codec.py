"""Specimens and edits as text: the features of GeoJSON files, and the lines of journals."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, get_args
from weakref import WeakKeyDictionary

from napari_diatom.core.errors import InputError
from napari_diatom.core.text_files import parse_json
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.formats.geojson.feature_writer import geojson_features
from napari_diatom.project.edits import Change, Edit, State
from napari_diatom.project.settings import rgb
from napari_diatom.project.specimen import Specimen, from_annotations, to_annotations

_PAIRS = (("before", "after"), ("proposals_before", "proposals_after"), ("rejected_before", "rejected_after"))

Look = tuple[int, int, str | None]
"""Height and width of an image, and the colour of a class."""

_texts: WeakKeyDictionary[Specimen, tuple[Look, str]] = WeakKeyDictionary()
_encoded = json.JSONEncoder(ensure_ascii=False).encode


class Codec:
    """Writes and reads the specimens of one image.

    Parameters
    ----------
    height, width : int
        Of the image, in pixels.
    colours : Mapping of str to str
        ``#rrggbb`` by class.
    """

    def __init__(self, height: int, width: int, colours: Mapping[str, str]) -> None:
        self._height, self._width = height, width
        self._colours = dict(colours)

    def recolour(self, colours: Mapping[str, str]) -> None:
        """Write other colours from now on."""
        self._colours = dict(colours)

    def texts(self, specimens: Iterable[Specimen]) -> list[str]:
        """Return specimens as GeoJSON features, a line each; every specimen is worked out once."""
        listed = list(specimens)
        new = [item for item in listed if not self._is_known(item)]
        written = geojson_features(to_annotations(new, height=self._height, width=self._width, masks=False))
        for item, feature in zip(new, written, strict=True):
            if item.name in self._colours:
                feature["properties"]["classification"]["color"] = list(rgb(self._colours[item.name]))
            _texts[item] = self._look(item), _encoded(feature)
        return [_texts[item][1] for item in listed]

    def _is_known(self, specimen: Specimen) -> bool:
        known = _texts.get(specimen)
        return known is not None and known[0] == self._look(specimen)

    def _look(self, specimen: Specimen) -> Look:
        """Return what a text depends on beside its specimen."""
        return self._height, self._width, self._colours.get(specimen.name)

    def line(self, edit: Edit) -> str:
        """Return an edit as one line of JSON."""
        parts = [f'"label": {json.dumps(edit.label)}', f'"state": {json.dumps(edit.state)}', f'"n": {edit.number}']
        for name in chain.from_iterable(_PAIRS):
            change: Change = getattr(edit, name)
            if change:
                texts = iter(self.texts(item for item in change.values() if item is not None))
                items = (
                    f"{json.dumps(id_)}: {'null' if item is None else next(texts)}" for id_, item in change.items()
                )
                parts.append(f'"{name}": {{{", ".join(items)}}}')
        return f"{{{', '.join(parts)}}}"


def edit_of(line: bytes, source: str) -> Edit:
    """Return the edit that a line holds; ``source`` names it in errors.

    Raises
    ------
    InputError
        When the line is damaged.
    """
    data = parse_json(line, source, "an edit")
    if not isinstance(data, dict) or not isinstance(data.get("label"), str):
        raise InputError(f"{source} is not an edit.")
    state = data.get("state")
    if not isinstance(state, list) or len(state) != 2 or not all(item in get_args(State) for item in state):
        raise InputError(f"{source} has no state.")
    # Earlier versions give their edits no numbers.
    number = data.get("n", 0)
    if type(number) is not int or number < 0:
        raise InputError(f"{source} has no number.")
    changes = {name: _change(data.get(name, {}), source) for name in chain.from_iterable(_PAIRS)}
    if any(changes[before].keys() != changes[after].keys() for before, after in _PAIRS):
        raise InputError(f"{source} lists different specimens before and after.")
    return Edit(data["label"], **changes, state=(state[0], state[1]), number=number)


def _change(data: Any, source: str) -> Change:
    """Return specimens by their ids of a line's part."""
    if not isinstance(data, dict):
        raise InputError(f"{source} is not an edit.")
    features = [feature for feature in data.values() if feature is not None]
    found = {item.id: item for item in from_annotations(geojson.of_data(features, source, masks=False))}
    if found.keys() != {id_ for id_, feature in data.items() if feature is not None}:
        raise InputError(f"{source} holds specimens under other ids than their own.")
    return {id_: found.get(id_) for id_ in data}
