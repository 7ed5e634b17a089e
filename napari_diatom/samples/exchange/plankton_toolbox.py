"""Counts for Plankton Toolbox (SMHI): a folder for each sample with the files of its counting module."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from napari_diatom.counting.result_names import distinct_file_names
from napari_diatom.samples.concentration import Chamber
from napari_diatom.samples.exchange.export_choices import ExportChoices
from napari_diatom.samples.exchange.exported_counts import ExportCheck, ExportedCounts, delimited
from napari_diatom.samples.exchange.qualified_names import QualifiedName
from napari_diatom.samples.sample_facts import SampleFacts
from napari_diatom.samples.sample_tables import concentrations_of

_PROGRAM: Final = "Plankton Toolbox"
_STEP: Final = "napari-diatom"
"""What the step of the method is called."""
_COLUMNS: Final = (
    *("scientific_full_name", "taxon_class", "scientific_name", "size_class", "method_step", "count_area_number"),
    *("locked_at_area", "counted_units", "counted_units_list", "abundance_class", "coefficient", "abundance_units_l"),
    *("volume_mm3_l", "carbon_ugc_l", "volume_um3_unit", "carbon_pgc_unit", "variable_comment", "trophic_type"),
    *("unit_type", "species_flag_code", "cf", "bvol_list", "bvol_list_calc"),
)
"""Those of ``sample_data.txt``."""


def plankton_toolbox_files(counts: ExportedCounts, choices: ExportChoices, check: ExportCheck) -> dict[str, bytes]:
    """Return ``sample_data.txt``, ``sample_info.txt`` and ``counting_method.txt`` for each sample, tab separated.

    The coefficient is the number of units in a litre that one counted unit stands for, so the facts of the chamber and
    the counted area must be known. Volumes and carbon are empty: the height of a valve is not seen.
    """
    check.require_whole(counts, _PROGRAM)
    rule = "chamber with area, volume and sample volume, or no counted area"
    known = {s: _per_litre(counts, s) for s in counts.counted_samples()}
    samples = check.complete(counts, _PROGRAM, ("date",), {rule: lambda s: known[s] is not None})
    check.require_some(samples, _PROGRAM, "count")
    files: dict[str, bytes] = {}
    names = distinct_file_names([counts.tally.samples[s] for s in samples])
    for s, name in zip(samples, names, strict=True):
        per_litre = known[s]
        if per_litre is None or check.problems:
            continue
        facts = counts.facts_of(counts.tally.samples[s])
        fields = counts.tally.fields_of(facts.code)
        place = f"plankton-toolbox/{name}"
        files[f"{place}/sample_data.txt"] = _table(_COLUMNS, _rows(counts, s, fields, per_litre))
        files[f"{place}/sample_info.txt"] = _table(("key", "value"), sorted(_info(facts).items()))
        method = _method(facts, per_litre * len(fields))
        files[f"{place}/counting_method.txt"] = _table(tuple(method), [tuple(method.values())])
    return files


def _per_litre(counts: ExportedCounts, s: int) -> float | None:
    """Return how many units of a litre one counted unit stands for, None where it is not known."""
    sample = counts.tally.samples[s]
    found = concentrations_of(counts.tally, sample, counts.facts_of(sample)).per_litre
    return None if np.isnan(found) else found


def _table(columns: tuple[str, ...], rows: Any) -> bytes:
    return delimited([columns, *rows], "\t")


def _rows(counts: ExportedCounts, s: int, fields: list[int], per_litre: float) -> list[tuple[Any, ...]]:
    """Return a row for each taxon of a sample, in the alphabet; counts by field in the order of the fields."""
    tally = counts.tally
    rows = []
    for t in np.flatnonzero(tally.units[s]).tolist():
        taxon = tally.taxa[t]
        weights = tally.weights * (tally.specimens.taxon == t)
        by_field = np.bincount(tally.specimens.field, weights, len(tally.specimens.fields))[fields]
        name = QualifiedName.of(taxon, counts.taxa.names.is_taxon(taxon))
        flag = name.qualifier.split()[0] if name.qualifier.startswith("sp") else ""
        doubt = "cf. (genus)" if taxon.startswith("cf") else "cf. (species)" if name.qualifier.startswith("cf") else ""
        units = int(tally.units[s, t])
        row = {
            "scientific_full_name": taxon,
            "scientific_name": name.name,
            "method_step": _STEP,
            "count_area_number": len(fields),
            "counted_units": units,
            "counted_units_list": ";".join(str(int(number)) for number in by_field),
            "coefficient": f"{per_litre:.10g}",
            "abundance_units_l": f"{units * per_litre:.10g}",
            "species_flag_code": flag,
            "cf": doubt,
        }
        rows.append(tuple(row.get(column, "") for column in _COLUMNS))
    return rows


def _info(facts: SampleFacts) -> dict[str, str]:
    return {
        "sample_name": facts.code,
        "sample_id": facts.code,
        "sample_date": "" if facts.date is None else facts.date.isoformat(),
        "station_name": facts.site,
        "last_used_method_step": _STEP,
    }


def _method(facts: SampleFacts, one_area: float) -> dict[str, str]:
    """Return the step of the method; its coefficient of one area is given, so that it is not computed again."""
    chamber: Chamber | None = facts.sedimented()
    volumes = () if chamber is None else (chamber.sample_volume_ml, chamber.preservative_volume_ml, chamber.volume_ml)
    names = ("sampled_volume_ml", "preservative_volume_ml", "counted_volume_ml")
    return {
        "counting_method": _STEP,
        "counting_method_step": _STEP,
        "qualitative_quantitative": "Quantitative",
        **{name: f"{value:g}" for name, value in zip(names, volumes, strict=False)},
        "coefficient_one_unit": f"{one_area:.10g}",
        "coefficient_by_user": "TRUE",
    }
