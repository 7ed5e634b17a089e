"""Epochs that are added to a training that has ended, with a learning rate of their own."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.run_folder import CHECKPOINTS, SEGMENTS, RunFolder
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.segments import Segment, is_over, next_rate, total_epochs
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError
from napari_diatom.core.text import many
from napari_diatom.core.text_files import read_json


def segments_of(folder: RunFolder) -> tuple[Segment, ...]:
    """Return the segments that were added to a run. Raises InputError when their file is damaged."""
    path = folder / SEGMENTS
    if not path.exists():
        return ()
    try:
        entries: Any = read_json(path, "the added epochs of a training")
        return tuple(Segment.model_validate(entry) for entry in entries)
    except (ValidationError, TypeError) as error:
        raise InputError(f"{path} does not hold the added epochs of a training: {error}.") from None


def epochs_of(folder: RunFolder, config: TrainConfig) -> int:
    """Return how many epochs a run may have, with those that were added. Raises as :func:`segments_of`."""
    return total_epochs(config.learning, segments_of(folder))


def usual_next_rate(folder: RunFolder) -> float:
    """Return the highest learning rate of the epochs that are added where no other is asked for.

    Raises
    ------
    InputError
        When a file of the run is damaged.
    """
    return next_rate(folder.config().learning, _begun(folder))


def add_epochs(folder: RunFolder, epochs: int, rate: float | None = None) -> Segment:
    """Add epochs to a run that has ended; it is then as one that was stopped, and is resumed like it.

    Epochs that were added before, and have not begun, are replaced.

    Parameters
    ----------
    folder : RunFolder
        The run.
    epochs : int
        How many.
    rate : float, optional
        Highest learning rate of these epochs; :func:`usual_next_rate` by default.

    Raises
    ------
    InputError
        When the run is in progress, or its epochs are not all done, or it has no checkpoint.
    OutputError
        When it cannot be noted down.
    """
    with folder.alone():
        state, config, history = folder.state(), folder.config(), folder.history()
        if state.stage == "running":
            raise InputError(f"{folder.path} is being trained: stop the training first.")
        begun = _begun(folder)
        if not history or not any((folder / CHECKPOINTS).glob("*.ckpt")):
            raise InputError(f"{folder.path} has no finished epoch, so there is nothing to add epochs to.")
        if state.stage != "finished" and not _all_done(config, begun, history):
            raise InputError(
                f"{folder.path} has done {len(history)} of {many(total_epochs(config.learning, begun), 'epoch')}: "
                "resume it before adding more."
            )
        try:
            added = Segment(
                first=len(history), epochs=epochs, rate=next_rate(config.learning, begun) if rate is None else rate
            )
        except ValidationError as error:
            problems = "; ".join(f"{fault['loc'][0]}: {fault['msg']}" for fault in error.errors())
            raise InputError(f"These epochs cannot be added: {problems}.") from None
        entries = [segment.model_dump() for segment in (*begun, added)]
        write_atomically(folder / SEGMENTS, json.dumps(entries, indent=1) + "\n")
        folder.write_state("stopped", f"{many(epochs, 'epoch')} added; resume the training to do them.")
    return added


def _begun(folder: RunFolder) -> tuple[Segment, ...]:
    """Return the segments of which an epoch is done."""
    done = len(folder.history())
    return tuple(segment for segment in segments_of(folder) if segment.first < done)


def _all_done(config: TrainConfig, segments: tuple[Segment, ...], history: list[dict[str, float]]) -> bool:
    """Tell whether a run has done all its epochs, or as many as early stopping let it do."""
    patience = config.learning.patience or config.learning.epochs
    options: LearningOptions = config.learning.model_copy(update={"patience": patience})
    return len(history) >= total_epochs(options, segments) or is_over(options, segments, history)
