"""Training, validation and test parts, or folds, of whole slides or samples, so that no slide is in two of them.

Images of one slide share its mount, focus and light, and specimens that lie on the border of two fields: a network that
is tested on a slide it was trained on looks better than it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.errors import InputError
from napari_diatom.core.text import first_few
from napari_diatom.project.settings import PROJECT_FILE, ProjectImage, Split
from napari_diatom.project.summary import Tally

PARTS: Final = ("train", "validation", "test")
"""Names of three parts; two are the first and the last."""

_TRIES: Final = 50
"""How many assignments are compared."""
_MISSING: Final = 1000.0
"""What a class that a part lacks costs, in deviations of a whole share: more than anything else can."""

By = Literal["slide", "sample"]


@dataclass(frozen=True)
class Planned:
    """A split, and warnings about it.

    Attributes
    ----------
    split : Split
        The parts.
    warnings : tuple of str
        A line each.
    """

    split: Split
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Groups:
    """Slides or samples: their names, how many images each has, and how many specimens of each class (G, C)."""

    names: tuple[str, ...]
    images: NDArray[np.float64]
    classes: tuple[str, ...]
    counts: NDArray[np.float64]


def shares_of(text: str) -> tuple[int, ...]:
    """Return the shares that ``70-15-15`` or the like means.

    Raises
    ------
    InputError
        When they are not two or three whole numbers above 0 that make 100.
    """
    parts = re.split(r"[-/,: ]+", text.strip())
    shares = tuple(int(part) for part in parts if part.isdecimal())
    if len(shares) != len(parts) or len(shares) not in (2, 3) or sum(shares) != 100 or min(shares) < 1:
        raise InputError(f"{text!r} is not a split: give two or three shares that add up to 100, such as 70-15-15.")
    return shares


def plan(
    tallies: Sequence[Tally],
    by: By = "slide",
    shares: Sequence[int] = (70, 15, 15),
    folds: int | None = None,
    seed: int = 0,
) -> Planned:
    """Assign slides or samples to parts.

    Many assignments are drawn, rarest classes first, and the best one is taken: first the one with the fewest classes
    that a part lacks, then the one whose parts have their shares of the images and of each class. The same slides,
    counts and seed give the same parts.

    Parameters
    ----------
    tallies : sequence of Tally
        What each image has, as :meth:`Project.summary` gives it.
    by : {"slide", "sample"}
        What stays together.
    shares : sequence of int
        In percent: training, validation and test, or training and test.
    folds : int, optional
        Folds of equal size in place of shares.
    seed : int
        Of what chance decides.

    Raises
    ------
    InputError
        When there are no images, the shares do not make 100, or there are fewer slides than folds.
    """
    if not tallies:
        raise InputError("The project has no images to split.")
    groups = _groups(tallies, by)
    if folds is not None:
        if not 2 <= folds <= len(groups.names):
            raise InputError(
                f"{folds} folds need at least 2, and at most as many as there are {by}s ({len(groups.names)})."
            )
        names, wanted = tuple(f"fold {number}" for number in range(1, folds + 1)), np.full(folds, 1 / folds)
    else:
        shares_of("-".join(map(str, shares)))
        names = PARTS if len(shares) == len(PARTS) else (PARTS[0], PARTS[-1])
        wanted = np.array(shares) / 100
    rng = np.random.default_rng(seed)
    best = min((_drawn(groups, wanted, rng) for _ in range(_TRIES)), key=lambda found: _cost(groups, wanted, found))
    parts = {name: tuple(groups.names[g] for g in np.flatnonzero(best == k)) for k, name in enumerate(names)}
    split = Split(by=by, seed=seed, shares=() if folds is not None else tuple(shares), parts=parts)
    return Planned(split, tuple(warnings_of(split, tallies)))


def part_of(split: Split, image: ProjectImage) -> str | None:
    """Return the part that an image is in, None where its slide or sample is in none."""
    group = split_group(image, split.by)
    return next((name for name, groups in split.parts.items() if group in groups), None)


def split_group(image: ProjectImage, by: By) -> str:
    """Return the slide or sample of an image; one that names none is a group of its own."""
    return (image.slide if by == "slide" else image.sample) or image.id


def warnings_of(split: Split, tallies: Sequence[Tally]) -> list[str]:
    """Return warnings about a split: empty parts, classes that a part lacks, images in no part."""
    groups = _groups(tallies, split.by)
    found: list[str] = []
    if len(groups.names) == 1:
        found.append(
            f"All images are of one {split.by}: there is no other {split.by} to test on. The {split.by} of an image is "
            f"the folder that it was in when it was added; if there are several, correct the entries `{split.by}` in "
            f"{PROJECT_FILE}."
        )
    elif len(groups.names) < len(split.parts):
        found.append(f"There are only {len(groups.names)} {split.by}s for {len(split.parts)} parts.")
    outside = sorted({split_group(item.image, split.by) for item in tallies if part_of(split, item.image) is None})
    if outside:
        found.append(f"In no part: {split.by} {first_few(outside)}.")
    members = {name: [item for item in tallies if part_of(split, item.image) == name] for name in split.parts}
    for name, items in members.items():
        if not items:
            found.append(f"{name} has no images.")
            continue
        there = _sum(items)
        lacking = [label for label in groups.classes if not there[label]]
        if lacking:
            found.append(f"{name} has no specimens of {first_few(lacking)}.")
    return found


def _groups(tallies: Sequence[Tally], by: By) -> _Groups:
    """Return the slides or samples of images, sorted by name."""
    members: dict[str, list[Tally]] = {}
    for item in tallies:
        members.setdefault(split_group(item.image, by), []).append(item)
    names = tuple(sorted(members))
    classes = tuple(sorted({name for item in tallies for name in item.by_class()}))
    sums = [_sum(members[name]) for name in names]
    return _Groups(
        names,
        np.array([len(members[name]) for name in names], dtype=np.float64),
        classes,
        np.array([[found[label] for label in classes] for found in sums], dtype=np.float64).reshape(len(names), -1),
    )


def _sum(tallies: Iterable[Tally]) -> Counter[str]:
    """Return the numbers of specimens by class of several images."""
    total: Counter[str] = Counter()
    for item in tallies:
        total.update(item.by_class())
    return total


def _drawn(groups: _Groups, wanted: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the part of each group, drawn class by class, the rarest first (after Sechidis et al., 2011)."""
    part = np.full(len(groups.names), -1)
    room = wanted * groups.images.sum()
    need = wanted[:, None] * groups.counts.sum(axis=0)
    has = np.zeros((len(wanted), len(groups.classes)), dtype=bool)
    occurs = groups.counts > 0
    while (part < 0).any():
        waiting = part < 0
        spread = occurs[waiting].sum(axis=0)
        rarest = np.flatnonzero(spread == spread[spread > 0].min()) if (spread > 0).any() else np.empty(0, int)
        label = int(rng.choice(rarest)) if len(rarest) else None
        chosen = np.flatnonzero(waiting & occurs[:, label]) if label is not None else np.flatnonzero(waiting)
        group = int(rng.choice(chosen))
        order = room if label is None else need[:, label]
        if label is not None and len(chosen) <= np.count_nonzero(~has[:, label]):
            # As few groups are left as parts that lack the class: each goes to one of those.
            order = np.where(has[:, label], -np.inf, order)
        empty = ~(part == np.arange(len(wanted))[:, None]).any(axis=1)
        if np.count_nonzero(waiting) <= np.count_nonzero(empty):
            order = np.where(empty, order, -np.inf)
        tied = np.flatnonzero(order >= order.max() - 1e-9)
        tied = tied[room[tied] >= room[tied].max() - 1e-9]
        k = int(rng.choice(tied))
        part[group] = k
        room[k] -= groups.images[group]
        need[k] -= groups.counts[group]
        has[k] |= occurs[group]
    return part


def _cost(groups: _Groups, wanted: NDArray[np.float64], part: NDArray[np.intp]) -> float:
    """Return how bad an assignment is: classes and images that parts lack, then deviations from the shares."""
    member = part == np.arange(len(wanted))[:, None]
    images, counts = member @ groups.images, member @ groups.counts
    missing = np.count_nonzero(counts == 0) + (len(groups.classes) + 1) * np.count_nonzero(images == 0)
    deviation = np.abs(images / groups.images.sum() - wanted).sum()
    if len(groups.classes):
        deviation += np.abs(counts / counts.sum(axis=0) - wanted[:, None]).sum() / len(groups.classes)
    return float(_MISSING * missing + deviation)
