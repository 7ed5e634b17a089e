"""Cycles of what finds specimens, boxes or masks: what is learnt from, what is measured on, and the model's card."""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from diatom_training.data.examples import Example, from_coco
from diatom_training.data.rendered_examples import render_set
from diatom_training.evaluation.evaluate_detector import CLASSIC, DetectorFigures, evaluate_detector
from diatom_training.finetune.initial_weights import trainable_network
from diatom_training.learning.fitting import CHECKPOINT, Fitting, Trained
from diatom_training.learning.options import LearningOptions
from diatom_training.recipes.cycles import (
    RENDERING_SHARE,
    check_stations,
    chosen_options,
    cycle_parser,
    keep_figures,
    progress_figures,
    rendered_until,
    rounded_history,
    train_until,
)
from diatom_training.recipes.training_material import OPTICS, TEST_STATION, TRAIN_STATIONS, weighted
from diatom_training.recipes.weight_average import weights_between
from diatom_training.synthesis import SUBJECTS
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.engines import yolo_net
from napari_diatom.engines.backends import TorchBackend
from napari_diatom.engines.maskrcnn import MaskRcnnEngine
from napari_diatom.engines.model_writer import write_model
from napari_diatom.engines.protocols import Engine
from napari_diatom.engines.yolo import YoloEngine
from napari_diatom.models import library
from napari_diatom.models.card import ModelFacts
from napari_diatom.models.library import ModelFolder

TILE: Final = 1024
FIELDS_SEED: Final = 20261211
LARGE_SEED: Final = 20261212
SELECTION_SEED: Final = 20261213
CLASSIC_SELECTION_SEED: Final = 20261214
NEEDLES: Final = 0.4
"""Share of the classic fields that show needles and their chains."""


@dataclass(frozen=True)
class FinderMaterial:
    """How much of what is trained and measured on.

    Attributes
    ----------
    fields, large_fields : int
        Rendered ones to learn from; the large ones are also shown much reduced.
    selection_fields, classic_fields : int
        Rendered ones to measure each cycle on: of each subject, and of the classic slides.
    side, large_side, selection_side : int
        Of these fields in pixels.
    real : Path or None
        A folder with ``annotations.coco.json`` and ``images/``.
    stations : tuple of str
        Of the real slides that are learnt from.
    real_share, large_share : float
        Share of the crops that come from real slides, where they are given, and share of the rendered crops that come
        from large fields.
    rendered : Path or None
        Folder of the rendered fields, which several trainings may share; the training's own where none is given.
    """

    fields: int = 3200
    large_fields: int = 400
    selection_fields: int = 4
    classic_fields: int = 24
    side: int = 800
    large_side: int = 1792
    selection_side: int = 896
    real: Path | None = None
    stations: tuple[str, ...] = TRAIN_STATIONS
    real_share: float = 0.25
    large_share: float = 0.3
    rendered: Path | None = None

    def __post_init__(self) -> None:
        """Refuse the station that figures are taken on."""
        check_stations(self.stations)


@dataclass(frozen=True)
class FinderPlan:
    """What is made.

    Attributes
    ----------
    name, version : str
        Of the model.
    start : str
        Name or folder of the model that the training starts from, or an Ultralytics ``.pt`` file.
    options : LearningOptions
        How to train.
    recipe : str
        The command, for the card.
    averages : tuple of float
        Shares of the trained weights, the rest those of the start, that are also measured at the end of the training;
        the model gets the best of them.
    """

    name: str
    version: str
    start: str
    options: LearningOptions
    recipe: str
    averages: tuple[float, ...] = ()


_SHOWN: Final = {
    "oriented-boxes": "Rotated boxes around diatom valves, girdle views and needle cells",
    "boxes": "Upright boxes around diatom valves, girdle views and needle cells",
    "instances": "The mask of each diatom: valves, girdle views and needle cells",
}


def finder_cycle(
    plan: FinderPlan,
    work: Path,
    minutes: float,
    material: FinderMaterial | None = None,
    export: Path | None = None,
    monitor: ProgressMonitor = UNWATCHED,
) -> dict[str, Any]:
    """Go on with the training for some minutes, write the model into ``work`` and return the cycle's figures.

    In a new folder, what the training starts from is measured first, where it is a model of the same task.

    Parameters
    ----------
    plan : FinderPlan
        What is made; that of the cycles before.
    work : Path
        Folder of the rendered fields, of ``last.ckpt``, of ``figures.jsonl`` and of the model as it then is.
    minutes : float
        After which no further epoch is begun; at least one is finished.
    material : FinderMaterial, optional
        What to train on.
    export : Path, optional
        Write the model into a folder there, too.
    monitor : ProgressMonitor
        The contract of long work.

    Raises
    ------
    InputError
        When the folder holds a training under other options, or the real slides cannot be read.
    ModelError
        When what the training starts from cannot be read.
    Stopped
        When a stop was asked for before an epoch was finished.
    """
    material = material or FinderMaterial()
    began = time.monotonic()
    start = _Start.of(plan.start)
    fields = material.rendered or work
    examples = _examples(fields, material, began + 60 * minutes * RENDERING_SHARE, monitor)
    selection = _selection(fields, material, monitor)
    rendering_s = time.monotonic() - began
    task = plan.options.task
    if not (work / CHECKPOINT).exists() and start.model is not None and start.model.card.task == task:
        measured = evaluate_detector(_engine(start.model), selection, monitor)
        keep_figures(work, {"epochs": 0, "started_from": start.facts["started_from"]} | measured.to_json())
    fitting = Fitting(examples, plan.options, work, validation=selection, start=start.tensors)
    trained = train_until(fitting, began + 60 * minutes, monitor)
    shares = (1.0, *plan.averages) if len(trained.history) == plan.options.epochs else (1.0,)
    candidates = []
    for share in shares:
        network = weights_between(trained.network, start.tensors, share)
        model = write_model(work / plan.name, network, _facts(plan, trained, material, start, share))
        candidate = _Candidate(share, network, evaluate_detector(_engine(model), selection, monitor))
        if len(shares) > 1:
            keep_figures(work, {"epochs": len(trained.history), "share": share} | candidate.figures.to_json())
        candidates.append(candidate)
    best = max(candidates, key=_Candidate.merit)
    figures = progress_figures(trained, plan.options) | {"share": best.share} | best.figures.to_json()
    figures |= {"trained_on": len(examples), "rendering_s": round(rendering_s, 1)}
    figures["minutes"] = round((time.monotonic() - began) / 60, 2)
    keep_figures(work, figures)
    facts = _facts(plan, trained, material, start, best.share)
    write_model(work / plan.name, best.network, facts)
    if export is not None:
        thresholds = dict.fromkeys(plan.options.classes, best.figures.threshold)
        names = ("ap50", "ap50_95", "f1", "precision", "recall", "subjects_ap50", "least_ap50")
        metrics = {f"selection_{name}": figures[name] for name in names if figures.get(name) is not None}
        facts = facts.model_copy(update={"thresholds": thresholds, "metrics": metrics})
        write_model(export / plan.name, best.network, facts)
    return figures


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A network that may become the model, the share of the trained weights in it, and its figures."""

    share: float
    network: torch.nn.Module
    figures: DetectorFigures

    def merit(self) -> float:
        """Return the sum of the average precisions of the classic fields and of all others, and of the best F1."""
        known = {name: value for name, value in self.figures.group_ap50.items() if value == value}
        others = [value for name, value in known.items() if name != CLASSIC]
        return known.get(CLASSIC, 0.0) + float(np.mean(others or [0.0])) + self.figures.f1


@dataclass(frozen=True, eq=False)
class _Start:
    """What a training starts from: weights, the model that they are of, and what the card says of it."""

    tensors: Mapping[str, torch.Tensor]
    model: ModelFolder | None
    facts: Mapping[str, Any]

    @classmethod
    def of(cls, name: str) -> _Start:
        if name.endswith(".pt"):
            digest = hashlib.sha256(Path(name).read_bytes()).hexdigest() if Path(name).is_file() else ""
            said = f"{Path(name).name} (SHA-256 {digest})"
            return cls(yolo_net.read_checkpoint(Path(name)).tensors, None, {"started_from": said})
        model = library.resolve_model(name)
        said = f"{model.card.name} {model.card.version} (SHA-256 {model.card.sha256})"
        return cls(
            trainable_network(model).state_dict(), model, {"started_from": said, "before": dict(model.card.training)}
        )


def _engine(model: ModelFolder) -> Engine:
    """Load a model; in torch: what is measured between two cycles need not be prepared for the processor."""
    if model.card.engine == "maskrcnn":
        return MaskRcnnEngine(model, "cpu")
    return YoloEngine(model, "cpu", backend=TorchBackend(model, "cpu"))


def _examples(folder: Path, material: FinderMaterial, until: float, monitor: ProgressMonitor) -> list[Example]:
    """Return what to train on, weighted so that each source gets its share."""
    small: Callable[..., list[Example]] = partial(
        render_set, seed=FIELDS_SEED, size=material.side, needles=NEEDLES, scales=(0.7, 1.25)
    )
    large: Callable[..., list[Example]] = partial(
        render_set, seed=LARGE_SEED, size=material.large_side, needles=NEEDLES, scales=(0.22, 1.0)
    )
    # Half the time at most for the small ones: the large ones have theirs, too.
    now = time.monotonic()
    fields = rendered_until(small, folder / "fields", material.fields, now + (until - now) / 2, monitor)
    reduced = rendered_until(large, folder / "fields-large", material.large_fields, until, monitor)
    real_share = 0.0 if material.real is None else material.real_share
    examples = weighted(fields, (1 - real_share) * (1 - material.large_share))
    examples += weighted(reduced, (1 - real_share) * material.large_share)
    if material.real is None:
        return examples
    slides = from_coco(
        material.real / "annotations.coco.json",
        material.real / "images",
        groups=sorted(material.stations),
        scales=(0.22, 0.7),
    )
    if not slides:
        raise InputError(f"{material.real} has no images of the stations {', '.join(material.stations)}.")
    return examples + weighted(slides, real_share)


def _selection(folder: Path, material: FinderMaterial, monitor: ProgressMonitor) -> list[Example]:
    """Return what each cycle is measured on: some fields of each subject, and classic ones."""
    render = partial(render_set, size=material.selection_side, needles=NEEDLES, monitor=monitor)
    count = material.selection_fields * len(SUBJECTS)
    subjects = render(folder / "selection", count, SELECTION_SEED, subjects=SUBJECTS)
    classic = render(folder / "selection-classic", material.classic_fields, CLASSIC_SELECTION_SEED, subjects=(CLASSIC,))
    return classic + subjects


def _facts(plan: FinderPlan, trained: Trained, material: FinderMaterial, start: _Start, share: float) -> ModelFacts:
    """Return what the card says of weights of which a share comes from the training."""
    options = plan.options
    real: dict[str, Any] = {}
    if material.real is not None:
        stations = ", ".join(material.stations)
        real = {
            "real_slides": f"Marzidovsek et al. 2024 (MIT licence), stations {stations}",
            "real_share": material.real_share,
        }
    return ModelFacts(
        name=plan.name,
        version=plan.version,
        task=options.task,
        engine="maskrcnn" if options.task == "instances" else "yolo",
        architecture=options.architecture,
        classes=options.classes,
        tile_size=TILE,
        mean=trained.mean,
        std=trained.std,
        summary=f"{_SHOWN[options.task]}; {OPTICS}.",
        licence="AGPL-3.0-or-later",
        training={
            "recipe": plan.recipe,
            "options": options.model_dump(mode="json"),
            "epochs_done": len(trained.history),
            "crops_seen": len(trained.history) * trained.plan.crops,
            "rendered_fields": material.fields,
            "large_rendered_fields": material.large_fields,
            "share_of_large_fields": material.large_share,
            "share_of_trained_weights": share,
            "rendered_seeds": [FIELDS_SEED, LARGE_SEED],
            "selection_seeds": [SELECTION_SEED, CLASSIC_SELECTION_SEED],
            **real,
            "held_out_station": TEST_STATION,
            "history": rounded_history(trained),
            **start.facts,
        },
    )


def finder_parser(description: str | None) -> argparse.ArgumentParser:
    """Return what reads the command line of a cycle."""
    parser = cycle_parser(description)
    add = parser.add_argument
    add("--start", help="name or folder of a model, or an Ultralytics .pt file, in place of the model's own start")
    add("--version", help="of the model that is written")
    add("--averages", type=float, nargs="*", help="shares of the trained weights that are measured at the end")
    add("--rendered", type=Path, metavar="FOLDER", help="rendered fields that several trainings share")
    add("--fields", type=int, default=FinderMaterial.fields, help="rendered fields (%(default)s)")
    add("--large-fields", type=int, default=FinderMaterial.large_fields, help="large ones (%(default)s)")
    add("--selection-fields", type=int, default=FinderMaterial.selection_fields, help="of each subject (%(default)s)")
    add("--classic-fields", type=int, default=FinderMaterial.classic_fields, help="to measure on (%(default)s)")
    add("--side", type=int, default=FinderMaterial.side, help="of a rendered field in pixels (%(default)s)")
    add("--large-side", type=int, default=FinderMaterial.large_side, help="of a large one (%(default)s)")
    return parser


def chosen_cycle(plan: FinderPlan, chosen: argparse.Namespace, monitor: ProgressMonitor) -> dict[str, Any]:
    """Run the cycle that the command line asks for."""
    material = FinderMaterial(
        fields=chosen.fields,
        large_fields=chosen.large_fields,
        selection_fields=chosen.selection_fields,
        classic_fields=chosen.classic_fields,
        side=chosen.side,
        large_side=chosen.large_side,
        real=chosen.real,
        stations=tuple(chosen.stations),
        rendered=chosen.rendered,
    )
    made = FinderPlan(
        plan.name,
        chosen.version or plan.version,
        chosen.start or plan.start,
        chosen_options(plan.options, chosen),
        plan.recipe,
        plan.averages if chosen.averages is None else tuple(chosen.averages),
    )
    return finder_cycle(made, chosen.checkpoint, chosen.minutes, material, chosen.export, monitor)
