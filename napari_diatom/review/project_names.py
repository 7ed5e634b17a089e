"""The names of the specimens of a project: who teaches whom, what is suggested, what is alike, what may be wrong.

There is no window here. What takes long is given as an object that does not change (:meth:`ProjectNames.checks`,
:meth:`ProjectNames.named`, :meth:`ProjectSpecimens.work`) and can be worked on in a thread or a process beside.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.core.taxa import written_alike
from napari_diatom.core.text import quoted
from napari_diatom.models.library import ModelFolder
from napari_diatom.naming.embedding_map import EmbeddingMap, map_specimens
from napari_diatom.naming.grouping import GroupingMethod, group_specimens
from napari_diatom.naming.method_choice import GroupChoice
from napari_diatom.naming.named_vectors import NamedVectors
from napari_diatom.naming.next_to_name import Reason, next_to_name, worth_naming
from napari_diatom.naming.pair_learner import PairLearner
from napari_diatom.naming.ranking import Ranking
from napari_diatom.naming.similarity import rank_cosines
from napari_diatom.project.edits import Contents
from napari_diatom.project.project import Project
from napari_diatom.project.settings import ProjectImage
from napari_diatom.review.name_checks import NameChecks
from napari_diatom.review.project_specimens import ProjectSpecimens, VectorTable
from napari_diatom.review.suggested_names import SuggestedNames, suggested_names
from napari_diatom.review.vector_cache import VectorCache

MANY: Final = 300
"""Changed names from which on all is learnt anew, which is faster then."""
MOST_RANKED: Final = 5_000
"""Specimens without a name among which the next one to name is looked for."""

Taught = tuple[str, str, str, bytes]
"""Taxon, group, slide and digest with which a specimen taught."""


class ProjectNames:
    """The named and the unnamed specimens of a project, and what is learnt from the named ones.

    Specimens are known by keys, see :func:`~napari_diatom.review.known_specimens.specimen_key`. A specimen is *named*
    where its class is a taxon and a person drew it, changed it or looked at it. All others are *without a name*: a
    model's names teach nobody.

    Parameters
    ----------
    project : Project
        The project. Nothing is read before :meth:`read` or :meth:`take`.
    embedder : ModelFolder
        What makes the vectors; it is not loaded here.
    cache : VectorCache, optional
        The vectors that are known; by default those that are kept beside the project.

    Attributes
    ----------
    specimens : ProjectSpecimens
        The specimens and proposals, with their vectors.
    """

    def __init__(self, project: Project, embedder: ModelFolder, cache: VectorCache | None = None) -> None:
        self.specimens = ProjectSpecimens(project, embedder, cache)
        self._names: dict[str, str] = {}
        self._taught: dict[str, Taught] = {}
        self._choices: Mapping[str, GroupChoice] = {}
        self._learner: PairLearner
        self._teach()

    def read(self, monitor: ProgressMonitor = UNWATCHED) -> None:
        """Read all images, classes, slides and pixel sizes of the project, also again after they changed.

        Parameters
        ----------
        monitor : ProgressMonitor
            See :mod:`napari_diatom.core.progress`; reports ``"images"``.
        """
        self.specimens.read(monitor)
        self.learn()

    def learn(self) -> None:
        """Learn from all images that :attr:`specimens` has taken over: a window reads them one by one."""
        self._names = {one.key: one.taxon for one in self.specimens.table.listed if one.taxon}
        self._teach()

    def adopt(self, learnt: ProjectNames) -> None:
        """Take over what a :meth:`copy` of this has learnt meanwhile, and learn what was edited here since."""
        before, now = set[str](), dict[str, str]()
        for image_id in self.specimens.changed_images(learnt.specimens):
            before |= learnt.specimens.named_in(image_id).keys()
            now |= self.specimens.named_in(image_id)
        self._learner, self._taught, self._names = learnt._learner, learnt._taught, learnt._names
        self._learner.choose(self._choices)
        self._teach(_follow(self._names, before, now))

    def take(self, image: ProjectImage, contents: Contents) -> None:
        """Take over what an image holds now: when it is read for the first time, and after every edit."""
        old = self.specimens.image(image.id)
        self.specimens.take(image, contents)
        before = [one.key for one in old.listed] if old else []
        self._teach(_follow(self._names, before, self.specimens.named_in(image.id)))

    def take_vectors(self) -> bool:
        """Take over the vectors that were computed since, by any process; return whether there were any."""
        before = self.specimens.copy()
        if not self.specimens.take_vectors():
            return False
        changed = self.specimens.changed_images(before)
        self._teach([key for image_id in changed for key in self.specimens.named_in(image_id)])
        return True

    def list_keys(self, without_name: bool = False, proposals: bool = False) -> list[str]:
        """Return the keys of specimens, image by image.

        Parameters
        ----------
        without_name : bool
            Only those that no person has named.
        proposals : bool
            Proposals too.
        """
        return [
            one.key
            for one in self.specimens.table.listed
            if (proposals or not one.is_proposal) and not (without_name and one.key in self._names)
        ]

    def unnamed(self) -> tuple[list[str], NDArray[np.float32]]:
        """Return the keys of the N specimens without a name and with known vectors, and these, shape (N, D)."""
        table = self.specimens.table
        rows = np.flatnonzero(table.searched(self._names))
        return table.keys_of(rows), table.units[rows]

    def copy(self) -> ProjectNames:
        """Return the names as they are now, for work in the background: they follow no edits."""
        twin = copy.copy(self)
        twin.specimens, twin._learner = self.specimens.copy(), self._learner.copy()
        twin._names, twin._taught = dict(self._names), dict(self._taught)
        return twin

    def taxon(self, key: str) -> str:
        """Return the name that a person gave a specimen, of synonyms the accepted one; empty where it has none."""
        return self._names.get(key, "")

    def counts(self, sample: str | None = None) -> Counter[str]:
        """Return how many specimens of each taxon people have named, in a sample or in all."""
        if sample is None:
            return Counter(self._names.values())
        chosen = (image for image in self.specimens.table.images if image.image.sample == sample)
        return Counter(self._names[one.key] for image in chosen for one in image.listed if one.key in self._names)

    def examples(self, taxon: str, group: str | None = None) -> list[str]:
        """Return the keys of the named specimens of a taxon with known vectors, the most typical first."""
        table = self.specimens.table
        named = (key for key, name in self._names.items() if name == taxon and table.has_vector(key))
        keys = [key for key in named if group is None or table.specimen(key).group == group]
        units = table.units_of(keys)
        return [keys[k] for k in np.argsort(-(units @ units.sum(axis=0)), kind="stable").tolist()]

    def remarks(self) -> list[str]:
        """Return what a person should know of the names, a sentence each.

        These are synonyms, classes that are gone, and names that differ in capitals or spaces only.
        """
        taxa = self.specimens.taxa
        borne = {one.specimen.name for one in self.specimens.table.listed if one.taxon}
        gone = [f"Specimens are named {name}, which is not a class of the project." for name in borne - taxa.listed]
        return [*taxa.synonyms_among(borne), *sorted(gone), *written_alike(map(taxa.taxon, borne))]

    def name(self, key: str, taxon: str) -> None:
        """Learn that a specimen has a name, until its image is taken over again.

        Raises
        ------
        InputError
            When the specimen is not there, or the name says no taxon.
        """
        if not self.specimens.taxa.is_taxon(taxon):
            raise InputError(f"{quoted(taxon)} does not say of which taxon a specimen is.")
        self.specimens.table.row(key)
        self._names[key] = self.specimens.taxa.taxon(taxon)
        self._teach([key])

    def suggest(
        self, keys: Sequence[str], number: int = 3, counted: Mapping[str, float] | None = None
    ) -> list[SuggestedNames]:
        """Return what specimens may be called, in their order.

        Parameters
        ----------
        keys : sequence of str
            Of any specimens; what a named one teaches is in its own suggestions too.
        number : int
            Names of each at most.
        counted : mapping of str to float, optional
            How often each taxon was counted in this sample, as :meth:`counts` gives it, where that is to be used as a
            prior.
        """
        known = [key for key in keys if self.specimens.table.has_vector(key)]
        found = suggested_names(known, self.rank(known, counted), self.specimens.taxa, number)
        ranked = dict(zip(known, found, strict=True))
        return [ranked.get(key) or SuggestedNames(key) for key in keys]

    def rank(self, keys: Sequence[str], counted: Mapping[str, float] | None = None) -> Ranking:
        """Return the shares of all taxa for specimens with known vectors. Raises InputError for others."""
        parts = self.specimens.table.parts(keys)
        return self._learner.rank(parts.pairs, sizes=parts.sizes, groups=parts.groups, counted=counted)

    def similar(
        self, keys: Sequence[str], number: int = 100, without_name: bool = False, proposals: bool = True
    ) -> list[tuple[str, float]]:
        """Return specimens that are most like some others, without these, with the cosine of their vectors.

        Parameters
        ----------
        keys : sequence of str
            At least one, with known vectors.
        number : int
            How many to return at most.
        without_name : bool
            Only those that no person has named.
        proposals : bool
            Proposals too, whatever their score.

        Raises
        ------
        InputError
            When none is given, or the vector of one is not known.
        """
        table = self.specimens.table
        rows = [table.known_row(key) for key in keys]
        among = table.searched(self._names if without_name else (), proposals)
        found = rank_cosines(table.cosines(keys), rows, number, among)
        return list(zip(table.keys_of(found.rows), found.cosines.tolist(), strict=True))

    def groups(
        self,
        keys: Sequence[str] | None = None,
        method: GroupingMethod = GroupingMethod.AGGLOMERATIVE,
        usual_size: int = 10,
        monitor: ProgressMonitor = UNWATCHED,
    ) -> list[list[str]]:
        """Return specimens in groups that look alike, the largest first, the most typical of each first.

        Parameters
        ----------
        keys : sequence of str, optional
            Those to group; by default those without a name.
        method, usual_size, monitor
            See :func:`~napari_diatom.naming.grouping.group_specimens`. Specimens that are like no others are left out.
        """
        if keys is None:
            asked, vectors = self.unnamed()
        else:
            table = self.specimens.table
            asked = [key for key in keys if table.has_vector(key)]
            vectors = table.units_of(asked)
        found = group_specimens(vectors, method, usual_size, monitor=monitor)
        return [[asked[k] for k in found.members(group).tolist()] for group in range(len(found))] if asked else []

    def next_to_name(self, reason: Reason, number: int = 20) -> list[str]:
        """Return the specimens without a name that are most worth one, the best first, few of them alike."""
        asked, vectors = self.unnamed()
        every = len(asked) // MOST_RANKED + 1
        asked, vectors = asked[::every], vectors[::every]
        if not asked or not len(self._learner):
            return asked[:number]
        worth = worth_naming(self.rank(asked), reason, self.counts())
        picked = next_to_name(worth, vectors, number)
        return [asked[k] for k in picked.tolist()]

    def map(self, keys: Sequence[str] | None = None) -> tuple[list[str], EmbeddingMap]:
        """Return specimens with known vectors, all by default, and where they lie on the map."""
        table = self.specimens.table
        asked = [key for key in (self.list_keys() if keys is None else keys) if table.has_vector(key)]
        return asked, map_specimens(table.units_of(asked))

    def named(self) -> NamedVectors:
        """Return all named specimens with known vectors as they are now, for work in the background."""
        return self._learner.named()

    def checks(self, monitor: ProgressMonitor = UNWATCHED) -> dict[str, NameChecks]:
        """Return what can be said of the names given so far, by group, for work in the background."""
        return {group: NameChecks(group, part, monitor) for group, part in self.named().by_group().items()}

    def use(self, choices: Mapping[str, GroupChoice]) -> None:
        """Name by these methods from now on, such as ``choose_methods`` of :meth:`named` found in the background."""
        self._choices = dict(choices)
        self._learner.choose(self._choices)

    def choice(self, group: str) -> GroupChoice:
        """Return how a group is named: by what method, and how good it is by cross-validation."""
        return self._learner.choice(group)

    def _teach(self, keys: Iterable[str] | None = None) -> None:
        """Make what is learnt follow the names of some specimens, by default learn anew from all."""
        table, names = self.specimens.table, self._names
        changed = [key for key in keys or () if self._taught.get(key) != _lesson(table, key, names.get(key))]
        if keys is None or len(changed) > MANY:
            lessons = {key: _lesson(table, key, taxon) for key, taxon in names.items()}
            self._taught = {key: lesson for key, lesson in lessons.items() if lesson is not None}
            self._learner = _learnt(self._taught, table, self.specimens.taxa.handed)
            self._learner.choose(self._choices)
            return
        for key in changed:
            lesson = _lesson(table, key, names.get(key))
            self._learner.forget(key)
            self._taught.pop(key, None)
            if lesson is not None:
                (taxon, group, slide, _), parts = lesson, table.parts([key])
                self._learner.name(key, taxon, parts.pairs[0], sizes=parts.sizes[0], group=group, slide=slide)
                self._taught[key] = lesson


def _follow(names: dict[str, str], before: Iterable[str], now: Mapping[str, str]) -> set[str]:
    """Have specimens the names that they have now, where some had others before or are gone; return which these are."""
    changed = {*before, *now}
    for key in changed - now.keys():
        names.pop(key, None)
    names |= now
    return changed


def _lesson(table: VectorTable, key: str, taxon: str | None) -> Taught | None:
    """Return what a specimen teaches; None where it has no name, or its vector is not known."""
    if taxon is None or not table.has_vector(key):
        return None
    image, k = table.place(table.rows[key])
    return taxon, image.listed[k].group, image.slide, image.listed[k].digest


def _learnt(taught: Mapping[str, Taught], table: VectorTable, handed: Collection[str]) -> PairLearner:
    """Return what is learnt from specimens at once."""
    keys = list(taught)
    parts = table.parts(keys)
    named = NamedVectors.of(
        parts.pairs.mean(axis=1),
        [taught[key][0] for key in keys],
        keys=keys,
        sizes=parts.sizes,
        groups=parts.groups,
        slides=parts.slides,
    )
    return PairLearner.of(parts.pairs, named, handed)
