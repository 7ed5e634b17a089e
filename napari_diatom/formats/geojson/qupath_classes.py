"""Classes and statuses of specimens as QuPath has them: names, or derived classes of several names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from napari_diatom.core.detections import STATUSES
from napari_diatom.core.errors import InputError
from napari_diatom.core.text import quoted

DEFAULT_CLASS: Final = "diatom"
_BETWEEN: Final = ": "
"""What QuPath puts between the names of a derived class."""


def class_and_status(properties: Mapping[str, Any]) -> tuple[str, Any]:
    """Return the class and the status of a feature by its properties.

    QuPath has no status. There the last name of a derived class may be one: ``["Navicula", "broken"]``.

    Raises
    ------
    InputError
        When the class is not text; the message continues after the feature's name.
    """
    classification = properties.get("classification")
    names = [classification]
    if isinstance(classification, dict):
        names = classification.get("names") or [classification.get("name")]
    if not isinstance(names, list) or any(isinstance(name, list | dict) for name in names):
        raise InputError(f"has the class {quoted(classification)}, which is not a name or a list of names")
    parts = [str(name) for name in names if name]
    if "status" in properties:
        status = properties["status"]
        is_added = len(parts) > 1 and parts[-1] == status != STATUSES[0]
        # A single name is the class as it is: it may end in what is a status, too.
        return _BETWEEN.join(parts[:-1] if is_added else parts) or DEFAULT_CLASS, status
    parts = [part.strip() for part in parts[0].split(_BETWEEN)] if len(parts) == 1 else parts
    if len(parts) > 1 and parts[-1] in STATUSES:
        return _BETWEEN.join(parts[:-1]), parts[-1]
    return _BETWEEN.join(parts) or DEFAULT_CLASS, STATUSES[0]


def classification(name: str, status: str) -> dict[str, Any]:
    """Return a class and a status as QuPath has them."""
    parts = name.split(_BETWEEN)
    if any(part != part.strip() or not part for part in parts):
        parts = [name]
    parts += [status] * (status != STATUSES[0])
    # QuPath writes either of them; of both it takes "name", and takes it apart where it has its own separator.
    return {"name": _BETWEEN.join(parts), **({"names": parts} if len(parts) > 1 else {})}
