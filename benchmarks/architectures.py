"""Every family of networks on one small task: figures, parameters, and core-seconds a field and a step.

Each row is a training of its own by the same settings on the same crops and seeds, all from scratch, and again from
EfficientNet-Lite0's ImageNet weights where the family can be built on it and a file of them is given. Rows that are in
the file are not trained again, and an interrupted one is continued. ``--times`` then measures what the networks of the
rows cost, all in one run, which should have the machine to itself. ``--check`` trains each network for two
steps instead, twice, once with a break, compares the weights, and counts with the model. ``--table`` prints the rows
of a file.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from command import run
from curves import NEEDLE
from fields import SET_UP

from diatom_training.data.examples import Example
from diatom_training.data.rendered_examples import render_set
from diatom_training.finetune.presets import LEARNING_OF_TASKS
from diatom_training.learning.fitting import Fitting, Trained
from diatom_training.learning.library_states import fit_state, read_state
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.train import train
from napari_diatom import engines
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.processor import processor_name
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.engines.model_writer import write_model
from napari_diatom.engines.networks import build
from napari_diatom.images.slide_image import open_images
from napari_diatom.models.architecture_names import engine_of
from napari_diatom.models.card import ModelFacts, NamingFacts, task_of
from napari_diatom.models.library import ModelFolder

SEED = 77
VALIDATION_FIELDS = 8
SCALES = (0.3, 0.6)
"""Scales of the fields at which crops of 128 pixels show a few whole specimens."""
LITE0 = "tf_efficientnet_lite0"
FROM_SCRATCH = (
    *("yolo11n", "yolo26n", "yolov5n", "ssd/resnet18/128", f"ssdlite/{LITE0}/128", "retinanet/resnet18/128"),
    *("fcos/resnet18/128", "fasterrcnn/resnet18/64", "maskrcnn/resnet18/64"),
    *("unet/resnet18/128", "unetplusplus/resnet18/64", "fpn/resnet18/128", "pspnet/resnet18/256", "linknet/resnet18"),
    *("deeplabv3/resnet18/128", "deeplabv3plus/resnet18/128", "segformer/mit_b0/128", "fcn/resnet50"),
    *("segnet/vgg11_bn", "classifier/resnet18/96", "classifier/vgg11/96", "classifier/alexnet/96"),
    *("classifier/inception_v3/96", "classifier/densenet121/96", "classifier/mobilenetv3_small_100/96"),
    *("classifier/vit_tiny_patch16_224/96", "classifier/swin_tiny_patch4_window7_224/96"),
)
PRETRAINED = (
    *(f"{family}/{LITE0}/64" for family in ("ssdlite", "retinanet", "fcos", "fasterrcnn", "maskrcnn")),
    *(f"{family}/tu-{LITE0}/64" for family in ("unet", "unetplusplus", "fpn", "pspnet", "deeplabv3plus")),
    *(f"linknet/tu-{LITE0}", f"segformer/tu-{LITE0}/64", f"classifier/{LITE0}/96"),
)
SHAPES = ("needle", "other")
"""What classifiers tell apart: a needle is at least as many times as long as wide as :data:`NEEDLE` says."""
TIMED_STEPS = 12
FIGURES = ("val_ap50", "val_miou", "val_f1")


@dataclass(frozen=True)
class Row:
    """A training: its network, and whether its backbone has seen ImageNet."""

    architecture: str
    pretrained: bool

    @property
    def backbone(self) -> str:
        """What its backbone starts from."""
        return "ImageNet" if self.pretrained else "scratch"

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from all others."""
        return self.architecture, self.backbone

    def folder(self, work: Path) -> Path:
        """Return where it is done."""
        return work / f"{self.architecture.replace('/', '-')}{'-imagenet' if self.pretrained else ''}"


def main() -> int:
    """Train what is missing, and print the table."""
    return run(_parser(), _run)


def _run(options: argparse.Namespace) -> int:
    if options.check:
        return _check(options)
    if options.table:
        print(_table(json.loads(options.table.read_text(encoding="utf-8"))["rows"]))
        return 0
    if options.times:
        return _time_all(options)
    rows = [Row(name, False) for name in FROM_SCRATCH if not options.only or name in options.only]
    if options.lite0:
        rows += [Row(name, True) for name in PRETRAINED if not options.only or name in options.only]
    fields = render_set(
        options.work / "architecture-fields", options.fields + VALIDATION_FIELDS, SEED, size=640, scales=SCALES
    )
    settings = {name: getattr(options, name) for name in ("fields", "epochs", "crops", "batch", "size")}
    results = _results(options.json, settings)
    for row in rows:
        if row.key not in results:
            results[row.key] = _finish(row, fields, options)
            if options.json:
                told = {"settings": settings, "rows": list(results.values())}
                options.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        print(_table([results[row.key] for row in rows if row.key in results]), flush=True)
    return 0


def _results(file: Path | None, settings: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the rows of a file, by network and backbone; none where there is no file.

    Raises
    ------
    InputError
        When they were made with other settings.
    """
    if file is None or not file.exists():
        return {}
    told = json.loads(file.read_text(encoding="utf-8"))
    if told["settings"] != settings:
        raise InputError(f"{file} holds rows of other settings: {told['settings']}. Name another file, or these.")
    return {(found["architecture"], found["backbone"]): found for found in told["rows"]}


def _finish(row: Row, fields: Sequence[Example], options: argparse.Namespace) -> dict[str, Any]:
    """Train and time a network, and return its row."""
    folder = row.folder(options.work)
    plan = _plan(row.architecture, options)
    fields = _labelled(fields, plan)
    start = None
    if row.pretrained:
        start = fit_state(
            read_state(options.lite0), build(row.architecture, len(plan.classes)), row.architecture
        ).tensors
    trained = train(
        Fitting(
            fields[:-VALIDATION_FIELDS],
            plan,
            folder,
            validation=fields[-VALIDATION_FIELDS:],
            start=start,
            device=options.device,
        ),
        ProgressMonitor(lambda progress: _print(row, progress)),
    )
    figures = {name: trained.history[-1][name] for name in FIGURES if name in trained.history[-1]}
    return {
        "architecture": row.architecture,
        "backbone": row.backbone,
        "parameters": sum(weight.numel() for weight in trained.network.parameters()),
        **{name: round(value, 4) for name, value in figures.items()},
    }


def _time_all(options: argparse.Namespace) -> int:
    """Measure what each network in the file of rows costs, one after the other, and print the table."""
    if options.json is None or not options.json.exists():
        raise InputError("--times needs the file of the rows: name it with --json.")
    told = json.loads(options.json.read_text(encoding="utf-8"))
    options = argparse.Namespace(**vars(options) | told["settings"])
    fields = render_set(options.work / "timed-fields", 4, SEED, size=640, scales=SCALES)
    for row in told["rows"]:
        if not options.only or row["architecture"] in options.only:
            row |= _times(row["architecture"], fields, options)
            print(row["architecture"], row["seconds_a_step"], row["seconds_a_field"], flush=True)
    told["processor"] = processor_name()
    options.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(_table(told["rows"]))
    return 0


def _times(architecture: str, fields: Sequence[Example], options: argparse.Namespace) -> dict[str, float]:
    """Return the core-seconds of a network from scratch: the median step of a short training, and a field after it."""
    whole = _plan(architecture, options)
    plan = whole.model_copy(
        update={"epochs": 1, "crops": TIMED_STEPS * whole.batch, "validation_crops": whole.batch, "warmup": 2}
    )
    begun: list[float] = []

    def note(progress: Progress) -> None:
        if progress.stage == "step":
            begun.append(time.process_time())

    fields = _labelled(fields, plan)
    with tempfile.TemporaryDirectory() as folder:
        task = Fitting(fields, plan, Path(folder) / "run", validation=fields[:1], device=options.device)
        trained = train(task, ProgressMonitor(note))
        seconds = _seconds_a_field(_model(Path(folder) / "model", plan, trained), fields[0].image)
    return {
        "seconds_a_step": round(float(np.median(np.diff(begun))), 4),
        "seconds_a_field": round(seconds, 4),
    }


def _check(options: argparse.Namespace) -> int:
    """Train each network two steps with and without a break, count with it, and return 1 where the weights differ."""
    different = 0
    for name in options.only or FROM_SCRATCH:
        tiny = {"epochs": 2, "crops": 2, "batch": 2, "validation_crops": 2, "frozen_epochs": 0, "workers": 0}
        side = {} if name.startswith("classifier") else {"size": 128}
        plan = LearningOptions.model_validate(tiny | side | {"architecture": name})
        with tempfile.TemporaryDirectory() as folder:
            fields = render_set(Path(folder) / "fields", 2, SEED, size=320, scales=(0.7, 1.0))
            whole = train(Fitting(fields, plan, Path(folder) / "whole", validation=fields))
            train(Fitting(fields, plan, Path(folder) / "halves", validation=fields, until=1))
            halves = train(Fitting(fields, plan, Path(folder) / "halves", validation=fields))
            _seconds_a_field(_model(Path(folder) / "model", plan, halves), fields[0].image)
        theirs = halves.network.state_dict()
        same = all(torch.equal(value, theirs[part]) for part, value in whole.network.state_dict().items())
        different += not same
        print(f"{name}: {'the same' if same else 'other'} weights after a break", flush=True)
    return int(different > 0)


def _plan(architecture: str, options: argparse.Namespace) -> LearningOptions:
    """Return how a network is trained: as usual for its task, for a time that is the same for all."""
    task = task_of(engine_of(architecture), architecture)
    own = {"frozen_epochs": 0, "backbone_rate": 1.0, "average_decay": 0.98, "warmup": 10, "workers": 0, "seed": SEED}
    budget: dict[str, Any] = {
        "epochs": options.epochs,
        "crops": options.crops,
        "validation_crops": 48,
        "batch": options.batch,
    }
    if task not in ("classes", "outlines"):
        budget["size"] = options.size
    if task == "classes":
        budget["classes"] = SHAPES
    usual = dict(LEARNING_OF_TASKS[task])
    return LearningOptions.model_validate(usual | own | budget | {"architecture": architecture})


def _labelled(fields: Sequence[Example], plan: LearningOptions) -> Sequence[Example]:
    """Return fields with the classes of a plan: classifiers tell shapes apart."""
    if plan.classes != SHAPES:
        return fields
    return [replace(field, class_ids=_shapes(field)) for field in fields]


def _shapes(field: Example) -> tuple[int, ...]:
    """Return the class of each specimen of a field, by its length and width."""
    sides = [sorted(cv2.minAreaRect(outline.astype("float32"))[1]) for outline in field.outlines]
    return tuple(int(length < NEEDLE * width) for width, length in sides)


def _model(folder: Path, plan: LearningOptions, trained: Trained) -> ModelFolder:
    """Keep a network as a model."""
    engine = engine_of(plan.architecture)
    task = task_of(engine, plan.architecture)
    facts = ModelFacts(
        name="benchmark",
        version="1",
        task=task,
        engine=engine,
        architecture=plan.architecture,
        classes=plan.classes,
        tile_size=1024,
        mean=trained.mean,
        std=trained.std,
        naming=NamingFacts() if task == "classes" else None,
    )
    return write_model(folder, trained.network, facts)


def _seconds_a_field(model: ModelFolder, image: Path) -> float:
    """Return the seconds that a core takes for a field: the second time, when all is loaded and prepared."""
    from napari_diatom.analysis.pipeline import AnalysisOptions, analyse

    field = open_images(image)[0]
    if model.card.task == "classes":
        namer = engines.load_classifier(model, "cpu", threads=1)
        some = Detections.of([[100.0 + 40 * k, 200.0, 60.0, 20.0, 0.0] for k in range(10)])

        def once() -> None:
            namer.name(field, some)
    else:
        finder = engines.load(model, "cpu", threads=1)

        def once() -> None:
            analyse(field, finder, AnalysisOptions())

    once()
    begun = time.process_time()
    once()
    return time.process_time() - begun


def _print(row: Row, progress: Progress) -> None:
    if progress.stage == "epoch":
        figures = "  ".join(f"{name} {value:.3f}" for name, value in progress.values.items() if name in FIGURES)
        print(f"{row.architecture} epoch {progress.done}/{progress.total}  {figures}", flush=True)


def _table(results: Sequence[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    header = "| network | backbone | million parameters | figure | core-seconds a field | core-seconds a step |"
    lines = [header, "| --- | --- | --- | --- | --- | --- |"]
    titles = {"val_ap50": "AP50", "val_miou": "mean IoU", "val_f1": "F1"}
    for found in results:
        figure = next((f"{title} {found[name]:.2f}" for name, title in titles.items() if name in found), "")
        cells = (
            f"`{found['architecture']}`",
            found["backbone"],
            f"{found['parameters'] / 1e6:.1f}",
            figure,
            *(f"{found[name]:.2f}" if name in found else "" for name in ("seconds_a_field", "seconds_a_step")),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="architectures.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--work", type=Path, default=Path("benchmark-results"), help="fields, runs (%(default)s)")
    parser.add_argument("--only", nargs="*", default=(), help="networks to train, by their names")
    parser.add_argument("--lite0", type=Path, help="EfficientNet-Lite0's weights of ImageNet, to start from as well")
    parser.add_argument("--fields", type=int, default=48, help="rendered fields to learn from (%(default)s)")
    parser.add_argument("--epochs", type=int, default=8, help="(%(default)s)")
    parser.add_argument("--crops", type=int, default=640, help="crops of an epoch (%(default)s)")
    parser.add_argument("--batch", type=int, default=4, help="crops at once (%(default)s)")
    parser.add_argument("--size", type=int, default=128, help="side of the crops in pixels (%(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps (%(default)s)")
    parser.add_argument("--json", type=Path, help="file of the rows, which are added to it")
    parser.add_argument("--table", type=Path, metavar="FILE", help="print the rows of such a file instead")
    parser.add_argument("--times", action="store_true", help="measure what the networks of the rows cost instead")
    parser.add_argument(
        "--check", action="store_true", help="train each network two steps instead, and resume it to the same bytes"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
