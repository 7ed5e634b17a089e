"""Learns from named specimens, in one call: a model of examples, or suggestions for a project's specimens."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.core.taxa import written_alike
from napari_diatom.core.text import either, many
from napari_diatom.counting.tables import write_csv
from napari_diatom.engines import load_embedder
from napari_diatom.engines.example_classifier import check_embedder
from napari_diatom.engines.example_set import ExampleSet, read_examples, write_examples
from napari_diatom.models import library
from napari_diatom.models.card import ModelCard
from napari_diatom.naming.method_choice import choose_methods
from napari_diatom.naming.pair_learner import PairLearner
from napari_diatom.project.project import Project
from napari_diatom.project.project_taxa import ProjectTaxa
from napari_diatom.project.settings import Settings
from napari_diatom.project.taxon_list import read_taxa
from napari_diatom.review.example_sources import SourceExamples, source_examples
from napari_diatom.review.known_specimens import specimen_place
from napari_diatom.review.project_names import ProjectNames
from napari_diatom.review.suggested_names import SuggestedNames, suggested_names
from napari_diatom.review.vector_work import compute_all

FEW: Final = 3
"""Examples below which a taxon is told by its number."""
_AT_ONCE: Final = 2000
SUGGESTION_COLUMNS: Final = (
    *("image", "specimen", "class", "x_px", "y_px", "suggestion_1", "share_1", "suggestion_2", "share_2"),
    *("suggestion_3", "share_3", "genus", "genus_share", "unlike"),
)
"""Columns of the table of suggestions."""


@dataclass(frozen=True)
class LearnOptions:
    """What is learnt from, and where it goes.

    Attributes
    ----------
    data : tuple of Path
        Projects, annotations with names, or folders with a subfolder for each taxon.
    out : Path
        The ``.diatom-model`` file.
    images : Path or None
        Folder of the images of annotations; by default the folder that these are in.
    taxa : Path or None
        A taxon list, for synonyms, genera and handedness; projects have their own.
    embedder : str
        Name or file of what makes the vectors.
    licence : str
        Under which others may use it.
    overwrite : bool
        Replace a file that is there.
    """

    data: Annotated[tuple[Path, ...], Field(title="Learn from")]
    out: Annotated[Path, Field(title="Write to", json_schema_extra={"path": "file"})]
    images: Annotated[Path | None, Field(title="Images")] = None
    taxa: Annotated[Path | None, Field(title="Taxon list")] = None
    embedder: Annotated[str, Field(title="Embedder")] = library.EMBEDDER
    licence: Annotated[str, Field(title="Licence")] = ""
    overwrite: Annotated[bool, Field(title="Replace a file that is there")] = False


@dataclass(frozen=True, eq=False)
class LearntNames:
    """What was learnt.

    Attributes
    ----------
    path : Path
        The file.
    card : ModelCard
        Its card.
    sources : tuple of SourceExamples
        What was found where.
    examples : int
        Examples in the file; what two sources have is there once.
    """

    path: Path
    card: ModelCard
    sources: tuple[SourceExamples, ...]
    examples: int

    def lines(self) -> list[str]:
        """Return what was learnt in sentences."""
        facts = self.card.examples
        assert facts is not None
        lines = [
            f"{source.path} ({source.kind}): {many(len(source.examples), 'example')}, "
            f"{source.nameless:,} without a name."
            for source in self.sources
        ]
        lines.append(f"{self.path}: {many(self.examples, 'example')} of {many(len(facts.specimens), 'taxon', 'taxa')}.")
        for group, said in facts.groups.items():
            if said.right is not None:
                how = "whole slides left out" if said.by_slide else "parts left out"
                lines.append(f"{group}: {said.right:.0%} of {said.asked:,} named rightly ({how}), by {said.method}.")
        return lines

    def warnings(self) -> list[str]:
        """Return what a person should know, a sentence each."""
        facts = self.card.examples
        assert facts is not None
        said = list(dict.fromkeys(text for source in self.sources for text in source.remarks))
        said += [text for text in written_alike(facts.specimens) if text not in said]
        said += [
            f"{source.path}: of {many(source.unseen, 'named specimen')} nothing is seen, or the image was not found."
            for source in self.sources
            if source.unseen
        ]
        few = [name for name, number in facts.specimens.items() if number < FEW]
        if few:
            have = either(len(few), "has", "have")
            said.append(
                f"{', '.join(few[:5])}{' and others' if len(few) > 5 else ''} {have} fewer than {FEW} examples."
            )
        return said


def learn_names(options: LearnOptions, monitor: ProgressMonitor = UNWATCHED) -> LearntNames:
    """Learn from named specimens and write what was learnt as one file, without any picture.

    Parameters
    ----------
    options : LearnOptions
        What from, and where to.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"images"``.

    Raises
    ------
    InputError
        When a source cannot be read, nothing in them is named, or the file is there already.
    ModelError
        When the embedder cannot be used.
    OutputError
        When the file cannot be written.
    Stopped
        When a stop was asked for.
    """
    out = options.out
    if out.suffix != library.ARCHIVE_SUFFIX:
        raise InputError(f"{out} has to end with {library.ARCHIVE_SUFFIX}.")
    if out.exists() and not options.overwrite:
        raise InputError(f"{out} is there already: have it replaced (--overwrite), or name another file.")
    if not options.data:
        raise InputError("Name at least one project, file of annotations or folder of an atlas to learn from.")
    model = library.resolve_embedder(options.embedder)
    taxa = None if options.taxa is None else ProjectTaxa.of(Settings().replace(classes=read_taxa(options.taxa)))
    embedder = load_embedder(model)
    sources = _under_accepted_names(
        [source_examples(path, model, embedder, options.images, taxa, monitor) for path in options.data]
    )
    examples = ExampleSet.joined([source.examples for source in sources])
    if not len(examples):
        named = ", ".join(str(path) for path in options.data)
        told = " ".join(text for source in sources for text in source.remarks[:2])
        raise InputError(
            f"Nothing can be learnt from {named}: no specimen is named by a person and seen. {told}".strip()
        )
    with tempfile.TemporaryDirectory(prefix="napari-diatom-", ignore_cleanup_errors=True) as place:
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", out.stem).strip("-._") or "examples"
        written = write_examples(
            Path(place) / "model", examples, model.card, name, licence=options.licence, monitor=monitor
        )
        library.pack_model(written, out)
        return LearntNames(out, written.card, sources, len(examples))


def _under_accepted_names(sources: Sequence[SourceExamples]) -> tuple[SourceExamples, ...]:
    """Return sources in which what is a synonym to the list of any of them bears the accepted name."""
    taxa = ProjectTaxa(accepted={name: taxon for one in sources for name, taxon in one.synonyms.items()})
    return tuple(
        replace(
            one,
            examples=one.examples.called(taxa.taxon),
            remarks=(*one.remarks, *taxa.synonyms_among(one.examples.taxa)),
        )
        for one in sources
    )


@dataclass(frozen=True)
class SuggestOptions:
    """For which project names are suggested, and by what.

    Attributes
    ----------
    project : Path
        Folder of the project.
    out : Path or None
        A CSV file for the suggestions.
    examples : tuple of Path
        ``.diatom-model`` files of examples to learn from besides.
    proposals : bool
        Suggest names for proposals too.
    embedder : str
        Name or file of what makes the vectors.
    overwrite : bool
        Replace a file that is there.
    """

    project: Annotated[Path, Field(title="Project", json_schema_extra={"path": "folder"})]
    out: Annotated[Path | None, Field(title="Write to")] = None
    examples: Annotated[tuple[Path, ...], Field(title="Examples")] = ()
    proposals: Annotated[bool, Field(title="With proposals")] = False
    embedder: Annotated[str, Field(title="Embedder")] = library.EMBEDDER
    overwrite: Annotated[bool, Field(title="Replace a file that is there")] = False


@dataclass(frozen=True, eq=False)
class Suggestions:
    """What the specimens without a name may be called.

    Attributes
    ----------
    rows : tuple of tuple
        With the columns :data:`SUGGESTION_COLUMNS`; numbers are text, empty where there is none.
    suggested : tuple of SuggestedNames
        The same as objects.
    remarks : tuple of str
        What a person should know, a sentence each.
    """

    rows: tuple[tuple[str, ...], ...]
    suggested: tuple[SuggestedNames, ...]
    remarks: tuple[str, ...]

    def counts(self) -> Counter[str]:
        """Return how many specimens have each taxon as the first suggestion."""
        return Counter(one.names[0][0] for one in self.suggested if one.names)


def suggest_names(options: SuggestOptions, monitor: ProgressMonitor = UNWATCHED) -> Suggestions:
    """Suggest names for the specimens of a project that no person has named; the project is not changed.

    Parameters
    ----------
    options : SuggestOptions
        The project, and what to learn from besides.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"images"``.

    Raises
    ------
    InputError
        When there is no project, nothing is named, or the file is there already.
    ModelError
        When the embedder cannot be used, or the examples are of another one.
    OutputError
        When a file cannot be written.
    Stopped
        When a stop was asked for.
    """
    if options.out is not None and options.out.exists() and not options.overwrite:
        raise InputError(f"{options.out} is there already: have it replaced (--overwrite), or name another file.")
    model = library.resolve_embedder(options.embedder)
    others = [library.resolve_model(path) for path in options.examples]
    for other in others:
        check_embedder(other.card, model.card)
    embedder = load_embedder(model)
    with Project.open(options.project) as project:
        names = ProjectNames(project, model)
        names.read()
        unread = compute_all(list(names.specimens.work()), embedder, names.specimens.cache, monitor)
        names.take_vectors()
        taxa, examples = names.specimens.taxa, [read_examples(other) for other in others]
        borne = {taxon for one in examples for taxon in one.taxa}
        said = [*names.remarks(), *taxa.synonyms_among(borne), *unread]
        said += written_alike({*names.counts(), *map(taxa.taxon, borne)})
        learner = _learner(names, [one.called(taxa.taxon) for one in examples], monitor)
        genera = {taxon: genus for one in examples for taxon, genus in one.genera.items()}
        asked = names.list_keys(without_name=True, proposals=options.proposals)
        suggested = _suggested(names, replace(taxa, genera=genera | dict(taxa.genera)), learner, asked)
        rows = tuple(_row(names, one) for one in suggested)
    if options.out is not None:
        write_csv(options.out, SUGGESTION_COLUMNS, rows)
    return Suggestions(rows, tuple(suggested), tuple(dict.fromkeys(said)))


def _learner(names: ProjectNames, others: Sequence[ExampleSet], monitor: ProgressMonitor) -> PairLearner:
    named, taxa = names.named(), names.specimens.taxa
    parts = names.specimens.table.parts(named.keys)
    own = ExampleSet(parts.pairs, parts.sizes, named.taxa, parts.groups, parts.slides, handed=taxa.handed)
    examples = ExampleSet.joined([own, *others])
    if not len(examples):
        raise InputError(
            "Nothing is named in this project yet, so no name can be suggested: name some specimens first."
        )
    whole = examples.named()
    learner = PairLearner.of(examples.pairs, whole, examples.handed)
    learner.choose(choose_methods(whole, monitor))
    return learner


def _suggested(
    names: ProjectNames, taxa: ProjectTaxa, learner: PairLearner, asked: Sequence[str]
) -> list[SuggestedNames]:
    table = names.specimens.table
    found: dict[str, SuggestedNames] = {}
    known = [key for key in asked if table.has_vector(key)]
    for start in range(0, len(known), _AT_ONCE):
        keys = known[start : start + _AT_ONCE]
        parts = table.parts(keys)
        ranking = learner.rank(parts.pairs, sizes=parts.sizes, groups=parts.groups)
        found |= {one.key: one for one in suggested_names(keys, ranking, taxa)}
    return [found.get(key) or SuggestedNames(key) for key in asked]


def _row(names: ProjectNames, one: SuggestedNames) -> tuple[str, ...]:
    table = names.specimens.table
    specimen = table.specimen(one.key).specimen
    offered = [(name, f"{share:.3f}") for name, share in one.names]
    offered += [("", "")] * (3 - len(offered))
    genus, share = ("", "") if one.genus is None else (one.genus[0], f"{one.genus[1]:.3f}")
    place = f"{specimen.box[0]:.1f}", f"{specimen.box[1]:.1f}"
    flat = [cell for pair in offered for cell in pair]
    return (*specimen_place(one.key), specimen.name, *place, *flat, genus, share, str(int(one.is_unlike)))
