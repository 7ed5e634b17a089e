"""What is known of samples besides their images: site, date, volumes and areas, from a table."""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from napari_diatom.core.errors import InputError
from napari_diatom.core.text import first_few, quoted
from napari_diatom.core.validation_messages import faults
from napari_diatom.samples.concentration import CHAMBERS, Chamber, ScrapedSlide
from napari_diatom.samples.spreadsheet import read_lines

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

_DATES: Final = ("%Y-%m-%d", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y")
"""How dates are written: ISO 8601, or the day first as in Europe."""
_SHOWN: Final = 20
"""Problems of a table that one message names."""


class SampleFacts(BaseModel):
    """The facts of a sample; None for what is not known.

    Attributes
    ----------
    code : str
        What the sample is called.
    site : str
        Where it was taken.
    date : date or None
        When.
    substrate : str
        Of what: stone, macrophyte, sediment ...
    scraped_area_cm2 : float or None
        Of the substrate.
    sample_volume_ml, preservative_volume_ml : float or None
        Water that was taken, and what was added.
    suspension_volume_ml, aliquot_volume_ml : float or None
        Cleaned material, and what of it came on the coverslip.
    dilution : float
        Of the suspension before the aliquot was taken; 1 for none.
    coverslip_area_mm2 : float or None
        Of the coverslip.
    chamber : str
        A chamber of :data:`~napari_diatom.samples.concentration.CHAMBERS`, which gives area and volume, or any name.
    chamber_area_mm2, chamber_volume_ml : float or None
        Of the chamber.
    field_area_mm2 : float or None
        Of one field; without it the size of the images and their pixel size say it.
    alkalinity_mg_l : float or None
        As CaCO3.
    images : tuple of str
        Names of the sample's images, or patterns such as ``R1_*``; empty where the folders say it.
    other : dict of str to str
        All other columns, by their headings.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Annotated[str, Field(min_length=1, max_length=200)]
    site: str = ""
    date: datetime.date | None = None
    substrate: str = ""
    scraped_area_cm2: Positive | None = None
    sample_volume_ml: Positive | None = None
    preservative_volume_ml: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    suspension_volume_ml: Positive | None = None
    aliquot_volume_ml: Positive | None = None
    dilution: Positive = 1.0
    coverslip_area_mm2: Positive | None = None
    chamber: str = ""
    chamber_area_mm2: Positive | None = None
    chamber_volume_ml: Positive | None = None
    field_area_mm2: Positive | None = None
    alkalinity_mg_l: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    images: tuple[str, ...] = ()
    other: dict[str, str] = Field(default_factory=dict)

    @field_validator("date", mode="before")
    @classmethod
    def _day(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        for form in _DATES:
            try:
                return datetime.datetime.strptime(value, form).date()
            except ValueError:
                continue
        raise ValueError(f"{quoted(value)} is not a date: write 2026-05-31 or 31/05/2026")

    @model_validator(mode="after")
    def _aliquot_fits(self) -> Self:
        if self.suspension_volume_ml and self.aliquot_volume_ml and self.aliquot_volume_ml > self.suspension_volume_ml:
            raise ValueError("aliquot_volume_ml is more than suspension_volume_ml")
        return self

    @classmethod
    def of_texts(cls, code: str, texts: Mapping[str, str]) -> Self:
        """Return the facts of a sample as a person has written them.

        Parameters
        ----------
        code : str
            The sample.
        texts : mapping of str to str
            Facts by the headings of a table; empty text for what is not known.

        Raises
        ------
        InputError
            With everything that is wrong with them.
        """
        headings = list(texts)
        values, wrong = _values(
            headings, [_field(heading) for heading in headings], [text.strip() for text in texts.values()]
        )
        try:
            facts = cls.model_validate({**values, "code": code})
        except ValidationError as error:
            wrong += faults(error, cls)
        if wrong:
            raise InputError(f"The facts of {code} cannot be used: {'; '.join(wrong)}.")
        return facts

    def slide(self) -> ScrapedSlide | None:
        """Return the slide of the sample, None where a fact that its concentration needs is not known."""
        known = (self.coverslip_area_mm2, self.suspension_volume_ml, self.aliquot_volume_ml, self.scraped_area_cm2)
        coverslip, suspension, aliquot, scraped = known
        if coverslip is None or suspension is None or aliquot is None or scraped is None:
            return None
        return ScrapedSlide(coverslip, suspension, aliquot, scraped, self.dilution)

    def sedimented(self) -> Chamber | None:
        """Return the chamber of the sample, None where a fact that its concentration needs is not known."""
        area, volume = CHAMBERS.get(self.chamber.casefold(), (None, None))
        area, volume = self.chamber_area_mm2 or area, self.chamber_volume_ml or volume
        if area is None or volume is None or self.sample_volume_ml is None:
            return None
        return Chamber(area, volume, self.sample_volume_ml, self.preservative_volume_ml or 0.0)


COLUMNS: Final = tuple(name for name in SampleFacts.model_fields if name != "other")
"""The columns of a table of samples, in the order in which results have them."""

_OTHER_NAMES: Final = {
    **dict.fromkeys(("sample", "sample_code", "sample_id", "sampleid"), "code"),
    **dict.fromkeys(("station", "site_code", "site_id", "siteid"), "site"),
    **dict.fromkeys(("sample_date", "sampledate"), "date"),
    **dict.fromkeys(("image", "files", "file"), "images"),
    "alkalinity": "alkalinity_mg_l",
    "dilution_factor": "dilution",
}
_NUMBERS: Final = frozenset(name for name in COLUMNS if name.endswith(("_mm2", "_cm2", "_ml", "_mg_l"))) | {"dilution"}
_UNIT: Final = re.compile(r"_(?:mm2|cm2|ml|mg_l)$")


@dataclass(frozen=True)
class SampleTable:
    """The samples of a table.

    Attributes
    ----------
    samples : dict of str to SampleFacts
        By their codes, in their order.
    """

    samples: Mapping[str, SampleFacts]

    @property
    def other_columns(self) -> tuple[str, ...]:
        """Headings of all free columns."""
        return tuple(dict.fromkeys(name for facts in self.samples.values() for name in facts.other))


def read_samples(path: Path) -> SampleTable:
    """Read a table of samples: CSV with commas, semicolons or tabs, decimal points or commas, or XLSX.

    Parameters
    ----------
    path : Path
        A row for each sample. The headings are those of :data:`COLUMNS`; ``sample`` and ``station`` do as well, and
        ``Scraped area (cm²)`` is ``scraped_area_cm2``. Several images of a sample are separated by ``|``.

    Raises
    ------
    InputError
        With every problem of the table: no column of codes, a column or a code twice, a quantity in another unit, a
        date or number that is none, a volume or area of 0.
    """
    lines = read_lines(path, "a table of samples")
    if len(lines) < 2:
        raise InputError(f"{path} has no samples: it needs a row of headings and a row for each sample.")
    headings = lines[0][1]
    names = [_field(heading) for heading in headings]
    problems = _heading_problems(headings, names)
    if "code" not in names:
        raise InputError(f"{path} has no column 'sample'. It has {', '.join(map(quoted, filter(None, headings)))}.")
    samples: dict[str, SampleFacts] = {}
    rows: dict[str, int] = {}
    for number, cells in lines[1:]:
        values, wrong = _values(headings, names, cells)
        code = values.get("code", "")
        place = f"row {number} ({code})" if code else f"row {number}"
        try:
            facts = SampleFacts.model_validate(values)
        except ValidationError as error:
            wrong += [
                "it has no sample code" if problem.startswith("code: this is missing") else problem
                for problem in faults(error, SampleFacts)
            ]
        else:
            if code in rows:
                wrong.append(f"the code stands in row {rows[code]} already")
            samples.setdefault(code, facts)
        problems += [f"{place}: {problem}" for problem in wrong]
        if code:
            rows.setdefault(code, number)
    if problems:
        raise InputError(f"{path} has {len(problems)} problems: {first_few(problems, _SHOWN, '; ')}.")
    return SampleTable(samples)


def texts_of_facts(facts: SampleFacts) -> dict[str, str]:
    """Return the facts of a sample that are known by the headings of a table, as :func:`read_samples` reads them."""
    known = facts.model_dump(mode="json", exclude={"other"}, exclude_defaults=True)
    texts = {name: _written(value) for name, value in known.items()}
    return texts | facts.other


def _written(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " | ".join(value)
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _field(heading: str) -> str:
    """Return the name of the field that a heading means, or the heading reduced to letters and digits."""
    plain = re.sub(r"[^0-9a-z]+", "_", unicodedata.normalize("NFKC", heading).casefold()).strip("_")
    return _OTHER_NAMES.get(plain, plain)


def _heading_problems(headings: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return what is wrong with the headings: two for one fact, and quantities in units that are not read."""
    problems = []
    for heading, name in zip(headings, names, strict=True):
        if not name or name in COLUMNS:
            continue
        meant = [field for field in COLUMNS if _UNIT.search(field) and name.startswith(_UNIT.sub("", field))]
        problems += [f"the column {quoted(heading)} has another unit or none: give {field}" for field in meant[:1]]
    known = [name for name in names if name]
    problems += [f"two columns are {name}" for name in dict.fromkeys(known) if known.count(name) > 1]
    return problems


def _values(headings: Sequence[str], names: Sequence[str], cells: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the facts of a row that are not empty, and what is wrong with its numbers."""
    values: dict[str, Any] = {}
    other: dict[str, str] = {}
    wrong = [f"it has {len(cells)} cells for {len(headings)} headings"] if any(cells[len(headings) :]) else []
    for heading, name, cell in zip(headings, names, cells, strict=False):
        if not cell:
            continue
        if name in _NUMBERS:
            number = decimal_number(cell)
            if number is None:
                wrong.append(f"{name}: {quoted(cell)} is not a number")
            else:
                values[name] = number
        elif name == "images":
            values[name] = tuple(part.strip() for part in cell.split("|") if part.strip())
        elif name in COLUMNS:
            values[name] = cell
        elif heading:
            other[heading] = cell
    return {**values, "other": other}, wrong


def decimal_number(text: str) -> float | None:
    """Return a number that is written with a decimal point or comma, None for anything else.

    ``1.234,5`` and ``1,234.5`` are refused: which of the marks parts thousands is for a person to say.
    """
    plain = text.replace(",", ".", 1) if "." not in text else text
    return float(plain) if re.fullmatch(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?", plain) else None
