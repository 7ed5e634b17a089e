"""The counting protocol of samples, ``protocol.yaml``: what counts, by how much, and when it is enough."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.detections import STATUSES
from napari_diatom.core.errors import InputError
from napari_diatom.core.text_files import read_yaml
from napari_diatom.project.settings import Name, Status, Whole, checked

PROTOCOL_FILE: Final = "protocol.yaml"
FORMAT: Final = 1
"""Version of the file that this program writes."""

Unit = Literal["object", "valve", "frustule"]
Weight = Annotated[float, Field(ge=0, le=1000)]

UNIT_WEIGHTS: Final[Mapping[Unit, Mapping[str, float]]] = {
    "object": dict.fromkeys(STATUSES, 1.0),
    "valve": dict.fromkeys(STATUSES, 1.0) | {"frustule": 2.0},
    "frustule": dict.fromkeys(STATUSES, 0.5) | {"frustule": 1.0},
}
"""What each status is worth in a unit: a frustule is two valves. No source says whether a girdle view is one or two."""

_UNCERTAIN: Final = re.compile(r"(?:^|\s)(?:cf|aff|sp|spp|indet)\.?(?=\s|$)", re.IGNORECASE)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StopRule(_Frozen):
    """What has to hold beside the target before a count may end; without either the target alone.

    Attributes
    ----------
    coverage : float or None
        Least coverage of the sample, 0 to 1.
    relative_error : float or None
        Greatest relative standard error of the commonest taxon's share.
    """

    coverage: Annotated[float, Field(gt=0, le=1)] | None = None
    relative_error: Annotated[float, Field(gt=0)] | None = None


class FieldOrder(_Frozen):
    """In which order the fields of a sample are counted.

    Attributes
    ----------
    kind : {"as_is", "systematic", "random"}
        As they are; every ``step``-th one, then those between; or by chance.
    step : int
        Of a systematic order.
    seed : int
        Of a random order: the same fields and seed give the same order.
    """

    kind: Literal["as_is", "systematic", "random"] = "as_is"
    step: Whole = 2
    seed: int = 0


class SampleProtocol(_Frozen):
    """The protocol by which samples are counted.

    Attributes
    ----------
    format : int
        Version of the file.
    name : str
        What it is called in results.
    unit : {"object", "valve", "frustule"}
        What a count is of. An object is a valve or a frustule alike.
    statuses : dict of str to float
        How much a specimen of each status counts. A status that is missing does not count. Without this entry all
        statuses but ``broken`` count, as :data:`UNIT_WEIGHTS` has it.
    fragments : {"none", "centre_present", "more_than_half", "three_quarters"}
        Which fragments count. The program does not see how much of a valve is there: with any rule but ``none``, only
        fragments that fulfil it are to be marked ``broken``.
    edges : {"all", "none", "not_top_left"}
        Which specimens that the edge of a field cuts count: all, none, or those across bottom or right alone.
    uncertain_names : {"counted", "apart"}
        Whether specimens named with ``cf.``, ``aff.`` or ``sp.`` count as a taxon.
    target : int
        How many to count of a sample.
    target_of : {"all", "non_planktic"}
        Of what.
    planktic_taxa : tuple of str
        Names of planktic taxa, or genera for all their species.
    planktic_apart : bool
        Whether planktic taxa have no part in shares and diversity; they are counted in any case.
    stop : StopRule
        What has to hold beside the target.
    field_order : FieldOrder
        In which order fields are counted.
    """

    format: Literal[1] = FORMAT
    name: Name = "plain"
    unit: Unit = "object"
    statuses: dict[Status, Weight] = Field(default_factory=dict)
    fragments: Literal["none", "centre_present", "more_than_half", "three_quarters"] = "none"
    edges: Literal["all", "none", "not_top_left"] = "all"
    uncertain_names: Literal["counted", "apart"] = "counted"
    target: Whole = 400
    target_of: Literal["all", "non_planktic"] = "all"
    planktic_taxa: tuple[Name, ...] = ()
    planktic_apart: bool = False
    stop: StopRule = StopRule()
    field_order: FieldOrder = FieldOrder()

    @model_validator(mode="before")
    @classmethod
    def _usual_statuses(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or "statuses" in data:
            return data
        weights = UNIT_WEIGHTS.get(data.get("unit", "object"), UNIT_WEIGHTS["object"])
        without = {"broken"} if data.get("fragments", "none") == "none" else set()
        return {**data, "statuses": {name: weight for name, weight in weights.items() if name not in without}}

    @field_validator("planktic_taxa")
    @classmethod
    def _named_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if twice := [name for name, number in Counter(names).items() if number > 1]:
            raise ValueError(f"{', '.join(twice)} is listed twice")
        return names

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = []
        broken = self.statuses.get("broken", 0) > 0
        if not any(self.statuses.values()):
            problems.append("statuses: at least one status must count")
        if broken and self.fragments == "none":
            problems.append("fragments is none, but the status broken counts: say which fragments count")
        if not broken and self.fragments != "none":
            problems.append(f"fragments is {self.fragments}, but the status broken does not count")
        if self.unit == "object" and set(self.statuses.values()) - {0.0, 1.0}:
            problems.append("unit is object, but a status counts other than 0 or 1: choose valve or frustule")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def weight(self, status: str) -> float:
        """Return how much a specimen of a status counts."""
        return self.statuses.get(status, 0.0)

    def is_planktic(self, taxon: str, listed: Mapping[str, bool] | None = None) -> bool:
        """Return whether a taxon is planktic.

        Parameters
        ----------
        taxon : str
            Its name.
        listed : mapping of str to bool, optional
            What a list of taxa says of them. The protocol's entry for the taxon goes before it, and it goes before the
            protocol's entry for the genus.
        """
        if taxon in self.planktic_taxa:
            return True
        said = (listed or {}).get(taxon)
        return taxon.partition(" ")[0] in self.planktic_taxa if said is None else said

    def is_apart(self, taxon: str) -> bool:
        """Return whether a taxon has no part in the count for its uncertain name."""
        return self.uncertain_names == "apart" and is_uncertain(taxon)

    def to_text(self) -> str:
        """Return the protocol as YAML."""
        data = self.model_dump(mode="json")
        return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120))


def is_uncertain(taxon: str) -> bool:
    """Return whether a name says that it is not sure: with ``cf.``, ``aff.``, ``sp.``, ``spp.`` or ``indet.``."""
    return _UNCERTAIN.search(taxon) is not None


def read_protocol(path: Path) -> SampleProtocol:
    """Read a ``protocol.yaml``.

    Raises
    ------
    InputError
        When it cannot be read, is of a newer version, or holds wrong or unknown entries (all are named).
    """
    data = read_yaml(path, "a counting protocol")
    if not isinstance(data, dict):
        raise InputError(f"{path} is not a counting protocol: it has no entries such as target: 400.")
    version = data.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise InputError(f"{path} was written by a newer version of napari-diatom (format {version}): update it.")
    return checked(SampleProtocol, data, str(path))


def write_protocol(path: Path, protocol: SampleProtocol) -> None:
    """Write a protocol that :func:`read_protocol` reads. Raises OutputError when that is not possible."""
    write_atomically(path, protocol.to_text())


def left_out_names(taxa: Sequence[str], protocol: SampleProtocol) -> list[str]:
    """Return the planktic names of a protocol that no taxon has: a list of another region, or a slip of the pen."""
    genera = {taxon.partition(" ")[0] for taxon in taxa}
    return [name for name in protocol.planktic_taxa if name not in genera and name not in taxa]
