"""The batch size of a run whose settings leave it to memory: chosen once, and kept in its settings."""

from __future__ import annotations

from diatom_training.finetune import dataset
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.dataset import Dataset
from diatom_training.finetune.initial_weights import InitialWeights
from diatom_training.finetune.run_folder import CHECKPOINTS, CONFIG, IMAGES, STATE, RunFolder
from diatom_training.finetune.run_notes import noting
from diatom_training.learning.batch_finder import with_batch
from diatom_training.learning.fitting import Fitting
from diatom_training.learning.options import AUTO
from napari_diatom.core.progress import ProgressMonitor


def settled(
    folder: RunFolder, config: TrainConfig, data: Dataset, begin: InitialWeights, device: str, monitor: ProgressMonitor
) -> TrainConfig:
    """Return a training with a number as batch size, which is noted in the folder where memory has chosen it.

    Raises
    ------
    InputError, OutputError
        When an image cannot be read, or the folder not be written.
    Stopped
        When a stop was asked for.
    """
    if config.learning.batch != AUTO:
        return config
    task = Fitting(
        dataset.examples(data, "train", config, begin.tile_size, folder / IMAGES),
        config.options(begin.architecture, data.classes),
        folder / CHECKPOINTS,
        device=device,
        devices=config.devices,
    )
    chosen = config.with_batch(with_batch(task, noting(monitor, folder / STATE)).options.batch)
    if (folder / CONFIG).exists():
        chosen.write(folder / CONFIG)
    return chosen
