"""How many crops an epoch of a run has."""

from __future__ import annotations

from diatom_training.finetune import dataset
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.dataset import Dataset
from diatom_training.finetune.initial_weights import InitialWeights
from diatom_training.finetune.run_folder import IMAGES, RunFolder
from diatom_training.learning.dataloaders import whole_pass
from diatom_training.learning.options import ALL


def crops_of_epoch(folder: RunFolder, config: TrainConfig, data: Dataset, begin: InitialWeights) -> int:
    """Return the number that the settings give, or that of one pass over the training part.

    Raises
    ------
    InputError, OutputError
        When an image cannot be read, or not be written into the folder as it is needed.
    """
    if config.learning.crops != ALL:
        return config.learning.crops
    found = dataset.examples(data, "train", config, begin.tile_size, folder / IMAGES)
    return whole_pass(found, config.options(begin.architecture, data.classes))
