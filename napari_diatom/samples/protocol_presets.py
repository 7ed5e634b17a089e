"""Protocols to begin with, by country. Each is a start: the method that a laboratory follows has the last word."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from napari_diatom.core.errors import InputError
from napari_diatom.core.text import quoted
from napari_diatom.samples.protocol import SampleProtocol, read_protocol


def plain() -> SampleProtocol:
    """Return what ``count`` and projects count: all objects but broken ones, whole or cut by the edge, to 400.

    The target of 400 is that of EN 14407, as in projects.
    """
    return SampleProtocol(name="plain")


def france() -> SampleProtocol:
    """Return at least 400 individuals (IBD, NF T90-354).

    The edge rule is that of EN 15204, a standard for phytoplankton. No source that was read says whether a frustule is
    one individual or two, or which fragments count: an object is counted as one, and fragments are not.
    """
    return SampleProtocol(name="france", unit="object", edges="not_top_left", target=400)


def germany() -> SampleProtocol:
    """Return at least 400 objects, valve and frustule alike; taxa with cf. and sp. are left out (PHYLIB).

    The edge rule is that of EN 15204, a standard for phytoplankton. No source that was read has a rule for fragments:
    they are not counted.
    """
    return SampleProtocol(name="germany", unit="object", edges="not_top_left", uncertain_names="apart", target=400)


def uk() -> SampleProtocol:
    """Return a target of non-planktic valves, with the planktic share apart, as DARLEQ has it.

    No source that was read gives the number: it is 400, as in EN 14407. The edge rule is that of EN 15204, a standard
    for phytoplankton. There is none for fragments, which are not counted, and no list of planktic taxa: add your own.
    """
    return SampleProtocol(
        name="uk", unit="valve", edges="not_top_left", target=400, target_of="non_planktic", planktic_apart=True
    )


def us() -> SampleProtocol:
    """Return a fixed count of 600 valves.

    No source that was read gives an edge rule or one for fragments: all valves cut by the edge count, fragments do not.
    """
    return SampleProtocol(name="us", unit="valve", target=600)


def poland() -> SampleProtocol:
    """Return 400 valves.

    The edge rule is that of EN 15204, a standard for phytoplankton. No source that was read has a rule for fragments:
    they are not counted.
    """
    return SampleProtocol(name="poland", unit="valve", edges="not_top_left", target=400)


PRESETS: Final[Mapping[str, Callable[[], SampleProtocol]]] = {
    "plain": plain,
    "france": france,
    "germany": germany,
    "uk": uk,
    "us": us,
    "poland": poland,
}
"""The protocols by their names."""


def protocol_of(name_or_path: str) -> SampleProtocol:
    """Return the preset of a name, or the protocol of a file.

    Raises
    ------
    InputError
        When there is neither, or the file is no protocol.
    """
    if name_or_path in PRESETS:
        return PRESETS[name_or_path]()
    path = Path(name_or_path)
    if not path.exists() and path.suffix not in (".yaml", ".yml"):
        raise InputError(
            f"There is no protocol {quoted(name_or_path)}: give the path of a protocol.yaml, or one of "
            f"{', '.join(PRESETS)}."
        )
    return read_protocol(path)
