"""An epoch that is one pass over the training part: what it shows, and in which order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from diatom_training.data.crop_cells import cell_centres
from diatom_training.data.examples import Example
from diatom_training.learning.options import LearningOptions


def shuffled(weights: Sequence[float], options: LearningOptions, epoch: int) -> NDArray[np.int64]:
    """Return the places of weights above 0 in the order of an epoch, which seed and epoch alone decide."""
    used = np.flatnonzero(np.asarray(weights) > 0)
    # As if it were one more crop: the chance of no crop begins like that of the order.
    return np.random.default_rng((options.seed, epoch, len(used))).permutation(used)


def cells_of_pass(
    examples: Sequence[Example], options: LearningOptions, epoch: int
) -> list[tuple[Example, NDArray[np.float64]]]:
    """Return the crops of a pass in the order of an epoch: images, and where in them, shape (2,), crops are placed.

    Raises
    ------
    InputError
        When an image cannot be read.
    """
    cells = []
    for number, example in enumerate(examples):
        rng = np.random.default_rng((options.seed, epoch, number, 1))
        centres = cell_centres(example, options.size, rng, options.augment.random_crop)
        cells += [(example, centre) for centre in centres]
    return [cells[place] for place in shuffled([example.weight for example, _ in cells], options, epoch)]
