"""Named specimens to learn from: those of projects, of annotations of any format, and of the folders of an atlas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import PERSON, STATUSES, Detections, cut_flags
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.engines.example_set import ExampleSet
from napari_diatom.engines.protocols import Embedder
from napari_diatom.formats import conversion
from napari_diatom.formats.format_detection import UnknownFormat
from napari_diatom.formats.shared.image_index import Pictures
from napari_diatom.formats.shared.name_index import base_name, split_page
from napari_diatom.images.single_specimen import single_specimen
from napari_diatom.images.slide_image import SlideImage, open_page
from napari_diatom.measurement.shape_columns import NAMING_COLUMNS, box_columns
from napari_diatom.models.library import ModelFolder
from napari_diatom.naming.views import VALVES, group_of
from napari_diatom.project.project import Project
from napari_diatom.project.project_taxa import ProjectTaxa
from napari_diatom.project.settings import PROJECT_FILE
from napari_diatom.review.atlas_folder import Atlas
from napari_diatom.review.project_names import ProjectNames
from napari_diatom.review.vector_work import compute_all, largest_ring


@dataclass(frozen=True, eq=False)
class SourceExamples:
    """What was found in one source.

    Attributes
    ----------
    path : Path
        The source.
    kind : str
        What it is, in a word or two.
    examples : ExampleSet
        The named specimens that have vectors.
    nameless : int
        Specimens that no person has named.
    unseen : int
        Named specimens that have no vector, because their image cannot be read or nothing is seen of them.
    remarks : tuple of str
        What a person should know, a sentence each.
    synonyms : Mapping of str to str
        The accepted name by each synonym, as its list of taxa says.
    """

    path: Path
    kind: str
    examples: ExampleSet
    nameless: int = 0
    unseen: int = 0
    remarks: tuple[str, ...] = ()
    synonyms: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Wanted:
    """Named specimens of one image."""

    boxes: NDArray[np.float64]
    outlines: tuple[NDArray[np.float64], ...]
    taxa: tuple[str, ...]
    groups: tuple[str, ...]
    slide: str
    pixel_size_um: float | None


def source_examples(
    path: Path,
    model: ModelFolder,
    embedder: Embedder,
    images: Path | None = None,
    taxa: ProjectTaxa | None = None,
    monitor: ProgressMonitor = UNWATCHED,
) -> SourceExamples:
    """Return the named specimens of a source with their vectors.

    Parameters
    ----------
    path : Path
        A project's folder; a file or folder of annotations of any format; or a folder with a subfolder for each taxon,
        each picture in it showing one valve.
    model : ModelFolder
        The embedder.
    embedder : Embedder
        The same, loaded.
    images : Path, optional
        Folder of the images of annotations; by default the folder that these are in.
    taxa : ProjectTaxa, optional
        What a list says of the taxa. A project has its own.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"images"``.

    Raises
    ------
    InputError
        When the source cannot be read, or is none of these.
    OutputError
        When the vectors of a project cannot be kept.
    Stopped
        When a stop was asked for.
    """
    folder = path.parent if path.name == PROJECT_FILE else path
    if (folder / PROJECT_FILE).is_file():
        return _of_project(folder, model, embedder, monitor)
    listed = taxa or ProjectTaxa()
    if images is None and (atlas := Atlas.of(path, listed)):
        return _of_atlas(path, atlas, embedder, listed, monitor)
    try:
        return _of_annotations(path, embedder, images, listed, monitor)
    except UnknownFormat as error:
        raise InputError(
            f"{path} is not a project, not annotations of one known format, and not an atlas: an atlas has a subfolder "
            "for each taxon, with pictures and without annotations in it."
        ) from error


def _of_project(folder: Path, model: ModelFolder, embedder: Embedder, monitor: ProgressMonitor) -> SourceExamples:
    with Project.open(folder) as project:
        names = ProjectNames(project, model)
        names.read()
        unread = compute_all(list(names.specimens.work()), embedder, names.specimens.cache, monitor)
        names.take_vectors()
        named = names.named()
        parts = names.specimens.table.parts(named.keys)
        taxa, table = names.specimens.taxa, names.specimens.table
        people = {table.specimen(key).specimen.annotator for key in named.keys}
        known = {taxon: taxa.genus(taxon) for taxon in named.known_taxa}
        return SourceExamples(
            folder,
            "project",
            ExampleSet(
                parts.pairs,
                parts.sizes,
                named.taxa,
                parts.groups,
                parts.slides,
                known,
                taxa.handed,
                tuple(sorted(filter(None, people))),
            ),
            len(names.list_keys(without_name=True)),
            sum(names.counts().values()) - len(named),
            (*names.remarks(), *unread),
            taxa.accepted,
        )


def _of_annotations(
    path: Path, embedder: Embedder, images: Path | None, taxa: ProjectTaxa, monitor: ProgressMonitor
) -> SourceExamples:
    place = images if images is not None else path if path.is_dir() else path.parent
    form, found, remarks = conversion.read(path, images=images)
    pictures = Pictures(place)
    sets: list[ExampleSet] = []
    said, nameless, named, people, borne = list(remarks), 0, 0, set[str](), set[str]()
    for number, part in enumerate(found):
        monitor.report(Progress("images", number, len(found), part.image))
        monitor.check()
        names = [_name(part, k, taxa) for k in range(len(part))]
        borne.update(filter(None, names))
        rows = [k for k, name in enumerate(names) if name]
        nameless, named = nameless + len(part) - len(rows), named + len(rows)
        if not rows:
            continue
        try:
            accepted = [taxa.taxon(name) for name in names]
            file = pictures.path(part.image)
            assert file is not None
            image = open_page(file, split_page(base_name(part.image))[1] or 1)
            sets.append(_embedded(image, _wanted(part, rows, accepted, file.parent.name, image), embedder, monitor))
        except InputError as error:
            said.append(str(error))
            continue
        people |= {part.annotators[k] for k in rows}
    monitor.report(Progress("images", len(found), len(found)))
    joined = _with_taxa(sets, embedder, taxa, tuple(sorted(filter(None, people))))
    said += taxa.synonyms_among(borne)
    return SourceExamples(path, form.title, joined, nameless, named - sum(map(len, sets)), tuple(said), taxa.accepted)


def _of_atlas(
    path: Path, atlas: Atlas, embedder: Embedder, taxa: ProjectTaxa, monitor: ProgressMonitor
) -> SourceExamples:
    files = [(taxa.taxon(name), file) for name, pictures in atlas.taxa for file in pictures]
    sets: list[ExampleSet] = []
    said: list[str] = [*taxa.synonyms_among(name for name, _ in atlas.taxa), *atlas.remarks]
    for number, (taxon, file) in enumerate(files):
        monitor.report(Progress("images", number, len(files), file.name))
        monitor.check()
        try:
            image = open_page(file, 1)
            box, outline = single_specimen(image)
            wanted = _Wanted(box[None], (outline,), (taxon,), (VALVES,), path.name, image.pixel_size_um)
            if len(one := _embedded(image, wanted, embedder, monitor, is_alone=True)):
                sets.append(one)
        except InputError as error:
            said.append(str(error))
    monitor.report(Progress("images", len(files), len(files)))
    joined = _with_taxa(sets, embedder, taxa, ())
    kind = f"atlas of {many(len(atlas.taxa), 'taxon', 'taxa')}"
    return SourceExamples(path, kind, joined, 0, len(files) - len(sets), tuple(said), taxa.accepted)


def _name(part: Annotations, k: int, taxa: ProjectTaxa) -> str:
    """Return the name of a taxon that a person gave a specimen, without needless spaces; empty where there is none."""
    called, found = part.names[k], part.detections
    is_persons = part.origins[k] == PERSON or bool(part.reviewed[k])
    name = found.classes[int(found.class_ids[k])] if is_persons else ""
    if called is not None and called.by == PERSON:
        name = called.taxon
    return " ".join(name.split()) if taxa.is_taxon(name) else ""


def _wanted(part: Annotations, rows: Sequence[int], names: Sequence[str], slide: str, image: SlideImage) -> _Wanted:
    found = part.detections
    outlines = []
    for k in rows:
        drawn = part.outlines[k]
        ring = found.outline(k) if drawn is None else largest_ring(drawn)
        outlines.append(geometry.corners(found.boxes[k : k + 1])[0] if ring is None else ring)
    return _Wanted(
        found.boxes[rows].astype(np.float64),
        tuple(outlines),
        tuple(names[k] for k in rows),
        tuple(group_of(STATUSES[int(found.status[k])]) for k in rows),
        slide,
        part.pixel_size_um or image.pixel_size_um,
    )


def _embedded(
    image: SlideImage, wanted: _Wanted, embedder: Embedder, monitor: ProgressMonitor, is_alone: bool = False
) -> ExampleSet:
    """Return the specimens of an image that have vectors; the edge cuts none that is alone in its picture."""
    quiet = ProgressMonitor(should_stop=monitor.should_stop)
    try:
        found = embedder.embed(image, Detections.of(wanted.boxes), quiet, wanted.outlines)
    finally:
        image.release()
    cut = np.zeros(len(wanted.boxes)) if is_alone else cut_flags(wanted.boxes, image.height, image.width)
    rows = np.flatnonzero(found.known)
    return ExampleSet(
        found.vectors[rows],
        box_columns(wanted.boxes, wanted.pixel_size_um, cut)[rows],
        tuple(wanted.taxa[k] for k in rows.tolist()),
        tuple(wanted.groups[k] for k in rows.tolist()),
        (wanted.slide,) * len(rows),
    )


def _with_taxa(
    sets: Iterable[ExampleSet], embedder: Embedder, taxa: ProjectTaxa, people: tuple[str, ...]
) -> ExampleSet:
    """Return sets as one, with what is known of their taxa."""
    joined = ExampleSet.joined([_no_examples(embedder), *sets])
    genera = {taxon: taxa.genus(taxon) for taxon in set(joined.taxa)}
    return ExampleSet(
        joined.pairs, joined.sizes, joined.taxa, joined.groups, joined.slides, genera, taxa.handed, people
    )


def _no_examples(embedder: Embedder) -> ExampleSet:
    facts = embedder.card.embedding
    dimensions = facts.dimensions if facts is not None else 0
    pairs = np.empty((0, 2, dimensions), dtype=np.float32)
    return ExampleSet(pairs, np.empty((0, len(NAMING_COLUMNS))), (), (), ())
