"""Train YOLO detectors, oriented or upright, on examples.

The network and its loss come from Ultralytics; the loop is here, because it reports, stops and resumes as the rest of
the project does, runs in bfloat16 on CPUs that have it, and clips oriented boxes at a crop's edge as polygons.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch.utils.data import DataLoader, Dataset

from diatom_training.crops import Crop, random_crop
from diatom_training.examples import Example
from napari_diatom.engines import yolo_net
from napari_diatom.engines.weights import transfer
from napari_diatom.errors import DiatomError, InputError
from napari_diatom.progress import Progress, Report, ShouldStop, check, never, silent

CHECKPOINT = "last.pt"


class YoloOptions(BaseModel):
    """How to train.

    Attributes
    ----------
    architecture : str
        ``yolo11n-obb`` (oriented) or ``yolo11n`` (upright), or another of Ultralytics' networks.
    classes : tuple of str
        Class names.
    size : int
        Side of the training crops in pixels, a multiple of 32.
    batch : int
        Crops a step.
    epochs, crops : int
        Epochs, and crops drawn in each.
    rate, final_rate : float
        Learning rate after the warm-up, and the share of it that a cosine leaves at the end.
    weight_decay : float
        On convolution weights alone.
    warmup : int
        Steps over which the rate climbs from zero.
    turn_share : float
        Share of crops turned by any angle instead of by quarter turns.
    loss_gains : dict of str to float
        Ultralytics' gains ``box``, ``cls``, ``dfl``, ``angle``, where they are to differ from its defaults.
    seed : int
        Seeds everything drawn by chance.
    workers : int
        Processes that prepare crops.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: str = "yolo11n-obb"
    classes: tuple[str, ...] = Field(default=("diatom",), min_length=1)
    size: int = Field(default=640, ge=64, multiple_of=32)
    batch: int = Field(default=16, ge=1)
    epochs: int = Field(default=10, ge=1)
    crops: int = Field(default=2000, ge=1)
    rate: float = Field(default=1e-3, gt=0)
    final_rate: float = Field(default=0.02, ge=0, le=1)
    weight_decay: float = Field(default=5e-4, ge=0)
    warmup: int = Field(default=100, ge=0)
    turn_share: float = Field(default=0.2, ge=0, le=1)
    loss_gains: dict[str, float] = Field(default_factory=dict)
    seed: int = 0
    workers: int = Field(default=1, ge=0)

    @property
    def oriented(self) -> bool:
        """Whether the network gives oriented boxes."""
        return self.architecture.endswith("-obb")


class _Epoch(Dataset[Crop]):
    """The crops of one epoch; crop ``i`` depends on the seed, the epoch and ``i`` alone."""

    def __init__(self, examples: Sequence[Example], options: YoloOptions, epoch: int) -> None:
        self.examples = examples
        self.options = options
        self.epoch = epoch
        weights = np.array([example.weight for example in examples], dtype=np.float64)
        self.chances = weights / weights.sum()

    def __len__(self) -> int:
        return self.options.crops

    def __getitem__(self, index: int) -> Crop:
        rng = np.random.default_rng((self.options.seed, self.epoch, index))
        example = self.examples[rng.choice(len(self.examples), p=self.chances)]
        return random_crop(example, self.options.size, rng, turn=rng.random() < self.options.turn_share)


def targets(crops: Sequence[Crop], size: int, oriented: bool) -> dict[str, torch.Tensor]:
    """Collate crops into the batch that Ultralytics' losses read.

    Oriented boxes are ``cx, cy, length, width`` as shares of the crop's side and the apical axis' angle in
    [-pi/4, 3 pi/4), the range of the network's angle output; upright ones are ``cx, cy, w, h``.
    """
    pixels = np.stack([crop.pixels for crop in crops]).transpose(0, 3, 1, 2)
    boxes: list[NDArray[np.float64]] = []
    for crop in crops:
        if oriented:
            box = crop.oriented.copy()
            box[:, :4] /= size
            box[:, 4] = np.mod(box[:, 4] + np.pi / 4, np.pi) - np.pi / 4
        else:
            x0, y0, x1, y1 = crop.upright.T / size
            box = np.stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], axis=1)
        boxes.append(box)
    counts = [len(crop.class_ids) for crop in crops]
    return {
        "img": torch.from_numpy(np.ascontiguousarray(pixels)),
        "batch_idx": torch.from_numpy(np.repeat(np.arange(len(crops)), counts)).float(),
        "cls": torch.from_numpy(np.concatenate([crop.class_ids for crop in crops])).float()[:, None],
        "bboxes": torch.from_numpy(np.concatenate(boxes)).float(),
    }


@dataclass(frozen=True)
class _Collate:
    """Collate for a data loader; a class, because spawned workers must be able to receive it."""

    size: int
    oriented: bool

    def __call__(self, crops: Sequence[Crop]) -> dict[str, torch.Tensor]:
        return targets(crops, self.size, self.oriented)


@dataclass(frozen=True, eq=False)
class Trained:
    """What a training leaves.

    Attributes
    ----------
    network : torch.nn.Module
        The exponential moving average of the weights.
    history : tuple of dict
        One a finished epoch: the mean of each part of the loss.
    """

    network: torch.nn.Module
    history: tuple[dict[str, float], ...]


def train(
    examples: Sequence[Example],
    options: YoloOptions,
    folder: Path,
    start: Mapping[str, torch.Tensor] | None = None,
    device: str = "cpu",
    until: int | None = None,
    report: Report = silent,
    should_stop: ShouldStop = never,
) -> Trained:
    """Train, or go on with the training that ``folder`` holds.

    Parameters
    ----------
    examples : sequence of Example
        What to learn from.
    options : YoloOptions
        How; an interrupted training goes on only under the same options.
    folder : Path
        Where ``last.pt`` is written after every epoch.
    start : mapping of str to Tensor, optional
        Weights to start from; those whose names and shapes fit are used.
    device : str
        ``cpu``, ``cuda`` or ``mps``.
    until : int, optional
        End after this epoch, with the rate where it then is, instead of going on to the last one.
    report, should_stop
        The contract of long work; a stop keeps the epochs that are finished.

    Raises
    ------
    InputError
        When there is nothing to learn from, or ``folder`` holds a training under other options.
    Stopped
        When a stop was asked for.
    DiatomError
        When the loss is no longer finite.
    """
    if not examples:
        raise InputError("There is no training image.")
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(options.seed)
    network = yolo_net.build(options.architecture, len(options.classes))
    if start is not None:
        transfer(network, start)
    network.to(device)
    if device == "cpu":
        network.to(memory_format=torch.channels_last)
    cast(Any, network).args = _arguments(options)
    from ultralytics.utils.torch_utils import ModelEMA

    average = ModelEMA(network, decay=0.998, tau=500)
    optimizer = _optimizer(network, options)
    history: list[dict[str, float]] = []
    state = _restore(folder / CHECKPOINT, options)
    if state is not None:
        network.load_state_dict(state["network"])
        average.ema.load_state_dict(state["average"])
        average.updates = state["updates"]
        optimizer.load_state_dict(state["optimizer"])
        history = state["history"]
    steps = math.ceil(options.crops / options.batch)
    for epoch in range(len(history), min(options.epochs, until or options.epochs)):
        torch.manual_seed(options.seed * 1_000_003 + epoch)
        network.train()
        sums = np.zeros(5)
        for step, batch in enumerate(_batches(examples, options, epoch)):
            check(should_stop)
            rate = _rate(options, epoch * steps + step, options.epochs * steps)
            for group in optimizer.param_groups:
                group["lr"] = rate
            losses = _step(network, optimizer, batch, device)
            average.update(network)
            if not math.isfinite(float(losses.sum())):
                raise DiatomError(
                    "The loss is no longer a number. Start again with a lower learning rate (a third of "
                    f"{options.rate:g}) and check the boxes for wrong sizes."
                )
            sums[: len(losses)] += losses
            mean = sums / (step + 1)
            values = dict(zip(("box", "class", "dfl", "angle"), mean.tolist(), strict=False)) | {"rate": rate}
            report(Progress("step", epoch * steps + step + 1, options.epochs * steps, values=values))
        history.append(values)
        _save(folder / CHECKPOINT, network, average, optimizer, history, options)
        report(Progress("epoch", epoch + 1, options.epochs, values=values))
    return Trained(cast(torch.nn.Module, average.ema), tuple(history))


def _arguments(options: YoloOptions) -> Any:
    """Return Ultralytics' arguments for its loss, with this training's gains."""
    from ultralytics.cfg import get_cfg

    return get_cfg(overrides=dict(options.loss_gains))


def _optimizer(network: torch.nn.Module, options: YoloOptions) -> torch.optim.AdamW:
    """Return AdamW that decays the weights of convolutions but no biases and no batch norms."""
    decayed = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": options.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=options.rate, betas=(0.9, 0.999))


def _rate(options: YoloOptions, step: int, total: int) -> float:
    """Return the learning rate: a linear warm-up times a cosine to ``final_rate``."""
    cosine = 0.5 * (1 + math.cos(math.pi * step / max(total, 1)))
    share = options.final_rate + (1 - options.final_rate) * cosine
    return options.rate * share * min(1.0, (step + 1) / max(options.warmup, 1))


def _batches(examples: Sequence[Example], options: YoloOptions, epoch: int) -> Iterator[dict[str, torch.Tensor]]:
    """Yield the batches of an epoch."""
    return iter(
        DataLoader(
            _Epoch(examples, options, epoch),
            batch_size=options.batch,
            num_workers=min(options.workers, os.cpu_count() or 1),
            collate_fn=_Collate(options.size, options.oriented),
            worker_init_fn=_one_thread,
        )
    )


def _one_thread(worker: int) -> None:
    """Keep a worker process from taking the cores that the network computes on."""
    import cv2

    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def _step(
    network: torch.nn.Module, optimizer: torch.optim.Optimizer, batch: dict[str, torch.Tensor], device: str
) -> NDArray[np.float64]:
    """Take one step and return the parts of the loss an image."""
    images = batch["img"].to(device).float() / 255
    if device == "cpu":
        images = images.contiguous(memory_format=torch.channels_last)
    inputs = {name: value.to(device) for name, value in batch.items()} | {"img": images}
    with torch.autocast(device, dtype=torch.bfloat16, enabled=_has_bfloat16(device)):
        raw = network(images)
    # The loss squares the sides of thin boxes and takes differences: it needs single precision.
    raw = {name: value if name == "feats" else value.float() for name, value in raw.items()}
    losses, _ = cast(Any, network).loss(inputs, raw)
    optimizer.zero_grad(set_to_none=True)
    losses.sum().backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
    optimizer.step()
    return np.asarray(losses.detach().cpu().double().numpy() / len(images))


def _has_bfloat16(device: str) -> bool:
    """Tell whether the device computes in bfloat16 faster than in single precision."""
    if device == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported())
    return device == "cuda" and torch.cuda.is_bf16_supported()


def _save(
    path: Path,
    network: torch.nn.Module,
    average: Any,
    optimizer: torch.optim.Optimizer,
    history: list[dict[str, float]],
    options: YoloOptions,
) -> None:
    """Write the state of a training so that an interruption leaves the old file or the new one, whole."""
    partial = path.with_suffix(".partial")
    torch.save(
        {
            "network": network.state_dict(),
            "average": average.ema.state_dict(),
            "updates": average.updates,
            "optimizer": optimizer.state_dict(),
            "history": history,
            "options": options.model_dump_json(),
        },
        partial,
    )
    partial.replace(path)


def _restore(path: Path, options: YoloOptions) -> dict[str, Any] | None:
    """Read the state of an interrupted training of the same options."""
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if state["options"] != options.model_dump_json():
        raise InputError(f"{path} is a training under other options; choose another folder or remove it.")
    return state
