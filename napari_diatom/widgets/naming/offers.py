"""What is shown of the names that are suggested for a specimen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from napari_diatom.project.gallery_order import Entry
from napari_diatom.review.project_specimens import VectorTable
from napari_diatom.review.suggested_names import SuggestedNames
from napari_diatom.widgets.naming.naming_session import NamingSession

OFFERED: Final = 3
"""Names that are suggested for a specimen."""
EXAMPLES: Final = 3
"""Named specimens that are shown beside a name."""
_TYPICAL: Final = 12
"""The most typical examples, of which those of the nearest sizes are shown."""
_TOO_MANY_TIMES: Final = 2.5
"""As long or as short, from which on a valve is shown only where there is no other."""


@dataclass(frozen=True)
class Offer:
    """A name that is suggested.

    Attributes
    ----------
    taxon : str
        The name.
    share : float
        Its share of all names, 0 to 1.
    number : int
        How many specimens bear it.
    size : str
        From the shortest to the longest of these.
    examples : tuple of Entry
        Some of these, those of the nearest sizes first.
    """

    taxon: str
    share: float
    number: int
    size: str
    examples: tuple[Entry, ...]


def offers_for(session: NamingSession, key: str) -> tuple[SuggestedNames, tuple[Offer, ...]]:
    """Return what is suggested for a specimen, the best name first."""
    names = session.names
    if names is None or not names.specimens.table.has_vector(key):
        return SuggestedNames(key), ()
    [suggested] = session.suggest([key], OFFERED)
    table = names.specimens.table
    group = table.specimen(key).group
    own = session.entry(key)
    offers = []
    for taxon, share in suggested.names:
        examples = names.examples(taxon, group)
        typical = [session.entry(example) for example in examples[: _TYPICAL + 1] if example != key]
        # At one scale, valves of other sizes would show little.
        typical.sort(key=lambda entry: _times(entry, own))
        near = [entry for entry in typical[:EXAMPLES] if _times(entry, own) < _TOO_MANY_TIMES] or typical[:1]
        offers.append(Offer(taxon, share, len(examples), _sizes(table, examples), tuple(near)))
    return suggested, tuple(offers)


def _times(first: Entry, second: Entry) -> float:
    """Return how many times the longer one is as long as the other."""
    shorter, longer = sorted(entry.box[2] * (entry.pixel_size_um or 1.0) for entry in (first, second))
    return longer / shorter


def size_range(entries: Sequence[Entry]) -> str:
    """Return the lengths from the shortest to the longest, in µm where all are known, else in pixels."""
    known = all(entry.pixel_size_um is not None for entry in entries)
    lengths = [entry.box[2] * ((entry.pixel_size_um or 1.0) if known else 1.0) for entry in entries]
    return _range(lengths, known)


def _sizes(table: VectorTable, keys: Sequence[str]) -> str:
    """Return the lengths of many specimens as :func:`size_range` does, without those that an edge cuts."""
    places = [table.place(table.rows[key]) for key in keys]
    lengths = np.exp([image.arrays.sizes[k, 0] for image, k in places])
    if np.isfinite(lengths).any():
        return _range(lengths[np.isfinite(lengths)].tolist(), True)
    return _range([image.listed[k].specimen.box[2] for image, k in places], False)


def _range(lengths: Sequence[float], in_um: bool) -> str:
    if not lengths:
        return ""
    low, high = min(lengths), max(lengths)
    digits, unit = (1, "µm") if in_um else (0, "px")
    return f"{low:.{digits}f} {unit}" if len(lengths) == 1 else f"{low:.{digits}f} to {high:.{digits}f} {unit}"


def remark(session: NamingSession, suggested: SuggestedNames) -> str:
    """Return what is said beside the names: how sure they are, and what is to be kept in mind."""
    said = [_how_sure(suggested)]
    names = session.names
    if names is not None and any(name in names.specimens.taxa.handed for name, _ in suggested.names):
        said.append("A valve that lies face down shows its mirror image.")
    if session.by_counts:
        said.append("Weighed by the counts of the sample.")
    return " ".join(filter(None, said))


def _how_sure(suggested: SuggestedNames) -> str:
    if suggested.is_unlike:
        return "Unlike anything named so far."
    if suggested.sure_genus is not None:
        genus, share = suggested.sure_genus
        return f"No species is sure: {genus}, {100 * share:.0f} %."
    return ""
