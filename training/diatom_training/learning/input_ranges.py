"""The ranges of values that a network's convolutions are given, which quantized ones need to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.engines.quantized_convolutions import QuantizedConvolution

BATCH: Final = 4
CUT: Final = 1e-4
"""Share of the values of an input that is cut off at each end: a few that are far out would make all steps wide."""
_LOOKED_AT: Final = 100_000
"""Values of an input to a batch that its quantiles are taken of, evenly spaced."""

Range = tuple[float, float]


def input_ranges(
    network: torch.nn.Module,
    encoder: torch.nn.Module,
    pictures: Sequence[NDArray[np.uint8]],
    monitor: ProgressMonitor = UNWATCHED,
) -> dict[str, Range]:
    """Return the least and the largest value that each of an encoder's convolutions is given, by its name.

    Of values that are never below 0, as after an activation, the largest is taken; of others the mean of the quantiles
    of the batches.

    Parameters
    ----------
    network : torch.nn.Module
        Takes float RGB in 0..1, shape (B, 3, side, side).
    encoder : torch.nn.Module
        Part of the network.
    pictures : sequence of ndarray of uint8, each of shape (side, side, 3)
        What is shown to it.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"ranges"``, and stops there when asked.
    """
    seen: dict[str, list[tuple[float, ...]]] = {}

    def watching(name: str) -> Callable[[torch.nn.Module, tuple[Any, ...]], None]:
        def watch(_: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
            values = inputs[0].detach().flatten()
            some = values[:: max(1, len(values) // _LOOKED_AT)]
            low, high = torch.quantile(some, torch.tensor([CUT, 1 - CUT])).tolist()
            seen.setdefault(name, []).append((low, high, float(values.min()), float(values.max())))

        return watch

    with ExitStack() as watches, torch.inference_mode():
        for name, module in encoder.named_modules():
            if isinstance(module, torch.nn.Conv2d):
                watches.callback(module.register_forward_pre_hook(watching(name)).remove)
        for first in range(0, len(pictures), BATCH):
            monitor.report(Progress("ranges", first, len(pictures)))
            monitor.check()
            some = np.stack(pictures[first : first + BATCH])
            network(torch.from_numpy(some).permute(0, 3, 1, 2).float() / 255)
    return {name: _range(np.array(found)) for name, found in seen.items()}


def _range(found: NDArray[np.float64]) -> Range:
    """Return a range with 0 in it, of quantiles and ends by batch, shape (N, 4)."""
    if found[:, 2].min() >= 0:
        return 0.0, float(found[:, 3].max())
    low, high = found[:, :2].mean(axis=0).tolist()
    return min(low, 0.0), max(high, 0.0)


def set_ranges(encoder: torch.nn.Module, ranges: Mapping[str, Range]) -> None:
    """Give an encoder's quantized convolutions the ranges of their inputs, by their names."""
    for name, module in encoder.named_modules():
        if isinstance(module, QuantizedConvolution):
            module.input_range.copy_(torch.tensor(ranges[name]))
