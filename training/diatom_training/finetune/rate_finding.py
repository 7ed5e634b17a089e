"""Find a learning rate for a training, by a range test on its own slides from its own start."""

from __future__ import annotations

import tempfile
from pathlib import Path

from diatom_training.finetune.config import TrainConfig
from diatom_training.learning.rate_curve import RateCurve
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor


def find_rate(config: TrainConfig, monitor: ProgressMonitor = UNWATCHED) -> RateCurve:
    """Return the losses of a range test in this process; nothing of a run or a model is written or changed.

    Parameters
    ----------
    config : TrainConfig
        The training; composed slides are left out.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``images`` and ``rate``.

    Raises
    ------
    InputError, ModelError
        When data or start cannot be used.
    Stopped
        When a stop was asked for.
    DiatomError
        When not even one crop fits into memory.
    """
    # Here, because a window calls this by its name and must not load torch.
    from diatom_training.finetune import dataset, initial_weights
    from diatom_training.learning.fitting import Fitting
    from diatom_training.learning.range_test import range_test
    from napari_diatom.engines.backends import choose_device

    data, begin = dataset.read(config, monitor), initial_weights.resolve(config)
    with tempfile.TemporaryDirectory(prefix="napari-diatom-rate-") as name:
        folder = Path(name)
        return range_test(
            Fitting(
                dataset.examples(data, "train", config, begin.tile_size, folder / "images"),
                config.options(begin.architecture, data.classes),
                folder,
                start=begin.weights_for(data.classes),
                backbone=begin.backbone,
                usual_standard=begin.standard,
                device=choose_device(config.device),
            ),
            monitor,
        )
