"""The command ``napari-diatom``."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_diatom import __version__

if TYPE_CHECKING:
    from napari_diatom.batch import Batch, BatchResult
    from napari_diatom.engines.base import AnyEngine
    from napari_diatom.models.library import ModelFolder
    from napari_diatom.progress import Progress

OK: Final = 0
BAD_INPUT: Final = 2
SOME_SKIPPED: Final = 3
INTERRUPTED: Final = 130

_CODES: Final = "exit codes: 0 fine; 2 bad input or no room to write; 3 some images were skipped; 130 interrupted"

Loader = Callable[["ModelFolder", str], "AnyEngine"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``napari-diatom`` with these arguments, those of the process by default, and return its exit code."""
    return execute(_parser().parse_args(argv))


def execute(arguments: argparse.Namespace) -> int:
    """Run a parsed command and return its exit code; what the user got wrong is one line on stderr."""
    # Only now: --help has to answer at once.
    from napari_diatom.errors import DiatomError

    # A file name, or a letter that an old terminal does not have, is no reason to end with an error.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return int(arguments.run(arguments))
    except DiatomError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output, such as `head`, has gone; Python would complain of it again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:
        # A file or folder that this user may not even look at, or a name that the system does not take.
        return _complain(f"{error.filename or 'A file'} cannot be used: {error.strerror or error}.")


def run_count(arguments: argparse.Namespace, load: Loader | None = None) -> int:
    """Count images; ``load`` loads the model in place of :func:`napari_diatom.engines.load`."""
    from napari_diatom.analysis import AnalysisOptions
    from napari_diatom.batch import Batch, can_resume, count
    from napari_diatom.errors import InputError, OutputError
    from napari_diatom.machine import usable_threads
    from napari_diatom.measure import DEFAULT_COUNTED, Protocol
    from napari_diatom.models import library

    options = AnalysisOptions(threshold=arguments.threshold, pixel_size_um=arguments.pixel_size)
    if arguments.threads is not None and arguments.threads < 1:
        raise InputError(f"--threads is {arguments.threads}; give 1 or more.")
    threads = arguments.threads or usable_threads()
    names = arguments.count_status.split(",") if arguments.count_status else DEFAULT_COUNTED
    batch = Batch(
        inputs=tuple(arguments.inputs),
        out=arguments.out,
        options=options,
        protocol=Protocol.of([name.strip() for name in names]),
        sample=arguments.sample,
        overlays=not arguments.no_overlays,
        masks=arguments.masks,
        xlsx=arguments.xlsx,
        z=arguments.z,
        max_decode_mb=arguments.max_decode_mb,
        resume=arguments.resume,
        overwrite=arguments.overwrite,
        threads=threads,
    )
    model = library.find(arguments.model or library.DEFAULT)
    namer = library.find(arguments.namer) if arguments.namer else None
    from napari_diatom import engines

    loader: Loader = load or partial(engines.load, threads=threads)
    _quiet_libraries()
    bar = _Bar()
    try:
        result = count(
            batch,
            lambda: loader(model, arguments.device),
            bar,
            load_namer=None if namer is None else partial(engines.load_namer, namer, arguments.device, threads),
            tell=lambda skipped: bar.say(f"Skipped {skipped.image}: {skipped.reason}"),
        )
    except KeyboardInterrupt:
        bar.close()
        hint = (
            "the same command with --resume goes on where it stopped." if can_resume(batch.out) else "nothing is kept."
        )
        print(f"Interrupted: {hint}", file=sys.stderr)
        return INTERRUPTED
    except OutputError as error:
        if not can_resume(batch.out):
            raise
        raise OutputError(f"{error} Finished images are kept: make room and go on with --resume.") from error
    finally:
        bar.close()
    _print_counts(result, batch, "taxon" if namer else "class")
    _print_notices(result)
    return SOME_SKIPPED if result.skipped else OK


def _run_samples(arguments: argparse.Namespace) -> int:
    """Render the example slides."""
    from napari_diatom.errors import InputError
    from napari_diatom.progress import never

    folder: Path = arguments.dest
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is not a folder: name a folder for the example slides.")
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} exists and is not empty: name another folder for the example slides.")
    from diatom_training.synthesis.samples import write_samples

    bar = _Bar()
    try:
        written = write_samples(folder, bar, never)
    finally:
        bar.close()
    print(*written, sep="\n")
    return OK


def _run_models(arguments: argparse.Namespace) -> int:
    """List the models, or show one."""
    from napari_diatom.models import library

    if arguments.action == "list":
        models, wrong = library.survey()
        rows = [(m.card.name, m.card.version, m.card.task, m.card.architecture, m.card.summary) for m in models]
        _print_table(("model", "version", "task", "network", "summary"), rows)
        for error in wrong:
            _complain(f"Left out: {error}")
        return OK
    import yaml

    model = library.find(arguments.name)
    model.verify()
    print(yaml.safe_dump(model.card.model_dump(mode="json"), sort_keys=False, allow_unicode=True), end="")
    print(f"folder: {model.folder}")
    return OK


def _run_import(arguments: argparse.Namespace) -> int:
    """Make an Ultralytics file, or the model of a training, one of the user's models."""
    from napari_diatom.errors import InputError
    from napari_diatom.models import library
    from napari_diatom.words import many

    file: Path = arguments.file
    if file.suffix == ".pt":
        from napari_diatom.engines.yolo_files import import_checkpoint

        model = import_checkpoint(file, arguments.name, arguments.licence)
    elif arguments.name or arguments.licence:
        raise InputError(f"{file} has a name and a licence of its own: leave --name and --licence out.")
    else:
        model = library.install(library.find(file / "model" if (file / "model").is_dir() else file))
    classes = many(len(model.card.classes), "class", "classes")
    print(f"{model.card.name}: {model.card.task}, {classes}, in {model.folder}")
    return OK


def _run_convert(arguments: argparse.Namespace) -> int:
    """Write annotations in another format."""
    from napari_diatom import convert
    from napari_diatom.words import many

    split = convert.read_split(arguments.split) if arguments.split else None
    conversion = convert.prepare(arguments.input, arguments.to, arguments.source, arguments.images)
    for remark in conversion.remarks:
        print(f"warning: {remark}", file=sys.stderr)
    print(conversion.losses.text())
    convert.write(conversion, arguments.out, arguments.images, split)
    print(
        f"{many(conversion.specimens, 'specimen')} of {many(len(conversion.annotations), 'image')}, "
        f"{conversion.source.title} to {conversion.target.title}: {arguments.out}"
    )
    return OK


def _run_project(arguments: argparse.Namespace) -> int:
    """Make, check, sum up or split a project."""
    from napari_diatom.project import command

    bar = _Bar()

    def report(progress: Progress) -> None:
        bar(progress)
        if progress.done == progress.total:
            bar.close()

    try:
        return command.run(arguments, report, _print_table)
    finally:
        bar.close()


def _run_train(arguments: argparse.Namespace) -> int:
    """Train a model on annotated slides."""
    from diatom_training.finetune import command

    bar = _Bar()
    try:
        return command.run(arguments, bar)
    finally:
        bar.close()


def _run_evaluate(arguments: argparse.Namespace) -> int:
    """Judge a model on annotated slides."""
    from diatom_training.evaluation import command

    _quiet_libraries()
    bar = _Bar()

    def show(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        bar.close()
        _print_table(header, rows)

    try:
        return command.run(arguments, bar, show)
    finally:
        bar.close()


def _run_gui(arguments: argparse.Namespace) -> int:
    """Open napari with the dock widget, and images where some are named."""
    from napari_diatom.errors import InputError

    try:
        import napari
    except ImportError as error:
        raise InputError(
            "napari cannot be started: install it with a Qt, as by pip install 'napari[pyqt6]'."
        ) from error
    viewer = napari.Viewer()
    if arguments.inputs:
        viewer.open(arguments.inputs, stack=False)
    viewer.window.add_plugin_dock_widget("napari-diatom", "Detect diatoms")
    napari.run()
    return OK


def _parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="napari-diatom",
        description="Find, measure and count diatoms in microscope images.",
        epilog=_CODES,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_count(commands)

    samples = commands.add_parser("samples", help="write the example slides", description="Render the example slides.")
    samples.add_argument(
        "dest", nargs="?", type=Path, default=Path("diatom-samples"), metavar="DEST", help="folder (diatom-samples)"
    )
    samples.set_defaults(run=_run_samples)

    models = commands.add_parser("models", help="list, show or import models", description="What models there are.")
    actions = models.add_subparsers(required=True, metavar="ACTION", dest="action")
    actions.add_parser("list", help="list all models").set_defaults(run=_run_models)
    show = actions.add_parser("show", help="show the card of one model")
    show.add_argument("name", metavar="MODEL", help="name of a model, or its folder")
    show.set_defaults(run=_run_models)

    bring = actions.add_parser("import", help="make a trained model or an Ultralytics .pt file one of your models")
    bring.add_argument("file", type=Path, metavar="FILE", help="a run of `train`, a model, or a YOLO detector as .pt")
    bring.add_argument("--name", help="name of the model (that of the file)")
    bring.add_argument("--licence", default="", help="licence of the weights")
    bring.set_defaults(run=_run_import)

    convert = commands.add_parser(
        "convert",
        help="write annotations in another format",
        description="Write annotations in another format, and say what that format cannot hold.",
        epilog=_CODES,
    )
    convert.add_argument("input", type=Path, metavar="INPUT", help="file or folder of annotations")
    convert.add_argument("out", type=Path, metavar="OUT", help="file, or new folder")
    convert.add_argument("--to", required=True, metavar="FORMAT", help="geojson, coco, yolo-obb and others")
    convert.add_argument("--from", dest="source", metavar="FORMAT", help="format of INPUT (told from its content)")
    convert.add_argument("--images", type=Path, metavar="DIR", help="folder of the images: their sizes and names")
    convert.add_argument("--split", type=Path, metavar="FILE", help="CSV of image and split (train, val, test)")
    convert.set_defaults(run=_run_convert)

    _add_project(commands)
    _add_train(commands)
    _add_evaluate(commands)

    gui = commands.add_parser("gui", help="open napari", description="Open napari with the widget Detect diatoms.")
    gui.add_argument("inputs", nargs="*", metavar="IMAGE", help="images to open")
    gui.set_defaults(run=_run_gui)
    return parser


def _add_count(commands: Any) -> None:
    """Add the command ``count``."""
    parser = commands.add_parser(
        "count",
        help="count and measure the diatoms in images",
        description="Count and measure the diatoms in images. Positions and times of a stack are fields of their own, "
        "channels one picture; of focus planes one is taken (--z).",
        epilog=_CODES,
    )
    add = parser.add_argument
    add("inputs", nargs="+", metavar="INPUT", help="image files, folders (with their subfolders) or patterns")
    add("-o", "--out", required=True, type=Path, metavar="OUT", help="folder for tables, annotations and overlays")
    add("--model", metavar="NAME", help="name or folder of a model (see `napari-diatom models list`)")
    add("--namer", metavar="NAME", help="name or folder of a model that names taxa (none is bundled: train one)")
    add("--pixel-size", type=float, metavar="UM", help="micrometres per pixel, in place of those in the files")
    add("--z", default="best", metavar="PLANE", help="of focus series: best (the sharpest), max, each, or a number")
    add("--threshold", type=float, metavar="SCORE", help="least score of a specimen, 0 to 1 (the model's own)")
    add("--device", default="auto", metavar="DEVICE", help="auto, cpu, cuda or mps (auto)")
    add("--threads", type=int, metavar="N", help="of the processor (all that there are); results are the same with any")
    add("--sample", metavar="NAME", help="sample of all images (the name of each image's folder)")
    add("--count-status", metavar="LIST", help="statuses that count, with commas (all but broken)")
    add("--xlsx", action="store_true", help="write the tables as XLSX too")
    add("--masks", action="store_true", help="write masks as label images and COCO, too; with models that give masks")
    add(
        "--max-decode-mb",
        type=int,
        default=1024,
        metavar="MB",
        help="memory that a tile, a strip or a JPEG or PNG file may need to be decoded (1024)",
    )
    add("--no-overlays", action="store_true", help="write no pictures of what was found")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    again.add_argument("--overwrite", action="store_true", help="begin anew where OUT holds results")
    parser.set_defaults(run=run_count)


def _add_project(commands: Any) -> None:
    """Add the command ``project``."""
    parser = commands.add_parser(
        "project",
        help="make, check, sum up or split an annotation project",
        description="Annotation projects: a folder with classes and annotations; the images stay where they are.",
    )
    parser.set_defaults(run=_run_project)
    actions = parser.add_subparsers(required=True, metavar="ACTION", dest="action")

    new = actions.add_parser("new", help="make a project", description="Make a project of images.", epilog=_CODES)
    new.add_argument("folder", type=Path, metavar="PROJECT", help="its folder, which may exist")
    new.add_argument(
        "images", nargs="+", metavar="IMAGE", help="image files, folders (with their subfolders), patterns"
    )
    new.add_argument("--classes", type=Path, metavar="FILE", help="CSV with columns name (or species) and code")
    new.add_argument(
        "--annotations",
        nargs="+",
        type=Path,
        default=(),
        metavar="FILE",
        help="to begin with, in any format that `convert` reads",
    )

    check = actions.add_parser(
        "check",
        help="say what is wrong with a project",
        description="Say what is wrong with a project: images, annotations, classes, split.",
        epilog="exit codes: 0 fine, or warnings only; 1 errors; 2 bad input or no room to write; 130 interrupted",
    )
    check.add_argument("folder", type=Path, metavar="PROJECT", help="its folder")

    stats = actions.add_parser("stats", help="count images and specimens", epilog=_CODES)
    stats.add_argument("folder", type=Path, metavar="PROJECT", help="its folder")

    split = actions.add_parser(
        "split",
        help="assign slides to training, validation and test",
        description="Assign whole slides or samples to training, validation and test, or to folds.",
        epilog=_CODES,
    )
    split.add_argument("folder", type=Path, metavar="PROJECT", help="its folder")
    sizes = split.add_mutually_exclusive_group()
    sizes.add_argument("--shares", metavar="A-B-C", help="percent of training, validation and test (70-15-15)")
    sizes.add_argument("--folds", type=int, metavar="N", help="folds of a cross-validation in place of shares")
    split.add_argument("--by", choices=("slide", "sample"), default="slide", help="what stays together (slide)")
    split.add_argument("--seed", type=int, default=0, metavar="N", help="another one gives other parts (0)")


def _add_train(commands: Any) -> None:
    """Add the command ``train``."""
    parser = commands.add_parser(
        "train",
        help="train a model on annotated slides",
        description="Train a model as a YAML file says: data, start, how. Ctrl+C stops it and keeps the best weights.",
        epilog=_CODES,
    )
    parser.add_argument("config", type=Path, metavar="CONFIG", help="YAML file; with --resume also the folder of a run")
    parser.add_argument("-o", "--out", type=Path, metavar="RUN", help="folder of the run (runs/NAME beside CONFIG)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--resume", action="store_true", help="go on with a run that was stopped")
    how.add_argument("--check", action="store_true", help="say what there is to learn from and how long it takes")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), help="in place of the one in the file")
    parser.add_argument("--devices", type=int, metavar="N", help="GPUs that share each batch (1)")
    parser.add_argument(
        "--folds", type=int, metavar="K", help="cross-validation: K models, each judged on slides that it did not see"
    )
    parser.set_defaults(run=_run_train)


def _add_evaluate(commands: Any) -> None:
    """Add the command ``evaluate``."""
    parser = commands.add_parser(
        "evaluate",
        help="say how good a model is on annotated slides",
        description="Say how good a model is on annotated slides that it never saw, or which of two is better.",
        epilog=_CODES,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="name or folder of a model, or folder of a training's run")
    add("data", type=Path, metavar="DATA", help="project, annotations in any format that `convert` reads, or a run")
    add("-o", "--out", required=True, type=Path, metavar="OUT", help="folder for report.html and report.json")
    add("--images", type=Path, metavar="DIR", help="folder of the images, where the annotations do not lie beside them")
    add("--group", default="", metavar="REGEX", help="its first group is the slide in an image's name")
    add("--part", choices=("test", "validation", "train", "all"), help="of the split (test; all where there is none)")
    add("--threshold", type=float, metavar="SCORE", help="least score of a specimen, 0 to 1 (the model's own)")
    add("--one-class", default="", metavar="NAME", help="judge all specimens as this one class")
    add("--compare", metavar="MODEL", help="another model: say which is better on the same slides")
    add("--device", default="auto", metavar="DEVICE", help="auto, cpu, cuda or mps (auto)")
    parser.set_defaults(run=_run_evaluate)


_BESIDE: Final = {"tiles": "tile", "names": "specimen"}
"""Steps within an image, and what they are counted in."""


class _Bar:
    """A progress bar on a terminal; silent elsewhere."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __call__(self, progress: Progress) -> None:
        """Show a step: images move the bar, tiles and names stand beside it."""
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=progress.total, unit="image", file=sys.stderr, dynamic_ncols=True)
        if progress.stage in _BESIDE:
            self._bar.set_postfix_str(f"{_BESIDE[progress.stage]} {progress.done}/{progress.total}")
        else:
            self._bar.total = progress.total
            self._bar.set_description_str(progress.message[-40:], refresh=False)
            self._bar.set_postfix_str("", refresh=False)
            self._bar.n = progress.done
            self._bar.refresh()

    def say(self, text: str) -> None:
        """Print a line on stderr, above the bar where there is one."""
        if self._bar is None:
            print(text, file=sys.stderr)
        else:
            self._bar.write(text, file=sys.stderr)

    def close(self) -> None:
        """Leave the terminal to others."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _print_counts(result: BatchResult, batch: Batch, counted: str) -> None:
    """Print the counts per sample of classes or taxa, and what was skipped."""
    totals: dict[tuple[str, str], int] = {}
    images: dict[str, int] = {}
    for item in result.images:
        images[item.sample] = images.get(item.sample, 0) + 1
        for name, number in item.counts.items():
            totals[item.sample, name] = totals.get((item.sample, name), 0) + number
    rows = [(sample, images[sample], name, number) for (sample, name), number in totals.items()]
    _print_table(("sample", "images", counted, "count"), rows)
    if result.skipped:
        print(f"\nSkipped {len(result.skipped)}:")
        _print_table(("image", "reason"), [(item.image, item.reason) for item in result.skipped])
    print(f"\nTables, annotations and overlays are in {batch.out}")


def _print_notices(result: BatchResult) -> None:
    """Print on stderr what the user should know of how images were read; what many have in common is said once."""
    from napari_diatom.words import many

    images: dict[str, list[str]] = {}
    for item in result.images:
        for notice in item.notices:
            images.setdefault(notice, []).append(item.image)
    sys.stdout.flush()
    for notice, names in images.items():
        others = f" and {many(len(names) - 1, 'more image')}" if len(names) > 1 else ""
        print(f"{names[0]}{others}: {notice}", file=sys.stderr)


def _print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print columns, numbers to the right."""
    text = [[_shown(str(cell)) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in text) for i in range(len(header))]
    numeric = [bool(rows) and all(isinstance(row[i], int) for row in rows) for i in range(len(header))]
    for row in text:
        cells = [c.rjust(w) if right else c.ljust(w) for c, w, right in zip(row, widths, numeric, strict=True)]
        print("  ".join(cells).rstrip())


def _quiet_libraries() -> None:
    """Keep tifffile's log from the terminal: what is wrong with a file is said once, by us."""
    import logging

    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)


def _complain(message: str) -> int:
    """Print an error as one line and return the exit code for it."""
    print(f"napari-diatom: {_shown(' '.join(message.split()))}", file=sys.stderr)
    return BAD_INPUT


def _shown(text: str) -> str:
    """Return text that a terminal shows as it is: names in files may hold what moves the cursor or sets the title."""
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)


if __name__ == "__main__":
    sys.exit(main())
