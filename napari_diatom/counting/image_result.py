"""What came of one image: its rows and counts, kept on disk as JSON until the tables are written."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from napari_diatom.analysis.pipeline import Analysis
from napari_diatom.core.errors import InputError
from napari_diatom.core.taxa import Name, by_taxon
from napari_diatom.core.text import printable
from napari_diatom.core.text_files import parse_json
from napari_diatom.counting.table_columns import FORMATS, Row, specimen_columns, specimen_rows
from napari_diatom.images.orientation import AS_STORED
from napari_diatom.images.slide_image import SlideImage
from napari_diatom.measurement.counting_protocol import Protocol
from napari_diatom.measurement.measurements import measure

_WHOLE: Final = re.compile(r"[0-9]{1,15}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,15}\.[0-9]{1,9}")
"""Numbers as a stored result has them."""


@dataclass(frozen=True)
class ImageResult:
    """What the tables need to know of one image; plain data, kept on disk until the tables are written.

    Attributes
    ----------
    image, sample : str
        Name of the image in the tables, and of the sample it belongs to.
    specimens : tuple of Row
        Its rows of ``specimens.csv``.
    counts : dict of str to int
        Specimens that count, by class, zeros included; or by taxon, of those that were found.
    facts : dict of str
        What ``run.json`` says of it.
    """

    image: str
    sample: str
    specimens: tuple[Row, ...]
    counts: dict[str, int]
    facts: dict[str, Any]

    @classmethod
    def of(
        cls,
        analysis: Analysis,
        sample: str,
        protocol: Protocol,
        seconds: float,
        image: SlideImage | None = None,
        names: Sequence[Name] | None = None,
    ) -> Self:
        """Measure and count what was found in an image.

        Parameters
        ----------
        analysis : Analysis
            What was found.
        sample : str
            The sample that the image belongs to.
        protocol : Protocol
            What counts.
        seconds : float
            How long it took.
        image : SlideImage, optional
            The image itself, for the brightness inside masks; nothing is read where there are none.
        names : sequence of Name, optional
            Of the specimens at the threshold, where taxa are named.

        Raises
        ------
        InputError
            When the image cannot be read, or there are not as many names as specimens.
        """
        kept = analysis.kept
        rows = specimen_rows(
            analysis.image,
            measure(kept, analysis.pixel_size_um, image),
            [analysis.origin] * len(kept),
            analysis.origin,
            names,
        )
        facts = {
            "image": analysis.image,
            "sample": sample,
            "file": None if analysis.path is None else printable(str(analysis.path)),
            "sha256": analysis.sha256,
            "height": analysis.height,
            "width": analysis.width,
            "orientation": AS_STORED if image is None else image.orientation,
            "pixel_size_um": analysis.pixel_size_um,
            "pixel_size_source": analysis.pixel_size_source,
            "scales": list(analysis.scales),
            "tiles": analysis.tiles,
            "tiles_empty": analysis.tiles_empty,
            "specimens": len(kept),
            "seconds": round(seconds, 3),
            "notices": list(analysis.notices),
        }
        counted = kept if names is None else by_taxon(kept, names)
        return cls(analysis.image, sample, tuple(rows), protocol.counts(counted), facts)

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know of how the image was read."""
        return tuple(self.facts.get("notices", ()))

    def to_json(self) -> str:
        """Return all of it as JSON text."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, named: bool = False, outlined: bool = False) -> Self:
        """Return what :meth:`to_json` wrote.

        Parameters
        ----------
        text : str
            Of anybody.
        named, outlined : bool
            Whether taxa were named, and boxes outlined.

        Raises
        ------
        InputError
            When the text is something else.
        """
        data = parse_json(text, "The stored result of an image", "as it was written")
        try:
            rows = tuple(_row(row, specimen_columns(named, outlined)) for row in _list(data["specimens"]))
            return cls(
                image=_text(data["image"]),
                sample=_text(data["sample"]),
                specimens=rows,
                counts={_text(name): _count(number) for name, number in data["counts"].items()},
                facts=_facts(data["facts"], len(rows)),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError("The stored result of an image is damaged.") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    value.encode()
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError
    return value


def _row(value: Any, header: Sequence[str]) -> Row:
    """Return a stored row whose cells are what their columns hold."""
    row = tuple(map(_text, _list(value)))
    for text, column in zip(row, header, strict=True):
        spec = FORMATS[column]
        if spec and text and not (_WHOLE if spec == "d" else _DECIMAL).fullmatch(text):
            raise ValueError
    return row


def _facts(value: Any, specimens: int) -> dict[str, Any]:
    """Return stored facts of an image with so many specimens, if run.json can hold them."""
    facts = dict(value)
    json.dumps(facts, allow_nan=False, ensure_ascii=False).encode()
    if facts["specimens"] != specimens or not all(isinstance(text, str) for text in _list(facts.get("notices", []))):
        raise ValueError
    return facts
