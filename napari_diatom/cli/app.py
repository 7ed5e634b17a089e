"""The command ``napari-diatom``."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_diatom import __version__
from napari_diatom.cli.console import CODES, INTERRUPTED, OK, ProgressBar, complain, print_table, quiet_libraries
from napari_diatom.cli.count import add_count
from napari_diatom.cli.doctor import add_doctor

if TYPE_CHECKING:
    from napari_diatom.core.progress import Progress


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``napari-diatom`` with these arguments, those of the process by default, and return its exit code."""
    return execute(parser().parse_args(argv))


def execute(arguments: argparse.Namespace) -> int:
    """Run a parsed command and return its exit code; what the user got wrong is one line on stderr."""
    # Only now: --help has to answer at once.
    from napari_diatom.core.errors import DiatomError

    # A file name, or a letter that an old terminal does not have, is no reason to end with an error.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return int(arguments.run(arguments))
    except DiatomError as error:
        return complain(str(error))
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output, such as `head`, has gone; Python would complain of it again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:
        # A file or folder that this user may not even look at, or a name that the system does not take.
        return complain(f"{error.filename or 'A file'} cannot be used: {error.strerror or error}.")


def _run_samples(arguments: argparse.Namespace) -> int:
    """Render the example slides."""
    from napari_diatom.core.errors import InputError
    from napari_diatom.core.progress import never

    folder: Path = arguments.dest
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is not a folder: name a folder for the example slides.")
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} exists and is not empty: name another folder for the example slides.")
    from diatom_training.synthesis.sample_slides import write_samples

    bar = ProgressBar()
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
        print_table(("model", "version", "task", "network", "summary"), rows)
        for error in wrong:
            complain(f"Left out: {error}")
        return OK
    import yaml

    model = library.find(arguments.name)
    model.verify()
    print(yaml.safe_dump(model.card.model_dump(mode="json"), sort_keys=False, allow_unicode=True), end="")
    print(f"folder: {model.folder}")
    return OK


def _run_import(arguments: argparse.Namespace) -> int:
    """Make an Ultralytics file, or the model of a training, one of the user's models."""
    from napari_diatom.core.errors import InputError
    from napari_diatom.core.text import many
    from napari_diatom.models import library

    file: Path = arguments.file
    if file.suffix == ".pt":
        from napari_diatom.engines.yolo_checkpoint import import_checkpoint

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
    from napari_diatom.core.text import many
    from napari_diatom.formats import conversion as convert

    quiet_libraries()
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
    from napari_diatom.cli import project as command

    quiet_libraries()
    bar = ProgressBar()

    def report(progress: Progress) -> None:
        bar(progress)
        if progress.done == progress.total:
            bar.close()

    try:
        return command.run(arguments, report, print_table)
    finally:
        bar.close()


def _run_train(arguments: argparse.Namespace) -> int:
    """Train a model on annotated slides."""
    from diatom_training.cli import train as command

    quiet_libraries()
    bar = ProgressBar()
    try:
        return command.run(arguments, bar)
    finally:
        bar.close()


def _run_evaluate(arguments: argparse.Namespace) -> int:
    """Judge a model on annotated slides."""
    from diatom_training.cli import evaluate as command

    quiet_libraries()
    bar = ProgressBar()

    def show(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        bar.close()
        print_table(header, rows)

    try:
        return command.run(arguments, bar, show)
    finally:
        bar.close()


def _run_gui(arguments: argparse.Namespace) -> int:
    """Open napari with the dock widget, and images where some are named."""
    from napari_diatom.core.errors import InputError

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


@cache
def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="napari-diatom",
        description="Find, measure and count diatoms in microscope images.",
        epilog=CODES,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_count(commands)

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
        epilog=CODES,
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

    add_doctor(commands)

    gui = commands.add_parser("gui", help="open napari", description="Open napari with the widget Detect diatoms.")
    gui.add_argument("inputs", nargs="*", metavar="IMAGE", help="images to open")
    gui.set_defaults(run=_run_gui)
    return parser


def _add_project(commands: Any) -> None:
    """Add the command ``project``."""
    parser = commands.add_parser(
        "project",
        help="make, check, sum up or split an annotation project",
        description="Annotation projects: a folder with classes and annotations; the images stay where they are.",
    )
    parser.set_defaults(run=_run_project)
    actions = parser.add_subparsers(required=True, metavar="ACTION", dest="action")

    new = actions.add_parser("new", help="make a project", description="Make a project of images.", epilog=CODES)
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

    stats = actions.add_parser("stats", help="count images and specimens", epilog=CODES)
    stats.add_argument("folder", type=Path, metavar="PROJECT", help="its folder")

    split = actions.add_parser(
        "split",
        help="assign slides to training, validation and test",
        description="Assign whole slides or samples to training, validation and test, or to folds.",
        epilog=CODES,
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
        epilog=CODES,
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
        epilog=CODES,
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
