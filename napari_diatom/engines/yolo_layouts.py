"""The layouts of YOLO networks: the layers that each is made of, as the installed Ultralytics describes them.

Ultralytics looks a network's name up as a file, in the working folder first, and evaluates text in what it finds. So it
is never given a name, but the table that is read here from its own package, checked entry by entry.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from napari_diatom.core.errors import InputError, ModelError
from napari_diatom.core.text_files import read_yaml
from napari_diatom.engines.third_party import silence_ultralytics
from napari_diatom.models.architecture_names import YOLO

_ENTRIES: Final = frozenset(
    ("nc", "scales", "backbone", "head", "end2end", "reg_max", "depth_multiple", "width_multiple")
)
"""What a layout may say. ``activation`` is not among it: Ultralytics evaluates its text."""
_LAYERS: Final = frozenset(
    (
        *("A2C2f", "AConv", "ADown", "Bottleneck", "C2PSA", "C2f", "C2fCIB", "C3", "C3Ghost", "C3k2", "CBFuse"),
        *("CBLinear", "Concat", "Conv", "Detect", "ELAN1", "GhostConv", "OBB", "OBB26", "PSA", "RepNCSPELAN4"),
        *("SCDown", "SPP", "SPPELAN", "SPPF", "nn.Identity", "nn.Upsample", "v10Detect"),
    )
)
_TEXTS: Final = frozenset(("nc", "None", "nearest"))
"""What an argument of a layer may be called; anything else is a number, or true or false."""
_ONE_FILE_EACH: Final = ("v3", "v9", "v10")
"""Families whose sizes have a file each; the others' have one file for all."""


def layout(architecture: str) -> dict[str, Any]:
    """Return the table that Ultralytics builds a network of, which is the caller's own.

    Parameters
    ----------
    architecture : str
        Such as ``yolo11n-obb``.

    Raises
    ------
    ModelError
        When there is no such network, or the installed Ultralytics does not know it.
    """
    if not YOLO.fullmatch(architecture):
        raise ModelError(
            f"Unknown YOLO architecture {architecture[:100]!r}; yolo11n-obb, yolo11s-obb, yolo11n and yolo11s are some "
            "of the known ones."
        )
    family, size = re.match(r"yolo(v?[0-9]+)([nsmlx]?)", architecture, re.ASCII).groups()  # type: ignore[union-attr]
    file = architecture if family in _ONE_FILE_EACH else architecture.replace(f"{family}{size}", family, 1)
    silence_ultralytics()
    import ultralytics

    path = Path(ultralytics.__file__).parent / "cfg" / "models" / family / f"{file}.yaml"
    try:
        found = read_yaml(path, "a layout of Ultralytics")
    except InputError as error:
        raise ModelError(f"The installed Ultralytics has no network {architecture}: {error}") from None
    if not _is_sound(found):
        raise ModelError(f"The installed Ultralytics describes {architecture} in an unknown way: {path}.")
    return {**found, "scale": size, "yaml_file": f"{architecture}.yaml"}


def _is_sound(found: Any) -> bool:
    """Tell whether a layout holds nothing but known layers, numbers and known words."""
    if not isinstance(found, dict) or not {"backbone", "head"} <= found.keys() <= _ENTRIES:
        return False
    scales = found.get("scales", {})
    if not (isinstance(found["backbone"], list) and isinstance(found["head"], list) and isinstance(scales, dict)):
        return False
    rows = found["backbone"] + found["head"]
    plain = all(_are_numbers(value) for name, value in found.items() if name not in ("backbone", "head", "scales"))
    return plain and all(map(_are_numbers, scales.values())) and all(_is_row(row) for row in rows)


def _is_row(row: Any) -> bool:
    """Tell whether a row is a known layer: where its input is from, how often it is repeated, what and how it is."""
    if not isinstance(row, list) or len(row) != 4 or not isinstance(row[2], str) or not isinstance(row[3], list):
        return False
    source, times, layer, arguments = row
    numbers = [value for value in arguments if not isinstance(value, str)]
    texts = {value for value in arguments if isinstance(value, str)}
    return _are_numbers([source, times, *numbers]) and layer in _LAYERS and texts <= _TEXTS


def _are_numbers(value: Any) -> bool:
    """Tell whether something is a number, true or false, or a list of such."""
    return all(map(_are_numbers, value)) if isinstance(value, list) else isinstance(value, int | float)
