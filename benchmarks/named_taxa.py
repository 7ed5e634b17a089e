"""Rendered taxa of which some specimens have names: what is said of the others, and how right it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.data.rendered_taxa import TaxonExample
from napari_diatom.core.detections import Detections
from napari_diatom.core.mask_polygons import fill
from napari_diatom.images.slide_image import SlideImage, from_array
from napari_diatom.measurement.measurements import measure
from napari_diatom.measurement.shape_columns import shape_columns
from napari_diatom.naming.calibration import expected_calibration_error
from napari_diatom.naming.method_choice import choose_methods
from napari_diatom.naming.name_learner import NameLearner
from napari_diatom.naming.named_vectors import NamedVectors

Floats = NDArray[np.float64]

UNNAMED: Final = 1 / 3
"""Share of the taxa that nobody has named, when it is measured how they are told from the others."""
REFUSED: Final = 50
"""Added to the seed of the drawing in which some taxa have no names."""


@dataclass(frozen=True, eq=False)
class Taxa:
    """Specimens of rendered taxa, of each as many.

    Attributes
    ----------
    examples : tuple of TaxonExample
        The N specimens, taxon by taxon.
    tested, validated : int
        The last of each taxon get a name; those before them validate trainings.
    """

    examples: tuple[TaxonExample, ...]
    tested: int
    validated: int

    @property
    def names(self) -> NDArray[np.str_]:
        """The taxon of each, shape (N,)."""
        return np.array([one.taxon for one in self.examples])

    @property
    def slides(self) -> list[str]:
        """The slide of each."""
        return [f"slide {one.slide}" for one in self.examples]

    def drawn(self, number: int, seed: int) -> list[int]:
        """Return which specimens are examples: so many of each taxon, drawn by the seed."""
        rng, names = np.random.default_rng(seed), self.names
        last = self.tested + self.validated
        rows = (np.flatnonzero(names == taxon)[:-last] for taxon in np.unique(names))
        return [row for some in rows for row in rng.permutation(some)[:number].tolist()]

    def to_name(self) -> list[int]:
        """Return which specimens get a name."""
        names = self.names
        return [row for taxon in np.unique(names) for row in np.flatnonzero(names == taxon)[-self.tested :].tolist()]

    def for_validation(self) -> list[int]:
        """Return which specimens validate trainings."""
        names, last = self.names, self.tested + self.validated
        rows = (np.flatnonzero(names == taxon)[-last : -self.tested] for taxon in np.unique(names))
        return [row for some in rows for row in some.tolist()]


def detections_of(example: TaxonExample) -> Detections:
    """Return a specimen with its mask."""
    return Detections.of(example.box[None], masks=[fill(((example.outline,),))])


def on_a_slide(examples: Sequence[TaxonExample]) -> tuple[SlideImage, Floats, list[Floats]]:
    """Return the fields of specimens one above the other as one image, with their boxes, shape (N, 5), and outlines."""
    sizes = [(one.image.height, one.image.width) for one in examples]
    tops = np.cumsum([0, *(height for height, _ in sizes)])
    pixels = np.zeros((tops[-1], max(width for _, width in sizes), 3), dtype=np.uint8)
    boxes, outlines = [], []
    for one, top, (height, width) in zip(examples, tops, sizes, strict=False):
        pixels[top : top + height, :width] = one.image.read(0, 0, width, height)
        boxes.append(one.box + np.array([0, top, 0, 0, 0]))
        outlines.append(one.outline + np.array([0, top]))
    return from_array(pixels, "fields", examples[0].image.pixel_size_um), np.stack(boxes), outlines


def shapes_of(examples: Sequence[TaxonExample]) -> Floats:
    """Return size and shape of specimens, shape (N, 6); NaN where it is not known."""
    return np.concatenate([shape_columns(measure(detections_of(one), one.image.pixel_size_um)) for one in examples])


def figures_of(names: Sequence[str], shares: Floats, truth: NDArray[np.str_], number: int) -> dict[str, float]:
    """Return the shares of specimens whose name is the first, and among the first three, and the calibration error.

    Parameters
    ----------
    names : sequence of str
        Of the K taxa.
    shares : ndarray, shape (N, K)
        What each specimen is said to be.
    truth : ndarray of str, shape (N,)
        What each is.
    number : int
        How many should have got a name; those beside the N got none.
    """
    ranks = np.array(names)[np.argsort(-shares, axis=1, kind="stable")]
    right = ranks == truth[:, None]
    return {
        "first": float(right[:, 0].sum() / number),
        "three": float(right[:, :3].any(axis=1).sum() / number),
        "calibration_error": expected_calibration_error(shares.max(axis=1), right[:, 0]),
    }


def named_by_examples(taxa: Taxa, vectors: Floats, shapes: Floats | None, number: int, seed: int) -> dict[str, float]:
    """Return how right names by examples are, as the program learns them: method chosen, shares calibrated.

    Parameters
    ----------
    taxa : Taxa
        The N specimens.
    vectors : ndarray, shape (N, D)
        One for each; a specimen with NaN teaches nothing and gets no name.
    shapes : ndarray, shape (N, Q), or None
        Size and shape, where they are used.
    number, seed : int
        Examples of each taxon, and what they are drawn by.

    Returns
    -------
    dict of str to float
        As :func:`figures_of`; ``refusal``, the area under the ROC curve by which the distances tell taxa that nobody
        has named; and the seconds that learning and naming took.
    """
    there = np.isfinite(vectors).all(axis=1)
    known, asked = [row for row in taxa.drawn(number, seed) if there[row]], taxa.to_name()
    seen = [row for row in asked if there[row]]
    began, worked = time.perf_counter(), time.process_time()
    learner = _learnt(taxa, vectors, shapes, known)
    learner.choose(choose_methods(learner.named()))
    ranking = learner.rank(vectors[seen], sizes=None if shapes is None else shapes[seen])
    took = {"seconds": time.perf_counter() - began, "processor_seconds": time.process_time() - worked}
    found = figures_of(ranking.taxa, ranking.shares, taxa.names[seen], len(asked))
    return found | {"refusal": _refusal(taxa, vectors, known, seen, seed)} | took


def _learnt(taxa: Taxa, vectors: Floats, shapes: Floats | None, rows: Sequence[int]) -> NameLearner:
    slides, names = taxa.slides, taxa.names
    return NameLearner.of(
        NamedVectors.of(
            vectors[rows],
            [str(names[row]) for row in rows],
            sizes=None if shapes is None else shapes[rows],
            slides=[slides[row] for row in rows],
        )
    )


def _refusal(taxa: Taxa, vectors: Floats, known: Sequence[int], seen: Sequence[int], seed: int) -> float:
    """Return the area under the ROC curve by which specimens of taxa without examples lie farther off."""
    from sklearn.metrics import roc_auc_score

    names = taxa.names
    every = np.unique(names)
    hidden = np.random.default_rng(REFUSED + seed).permutation(every)[: round(UNNAMED * len(every))]
    learner = _learnt(taxa, vectors, None, [row for row in known if names[row] not in hidden])
    return float(roc_auc_score(np.isin(names[seen], hidden), learner.rank(vectors[seen]).distances))


def means_of(found: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the means of figures over the seeds, and the deviation of the first."""
    rows = list(found)
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return {name: round(value, 4) for name, value in means.items()} | {
        "first_sd": round(float(np.std([row["first"] for row in rows])), 4)
    }


def printed(row: Mapping[str, Any], say: Callable[[str], None] = print) -> None:
    """Print a row of a table."""
    refused = f"  refusal {row['refusal']:.3f}" if "refusal" in row else ""
    say(
        f"  {row['examples']:>3} examples  first {row['first']:.3f} ± {row['first_sd']:.3f}  three {row['three']:.3f}"
        f"{refused}  calibration error {row['calibration_error']:.3f}"
        f"  {row['seconds']:.1f} s, {row['processor_seconds']:.1f} s of a core"
    )
