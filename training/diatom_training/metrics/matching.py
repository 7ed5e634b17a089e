"""Which detections are which specimens: matched once by COCO's evaluator, then accumulated as often as is asked.

Matching looks at one image at a time, so a resample of the images needs no new one: an image that is taken twice counts
twice in the running sums over the scores. :func:`average_precisions` gives what ``COCOeval.accumulate`` gives for that
list of images, save for the order of different images' detections of equal scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.metrics.coco_evaluator import OVERLAPS, Shape, evaluator
from diatom_training.metrics.test_cases import Case, ClassNames, Units, check_truth, classes_of_cases, renamed, units_of
from napari_diatom.core.detections import Detections

RECALLS: Final = np.linspace(0.0, 1.0, 101)
"""Recalls at which COCO reads precision."""


@dataclass(frozen=True, eq=False)
class Matches:
    """Detections over I images, and which of them are specimens at each of the T overlaps of :data:`OVERLAPS`.

    Attributes
    ----------
    scores : ndarray of float64, shape (D,)
        Best first.
    images : ndarray of int, shape (D,)
        Index of each detection's image.
    hits : ndarray of bool, shape (T, D)
        Whether it is a specimen of the truth that no better detection is.
    truths : ndarray of int64, shape (I,)
        Specimens in each image.
    """

    scores: NDArray[np.float64]
    images: NDArray[np.intp]
    hits: NDArray[np.bool_]
    truths: NDArray[np.int64]

    def tallies(self, threshold: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return how many detections reach a threshold, and how many of them are right at IoU 0.5, shape (I,) each."""
        kept = self.scores >= np.float32(threshold)
        found = np.bincount(self.images[kept], minlength=len(self.truths))
        right = np.bincount(self.images[kept & self.hits[0]], minlength=len(self.truths))
        return found, right


@dataclass(frozen=True, eq=False)
class Matched:
    """Cases whose detections are matched with the truth.

    Attributes
    ----------
    cases : tuple of Case
        Their detections and truth are of the classes ``names.every``.
    names : ClassNames
        The classes.
    units : Units
        What is resampled.
    shape : Shape
        What was compared.
    overall : Matches
        Whatever the classes.
    classes : tuple of Matches
        Within each class of ``names.known``.
    pairs : tuple of (ndarray, ndarray)
        Per image the indices of detections and of the specimens that they are, whatever the classes, at IoU 0.5 and
        best score first.
    overlaps : tuple of ndarray of float64
        IoU of each of these pairs.
    """

    cases: tuple[Case, ...]
    names: ClassNames
    units: Units
    shape: Shape
    overall: Matches
    classes: tuple[Matches, ...]
    pairs: tuple[tuple[NDArray[np.intp], NDArray[np.intp]], ...]
    overlaps: tuple[NDArray[np.float64], ...]

    def kept(self, image: int, threshold: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return those of an image's ``pairs`` whose detection reaches a threshold.

        Detections are matched best score first, so those above a threshold are matched alike whatever lies below it.
        """
        which, whose = self.pairs[image]
        sure = self.cases[image].found.scores[which] >= np.float32(threshold)
        return which[sure], whose[sure]


def match_cases(cases: Sequence[Case], shape: Shape) -> Matched:
    """Match detections with the truth, whatever their classes and within each.

    All detections are looked at, however many an image has: slide scans hold thousands.

    Raises
    ------
    InputError
        When there is nothing to evaluate, or there are no masks to compare.
    """
    check_truth([case.image for case in cases], [case.truth for case in cases])
    names = classes_of_cases(cases)
    truths = [renamed(case.truth, names.every) for case in cases]
    found = [renamed(case.found, names.every) for case in cases]
    sizes = [(case.height, case.width) for case in cases]
    most = max(1, *(len(item) for item in found))
    anyhow = evaluator(truths, found, sizes, shape, False, most)
    by_class = evaluator(truths, found, sizes, shape, True, most) if len(names.every) > 1 else anyhow
    number = len(cases)
    return Matched(
        cases=tuple(
            Case(c.image, c.slide, truth, there, c.height, c.width, c.pixel_size_um, c.table)
            for c, truth, there in zip(cases, truths, found, strict=True)
        ),
        names=names,
        units=units_of(cases),
        shape=shape,
        overall=_matches(anyhow.evalImgs),
        classes=tuple(_matches(by_class.evalImgs[k * number : (k + 1) * number]) for k in range(len(names.known))),
        pairs=_pairs(anyhow.evalImgs, truths, found),
        overlaps=tuple(_overlaps(row, anyhow.ious) for row in anyhow.evalImgs),
    )


def average_precisions(matches: Matches, weights: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """Return the average precision at each overlap, shape (T,); NaN where there is no specimen.

    Parameters
    ----------
    matches : Matches
        As matched once.
    weights : ndarray of int, shape (I,), optional
        How often each image is taken; once each by default.
    """
    return np.asarray(precision_at_recalls(matches, weights).mean(axis=1))


def precision_at_recalls(matches: Matches, weights: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """Return the best precision with at least each of :data:`RECALLS`, shape (T, 101); NaN where there is no specimen.

    As COCO defines it; 0 at recalls that are not reached.
    """
    taken = np.ones(len(matches.truths), dtype=np.int64) if weights is None else weights
    specimens = int((taken * matches.truths).sum())
    read = np.zeros((len(OVERLAPS), len(RECALLS)))
    if not specimens:
        return np.full_like(read, np.nan)
    times = taken[matches.images]
    there = np.flatnonzero(times)
    right = np.cumsum(matches.hits[:, there] * times[there], axis=1)
    precision = right / (np.cumsum(times[there]) + np.spacing(1))
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    for row, recall, precise in zip(read, right / specimens, best, strict=True):
        at = np.searchsorted(recall, RECALLS, side="left")
        reached = at < len(recall)
        row[reached] = precise[at[reached]]
    return read


def concatenate(first: Matches, second: Matches) -> Matches:
    """Return the matches of two models on the same I images as of 2 I images, those of the first one before the others.

    Of weights that take each image from one of the two, figures are those of the model that is put together so.
    """
    images = np.concatenate([first.images, second.images])
    scores = np.concatenate([first.scores, second.scores])
    # Of equal scores that of the earlier image goes first, whichever model it is of.
    order = np.lexsort((images, -scores))
    return Matches(
        scores=scores[order],
        images=np.concatenate([first.images, second.images + len(first.truths)])[order],
        hits=np.concatenate([first.hits, second.hits], axis=1)[:, order],
        truths=np.concatenate([first.truths, second.truths]),
    )


def _matches(rows: Sequence[dict[str, Any] | None]) -> Matches:
    """Return what the evaluator says of each image (None where there is nothing at all), all detections together."""
    scores = [np.asarray(row["dtScores"], dtype=np.float64) if row else np.empty(0) for row in rows]
    hits = [row["dtMatches"] > 0 if row else np.empty((len(OVERLAPS), 0), dtype=bool) for row in rows]
    images = np.repeat(np.arange(len(rows)), [len(part) for part in scores])
    together = np.concatenate(scores)
    order = np.argsort(-together, kind="stable")
    return Matches(
        scores=together[order],
        images=images[order],
        hits=np.concatenate(hits, axis=1)[:, order],
        truths=np.array([len(row["gtIds"]) if row else 0 for row in rows], dtype=np.int64),
    )


def _pairs(
    rows: Sequence[dict[str, Any] | None], truths: Sequence[Detections], found: Sequence[Detections]
) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], ...]:
    """Return the pairs of each image at the first overlap, from ids that count through all images."""
    pairs = []
    first_truth = first_found = 1
    for row, truth, there in zip(rows, truths, found, strict=True):
        which = whose = np.empty(0, dtype=np.intp)
        if row:
            theirs = row["dtMatches"][0].astype(np.intp)
            matched = theirs > 0
            which = np.asarray(row["dtIds"], dtype=np.intp)[matched] - first_found
            whose = theirs[matched] - first_truth
        pairs.append((which, whose))
        first_truth, first_found = first_truth + len(truth), first_found + len(there)
    return tuple(pairs)


def _overlaps(row: dict[str, Any] | None, ious: Mapping[tuple[int, int], NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the IoU of an image's pairs, in their order, from the evaluator's tables of detections and specimens."""
    if not row or not len(row["dtIds"]) or not len(row["gtIds"]):
        return np.empty(0)
    theirs = row["dtMatches"][0].astype(np.intp)
    places = {int(name): column for column, name in enumerate(row["gtIds"])}
    # Where classes play no part, the evaluator files its tables under -1.
    table = np.asarray(ious[row["image_id"], -1], dtype=np.float64)
    return np.array([table[k, places[int(theirs[k])]] for k in np.flatnonzero(theirs)], dtype=np.float64)
