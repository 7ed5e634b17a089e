"""Detections: the one result type of every engine, annotation file and napari layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core import geometry
from napari_diatom.core.cropped_masks import CroppedMask as CroppedMask
from napari_diatom.core.cropped_masks import resample_mask, trace_outline
from napari_diatom.core.errors import InputError

STATUSES: Final = ("valve", "girdle", "frustule", "broken", "unidentified", "teratological")
"""What a specimen is, in the order of the codes in :attr:`Detections.status`."""

CUT_BY_EDGE: Final = 1
"""Flag in :attr:`Detections.cut`: the specimen touches the image's edge."""
NEAR_EDGE: Final = 1.0
"""Pixels from the image's edge within which a specimen that it cuts may end: networks place box ends so well."""
CUT_BY_TILE: Final = 2
"""Flag in :attr:`Detections.cut`: the box was cut by the inner edge of a tile."""


@dataclass(frozen=True, eq=False)
class Detections:
    """N specimens as a struct of arrays; construct with :meth:`of`, which validates and normalises.

    Attributes
    ----------
    boxes : ndarray of float32, shape (N, 5)
        ``cx, cy, length, width`` in pixels, counted from the outer edge of the image's first pixel (whose centre is at
        0.5, 0.5), and the angle in radians of the apical (long) axis, measured from
        +x (right) towards +y (down), in canonical form: length >= width > 0, angle in [-pi/2, pi/2), 0 where
        length / width < 1.05.
    class_ids : ndarray of int32, shape (N,)
        Index into ``classes``.
    scores : ndarray of float32, shape (N,)
        0 to 1; 1 for a person's annotation.
    classes : tuple of str
        Class names.
    masks : tuple of CroppedMask, or None
        One per specimen, where the task has masks.
    cut : ndarray of uint8, shape (N,)
        ``CUT_BY_EDGE`` and ``CUT_BY_TILE`` flags.
    status : ndarray of uint8, shape (N,)
        Index into ``STATUSES``.
    outline_flags : ndarray of uint8, shape (N,), or None
        Where a network has outlined the specimens in boxes that another had found: 0 where the two agree, else what
        speaks against the outline, as the flags in ``napari_diatom.measurement.outline_refinement`` say.
    """

    boxes: NDArray[np.float32]
    class_ids: NDArray[np.int32]
    scores: NDArray[np.float32]
    classes: tuple[str, ...]
    masks: tuple[CroppedMask, ...] | None
    cut: NDArray[np.uint8]
    status: NDArray[np.uint8]
    outline_flags: NDArray[np.uint8] | None = None

    @classmethod
    def of(
        cls,
        boxes: ArrayLike,
        class_ids: ArrayLike | None = None,
        scores: ArrayLike | None = None,
        classes: Sequence[str] = ("diatom",),
        masks: Sequence[CroppedMask] | None = None,
        cut: ArrayLike | None = None,
        status: ArrayLike | None = None,
    ) -> Self:
        """Build detections from anything array-like, in canonical form.

        Parameters
        ----------
        boxes : array-like, shape (N, 5)
            See ``boxes``; need not be canonical.
        class_ids, scores, cut, status : array-like, shape (N,), optional
            Default to class 0, score 1, not cut, valve.
        classes : sequence of str
            Class names.
        masks : sequence of CroppedMask, optional
            One per box.

        Raises
        ------
        InputError
            With every problem found: wrong shapes, NaN, infinite or absurdly large values, sizes of zero or less,
            scores outside 0..1, codes that name no class or status.
        """
        try:
            box_array = np.asarray(boxes, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError("Boxes must be numbers, of shape (N, 5).") from None
        if box_array.size == 0:
            box_array = box_array.reshape(0, 5)
        problems: list[str] = []
        if box_array.ndim != 2 or box_array.shape[1] != 5:
            raise InputError(f"Boxes must have shape (N, 5), got {box_array.shape}.")
        n = len(box_array)
        ids = _column("class_ids", class_ids, n, np.int64, 0, problems)
        score = _column("scores", scores, n, np.float64, 1, problems)
        cuts = _column("cut", cut, n, np.int64, 0, problems)
        states = _column("status", status, n, np.int64, 0, problems)
        if not (np.abs(box_array) <= np.finfo(np.float32).max).all():
            problems.append("boxes hold NaN, infinite or absurdly large values")
        elif (box_array[:, 2:4] <= 0).any():
            problems.append("box lengths and widths must be above 0")
        if not np.isfinite(score).all() or ((score < 0) | (score > 1)).any():
            problems.append("scores must lie within 0 and 1")
        if ((ids < 0) | (ids >= max(len(classes), 1))).any() or (n and not classes):
            problems.append(f"class_ids must index the {len(classes)} classes")
        if ((cuts < 0) | (cuts > 3)).any():
            problems.append("cut must hold the flags 0 to 3")
        if ((states < 0) | (states >= len(STATUSES))).any():
            problems.append(f"status must index the {len(STATUSES)} statuses")
        if isinstance(classes, str) or not all(isinstance(name, str) for name in classes):
            problems.append("classes must be a list of names, such as ['diatom']")
        shapes = None if masks is None else tuple(masks) if isinstance(masks, Iterable) else (masks,)
        if shapes is not None and not all(isinstance(mask, CroppedMask) for mask in shapes):
            problems.append("masks must be CroppedMask objects, one per box")
        elif shapes is not None and len(shapes) != n:
            problems.append(f"{len(shapes)} masks for {n} boxes")
        if problems:
            raise InputError("Bad detections: " + "; ".join(problems) + ".")
        return cls(
            boxes=geometry.canonical(box_array).astype(np.float32),
            class_ids=ids.astype(np.int32),
            scores=score.astype(np.float32),
            classes=tuple(classes),
            masks=shapes,
            cut=cuts.astype(np.uint8),
            status=states.astype(np.uint8),
        )

    @classmethod
    def empty(cls, classes: Sequence[str] = ("diatom",), with_masks: bool = False) -> Self:
        """Return no detections at all."""
        return cls.of(np.empty((0, 5)), classes=classes, masks=() if with_masks else None)

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: NDArray[np.bool_] | NDArray[np.intp] | slice | Sequence[int] | int) -> Self:
        """Select specimens by integer, slice, index array or bool array; always returns detections."""
        chosen = np.atleast_1d(np.arange(len(self))[index])
        return replace(
            self,
            boxes=self.boxes[chosen],
            class_ids=self.class_ids[chosen],
            scores=self.scores[chosen],
            masks=None if self.masks is None else tuple(self.masks[i] for i in chosen),
            cut=self.cut[chosen],
            status=self.status[chosen],
            outline_flags=None if self.outline_flags is None else self.outline_flags[chosen],
        )

    @classmethod
    def concatenate(cls, parts: Iterable[Self], classes: Sequence[str] = ("diatom",)) -> Self:
        """Join parts of one class list in their order.

        Raises
        ------
        InputError
            When the parts' class lists differ, or only some of them have masks.
        """
        items = list(parts)
        if not items:
            return cls.empty(classes)
        first = items[0]
        if any(item.classes != first.classes for item in items):
            raise InputError("Detections with different class lists cannot be joined.")
        if len({item.masks is None for item in items}) > 1:
            raise InputError("Detections with and without masks cannot be joined.")
        flags = [item.outline_flags for item in items if item.outline_flags is not None]
        return cls(
            boxes=np.concatenate([item.boxes for item in items]),
            class_ids=np.concatenate([item.class_ids for item in items]),
            scores=np.concatenate([item.scores for item in items]),
            classes=first.classes,
            masks=None if first.masks is None else tuple(mask for item in items for mask in item.masks or ()),
            cut=np.concatenate([item.cut for item in items]),
            status=np.concatenate([item.status for item in items]),
            outline_flags=np.concatenate(flags) if len(flags) == len(items) else None,
        )

    def outline(self, index: int) -> NDArray[np.float64] | None:
        """Return a ring round the mask of a specimen, shape (K, 2), x and y; None where it has no mask."""
        if self.masks is None or not self.masks[index].area:
            return None
        return trace_outline(self.masks[index])

    def above(self, threshold: float) -> Self:
        """Return those with a score of at least ``threshold``."""
        return self[self.scores >= threshold]

    def moved(self, dx: float, dy: float, scale: float = 1.0) -> Self:
        """Return them in other image coordinates: divided by ``scale`` (px per px), then shifted.

        Masks that do not move by whole pixels and without scaling are resampled.
        """
        boxes = self.boxes.astype(np.float64)
        boxes[:, :4] /= scale
        boxes[:, 0] += dx
        boxes[:, 1] += dy
        masks = None if self.masks is None else tuple(resample_mask(mask, dx, dy, scale) for mask in self.masks)
        return replace(self, boxes=boxes.astype(np.float32), masks=masks)


def _column(
    name: str,
    values: ArrayLike | None,
    n: int,
    dtype: type[np.int64 | np.float64],
    default: float,
    problems: list[str],
) -> NDArray[Any]:
    """Return ``values`` as an array of length ``n``; a wrong shape goes to ``problems``."""
    array = np.full(n, default) if values is None else np.asarray(values)
    if array.size == 0:
        array = array.reshape(0)
    if array.shape != (n,):
        problems.append(f"{name} must have shape ({n},), got {array.shape}")
        array = np.full(n, default)
    elif array.size and array.dtype.kind not in "buif":
        problems.append(f"{name} must be numbers")
        array = np.full(n, default)
    elif dtype is np.int64 and not np.isfinite(array.astype(np.float64)).all():
        problems.append(f"{name} hold NaN or infinite values")
        array = np.full(n, default)
    elif dtype is np.int64 and (array.astype(np.float64) % 1 != 0).any():
        problems.append(f"{name} must be whole numbers")
        array = np.full(n, default)
    return array.astype(dtype)


PERSON: Final = "person"
"""Origin of what a person drew; any other origin is the name and version of a model."""


def cut_flags(boxes: ArrayLike, height: ArrayLike | None, width: ArrayLike | None) -> NDArray[np.uint8]:
    """Return ``CUT_BY_EDGE`` for the boxes that reach the image's edge, 0 for the others, shape (N,).

    A box that ends within :data:`NEAR_EDGE` of it reaches it. Without the image's size only its left and top edges are
    known; both may be of each box, shape (N,).
    """
    bounds = geometry.bounds(boxes)
    right, bottom = (np.asarray(np.inf if size is None else size) for size in (width, height))
    near = (bounds[:, :2] <= NEAR_EDGE).any(axis=1)
    near |= (right - bounds[:, 2] <= NEAR_EDGE) | (bottom - bounds[:, 3] <= NEAR_EDGE)
    return np.where(near, CUT_BY_EDGE, 0).astype(np.uint8)
