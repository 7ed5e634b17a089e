"""What can be said of the names given so far: which may be wrong, what is mixed up, how good suggestions are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.naming import doubtful_names, learning_curve
from napari_diatom.naming.doubtful_names import DoubtfulName, MixedPair
from napari_diatom.naming.held_out import HeldOut, hold_out
from napari_diatom.naming.learning_curve import ExpectedGain, LearningCurve, TaxonAccuracy
from napari_diatom.naming.named_vectors import NamedVectors


@dataclass(frozen=True, eq=False)
class NameChecks:
    """The names of one group of specimens. Nothing in it changes, so work in the background may use it.

    Each attribute is worked out when it is asked for, once; that takes seconds for thousands of specimens.

    Attributes
    ----------
    group : str
        What the specimens are, see :mod:`napari_diatom.review.known_specimens`.
    named : NamedVectors
        The named specimens, at least one.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.
    """

    group: str
    named: NamedVectors
    monitor: ProgressMonitor = UNWATCHED

    @cached_property
    def held(self) -> HeldOut:
        """What is said of each specimen, its slide left out where that is possible."""
        return hold_out(self.named, None, self.monitor)

    @cached_property
    def doubtful(self) -> tuple[DoubtfulName, ...]:
        """The names that may be wrong, the most doubtful first; each specimen once."""
        found: dict[str, DoubtfulName] = {}
        for one in (
            *doubtful_names.neighbours_disagree(self.named, monitor=self.monitor),
            *doubtful_names.least_typical(self.named, self.held),
        ):
            if one.key not in found or found[one.key].doubt < one.doubt:
                found[one.key] = one
        return tuple(sorted(found.values(), key=lambda one: (-one.doubt, one.taxon, one.key)))

    @cached_property
    def mixed_up(self) -> tuple[MixedPair, ...]:
        """Pairs of taxa of which one is taken for the other, the surest first."""
        return doubtful_names.mixed_up_pairs(self.held)

    @cached_property
    def right_so_far(self) -> tuple[TaxonAccuracy, ...]:
        """How often each taxon is named rightly, in their alphabet."""
        return learning_curve.right_so_far(self.held)

    @cached_property
    def curve(self) -> LearningCurve:
        """How names get better with the number of examples."""
        return learning_curve.learning_curve(self.named, monitor=self.monitor)

    def most_helped(self, expected: Mapping[str, float] | None = None, more: int = 10) -> tuple[ExpectedGain, ...]:
        """Return of which taxa more examples would help most; see :func:`napari_diatom.naming.learning_curve`.

        Parameters
        ----------
        expected : mapping of str to float, optional
            How many specimens without a name are of each taxon; all count alike otherwise.
        more : int
            Further examples.
        """
        return learning_curve.most_helped(self.right_so_far, self.curve, more, expected)
