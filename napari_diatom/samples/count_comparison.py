"""Reads two persons' counts of the same fields, and makes them comparable: images, samples, names and rules."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from napari_diatom.core.detections import PERSON
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.text import either, first_few, many, printable
from napari_diatom.core.text_files import read_bytes
from napari_diatom.project.project import Project
from napari_diatom.project.project_taxa import ProjectTaxa
from napari_diatom.project.second_count_record import read_record
from napari_diatom.project.settings import PROJECT_FILE, ProjectImage
from napari_diatom.project.specimen import Specimen
from napari_diatom.samples.count_agreement import CountAgreement, FieldsConfirmed, SeenSpecimen
from napari_diatom.samples.counting_files import protocol_of_project
from napari_diatom.samples.image_samples import sample_of
from napari_diatom.samples.matched_specimens import overlap_table
from napari_diatom.samples.protocol import SampleProtocol
from napari_diatom.samples.specimen_sources import field_of_image, found_in_image
from napari_diatom.samples.tallied_specimens import CountedField, FoundSpecimen, TalliedSpecimens
from napari_diatom.samples.tally import SampleTally, tally_specimens
from napari_diatom.samples.tally_taxa import TallyTaxa
from napari_diatom.statistics.agreement import matched_counts

_SHOWN: Final = 10
"""Names that a remark lists."""

_Match = tuple[int | None, int | None, float]
"""Places of a specimen among those of its field in both counts, None where a person has not seen it, and overlap."""


@dataclass(frozen=True, eq=False)
class _Fields:
    """The fields that both have confirmed, the specimens of each in both counts, and which of them are the same.

    ``confirmed`` has, by sample, the numbers of fields that both, the first and the second person alone confirmed.
    """

    fields: list[CountedField] = field(default_factory=list)
    first: list[list[FoundSpecimen]] = field(default_factory=list)
    second: list[list[FoundSpecimen]] = field(default_factory=list)
    matches: list[list[_Match]] = field(default_factory=list)
    confirmed: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0]))


def compare_counts(
    first: Path,
    second: Path,
    protocol: SampleProtocol | None = None,
    samples: Mapping[str, str] | None = None,
    taxa: TallyTaxa | None = None,
    monitor: ProgressMonitor = UNWATCHED,
) -> CountAgreement:
    """Compare two persons' counts of the same fields: those that both have confirmed.

    Both are counted by the protocol, samples and list of taxa of the first project.

    Parameters
    ----------
    first, second : Path
        The projects, whose images are the same files.
    protocol : SampleProtocol, optional
        What counts; by default that of the first project.
    samples : mapping of str to str, optional
        The sample of each image of the first project, where it is another one than the project says.
    taxa : TallyTaxa, optional
        Which names are synonyms; by default what the classes of the first project say.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"images"``.

    Raises
    ------
    InputError
        When one is no project, they have no image or no class in common, or no field was confirmed in both.
    Stopped
        When a stop was asked for.
    """
    _check_projects(first, second)
    with Project.open(first) as ours, Project.open(second) as theirs:
        images = _common_images(ours, theirs)
        _check_classes(ours, theirs)
        found = _read(ours, theirs, images, samples or {}, monitor)
        settings, folders = ours.settings, (ours.folder, theirs.folder)
        remarks = [*_remarks_on_images(ours, theirs, images), *_remarks_on_classes(ours, theirs, found)]
        names = _other_names(ours, theirs), _other_names(theirs, ours)
    confirmed = {code: FieldsConfirmed(*numbers) for code, numbers in found.confirmed.items()}
    if not found.fields:
        raise InputError(_nothing_confirmed(folders, confirmed.values()))
    listed = TallyTaxa.of(settings.classes, settings.no_taxon) if taxa is None else taxa
    own, other = map(protocol_of_project, folders)
    rules = own if protocol is None else protocol
    if own != other:
        remarks.append(f"{folders[1].name} has another protocol, {other.name}: both are counted by {rules.name}")
    tallies = [
        _tally(found.fields, part, rules, samples, listed, renamed)
        for part, renamed in zip((found.first, found.second), names, strict=True)
    ]
    who = [_persons(tally, folder) for tally, folder in zip(tallies, folders, strict=True)]
    if twice := [name for name in who[0] if name in who[1]]:
        remarks.append(
            f"{', '.join(twice)} {either(len(twice), 'is', 'are')} in both counts, which then tell how well a person "
            "repeats a count, not how well two agree"
        )
    persons = ", ".join(who[0]) or "unknown", ", ".join(who[1]) or "unknown"
    return CountAgreement(
        folders=folders,
        persons=persons,
        first=tallies[0],
        second=tallies[1],
        seen=tuple(_seen(found, *tallies)),
        fields=confirmed,
        images={image.id: other.id for image, other in images},
        remarks=(*_remarks_on_fields(confirmed.values(), folders), *remarks),
        facts={
            "folder": printable(str(folders[1])),
            "persons": {"first": persons[0], "second": persons[1]},
            "sha256": {PROJECT_FILE: hashlib.sha256(read_bytes(folders[1] / PROJECT_FILE)).hexdigest()},
            "fields_compared": len(found.fields),
        },
        taxa=listed,
    )


def _check_projects(first: Path, second: Path) -> None:
    for folder in (first, second):
        if not (folder / PROJECT_FILE).is_file():
            raise InputError(f"{folder} is not a project ({PROJECT_FILE}): only two projects can be compared.")
    if first.resolve() == second.resolve():
        raise InputError(f"{first} cannot be compared with itself: name the project of the second count.")


def _common_images(ours: Project, theirs: Project) -> list[tuple[ProjectImage, ProjectImage]]:
    """Return the images that both have, by their content, whatever they are called."""
    by_content: defaultdict[tuple[object, ...], list[ProjectImage]] = defaultdict(list)
    for image in theirs.images:
        by_content[_content(image)].append(image)
    found = []
    for image in ours.images:
        same = by_content[_content(image)]
        if same:
            found.append((image, same.pop(next((k for k, other in enumerate(same) if other.id == image.id), 0))))
    if not found:
        raise InputError(f"{ours.folder} and {theirs.folder} are of other images: no file is in both projects.")
    return found


def _content(image: ProjectImage) -> tuple[object, ...]:
    return image.sha256, image.page, image.division, image.height, image.width


def _check_classes(ours: Project, theirs: Project) -> None:
    """Refuse counts by two lists that have nothing in common."""
    lists = [{item.name for item in project.settings.classes} for project in (ours, theirs)]
    if all(lists) and not lists[0] & lists[1]:
        shown = (first_few(sorted(names), 3) for names in lists)
        raise InputError(
            f"{ours.folder} and {theirs.folder} have other lists of taxa, without a name in both: {'; '.join(shown)}."
        )


def _read(
    ours: Project,
    theirs: Project,
    images: Sequence[tuple[ProjectImage, ProjectImage]],
    samples: Mapping[str, str],
    monitor: ProgressMonitor,
) -> _Fields:
    """Read the fields that both have confirmed."""
    found = _Fields()
    for number, (image, other) in enumerate(images):
        monitor.report(Progress("images", number, len(images), image.id))
        monitor.check()
        by = image.state == "done", other.state == "done"
        confirmed = found.confirmed[samples.get(image.id, sample_of(image))]
        if any(by):
            confirmed[0 if all(by) else 1 if by[0] else 2] += 1
        if all(by):
            first, second = ours.contents(image.id).specimens, theirs.contents(other.id).specimens
            found.fields.append(field_of_image(image, ours.settings.pixel_sizes_um.get(image.slide)))
            found.first.append(found_in_image(image, first, None))
            found.second.append(found_in_image(other, second, None))
            found.matches.append(_matched(first, second))
    monitor.report(Progress("images", len(images), len(images)))
    return found


def _matched(first: Sequence[Specimen], second: Sequence[Specimen]) -> list[_Match]:
    """Return who has seen which specimens of a field, those of the first person in their order first."""
    table = overlap_table(first, second)
    overlaps = {(i, k): value for i, k, value in zip(*table.coords, table.data, strict=True)}
    matched = matched_counts(table, 0)
    partner = dict(matched.pairs)
    found: list[_Match] = [
        (i, partner[i], float(overlaps[i, partner[i]])) if i in partner else (i, None, math.nan)
        for i in range(len(first))
    ]
    return [*found, *((None, k, math.nan) for k in matched.only_second)]


def _other_names(project: Project, other: Project) -> dict[str, str]:
    """Return what classes of a project are called in the other one since they were renamed there."""
    listed = {item.name for item in project.settings.classes}
    return {old: new for old, new in other.settings.former_names.items() if old in listed and new not in listed}


def _tally(
    fields: Sequence[CountedField],
    found: Sequence[Sequence[FoundSpecimen]],
    protocol: SampleProtocol,
    samples: Mapping[str, str] | None,
    taxa: TallyTaxa,
    renamed: Mapping[str, str],
) -> SampleTally:
    specimens = TalliedSpecimens.of(fields, found).called(renamed)
    return tally_specimens(specimens.called(taxa.merged(specimens.taxa)), protocol, samples, taxa.planktic)


def _persons(tally: SampleTally, folder: Path) -> list[str]:
    """Return who named the specimens of a count, those of most of them first; else for whom the count was made."""
    found = tally.specimens
    numbers = np.bincount(found.namer[found.by_person], minlength=len(found.namers))
    named = [found.namers[k] for k in np.argsort(-numbers, kind="stable").tolist() if numbers[k]]
    record = read_record(folder)
    return [name for name in named if name != PERSON] or ([] if record is None else [record.person])


def _seen(found: _Fields, first: SampleTally, second: SampleTally) -> Iterator[SeenSpecimen]:
    """Yield who has seen which specimens, of those that count for one or both."""
    before_first = before_second = 0
    for number, (counted, matches) in enumerate(zip(found.fields, found.matches, strict=True)):
        sample = first.samples[first.field_sample[number]]
        for i, k, overlap in matches:
            ours = None if i is None else before_first + i
            theirs = None if k is None else before_second + k
            if (ours is not None and first.weights[ours] > 0) or (theirs is not None and second.weights[theirs] > 0):
                yield SeenSpecimen(sample, counted.name, ours, theirs, overlap)
        before_first += len(found.first[number])
        before_second += len(found.second[number])


def _nothing_confirmed(folders: tuple[Path, Path], confirmed: Iterable[FieldsConfirmed]) -> str:
    listed = list(confirmed)
    only = [sum(one[k] for one in listed) for k in (1, 2)]
    numbers = ", ".join(f"{many(n, 'field')} in {folder.name}" for n, folder in zip(only, folders, strict=True))
    return f"No field is confirmed in both counts ({numbers}): confirm the fields that were counted."


def _remarks_on_fields(confirmed: Iterable[FieldsConfirmed], folders: tuple[Path, Path]) -> Iterator[str]:
    listed = list(confirmed)
    both, only_first, only_second = (sum(one[k] for one in listed) for k in range(3))
    if only_first or only_second:
        yield (
            f"{many(both, 'field')} confirmed in both counts {either(both, 'is', 'are')} compared; {only_first} "
            f"confirmed in {folders[0].name} alone and {only_second} in {folders[1].name} alone are not"
        )


def _remarks_on_images(
    ours: Project, theirs: Project, images: Sequence[tuple[ProjectImage, ProjectImage]]
) -> Iterator[str]:
    # A second count of some samples has no others.
    samples = {sample_of(image) for image, _ in images}
    for project, k in ((ours, 0), (theirs, 1)):
        common = {pair[k].id for pair in images}
        extra = [image for image in project.images if image.id not in common and image.state == "done"]
        if names := [image.id for image in extra if k or sample_of(image) in samples]:
            yield f"{first_few(names, _SHOWN)} {either(len(names), 'is', 'are')} in {project.folder.name} alone"
    moved = [image.id for image, other in images if sample_of(image) != sample_of(other)]
    if moved:
        shown = f"{first_few(moved, _SHOWN)} {either(len(moved), 'belongs', 'belong')}"
        yield f"{shown} to another sample in {theirs.folder.name}: the samples are those of {ours.folder.name}"


def _remarks_on_classes(ours: Project, theirs: Project, found: _Fields) -> Iterator[str]:
    for project, other, fields in ((ours, theirs, found.first), (theirs, ours, found.second)):
        listed = {item.name for item in other.settings.classes} | other.settings.former_names.keys()
        used = {item.taxon for items in fields for item in items} - _other_names(project, other).keys()
        is_taxon = ProjectTaxa.of(project.settings).is_taxon
        if unlisted := sorted(filter(is_taxon, used - listed)):
            are = f"{first_few(unlisted, _SHOWN)}, used in {project.folder.name}, {either(len(unlisted), 'is', 'are')}"
            yield f"{are} not in the list of taxa of {other.folder.name}"
