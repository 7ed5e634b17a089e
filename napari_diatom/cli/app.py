"""The command ``napari-diatom``."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from napari_diatom import __version__
from napari_diatom.cli.argument_types import place, text
from napari_diatom.cli.arguments import add_evaluate, add_explain, add_project, add_train, add_tune
from napari_diatom.cli.console import CODES, INTERRUPTED, OK, ProgressBar, complain, print_table, quiet_libraries
from napari_diatom.cli.count import add_count
from napari_diatom.cli.descriptors_command import add_descriptors
from napari_diatom.cli.doctor import add_doctor
from napari_diatom.cli.names_arguments import add_names
from napari_diatom.cli.plate_command import add_plate
from napari_diatom.cli.scale_command import add_scale
from napari_diatom.cli.tally_command import add_tally

if TYPE_CHECKING:
    from napari_diatom.core.progress import Progress


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``napari-diatom`` with these arguments, those of the process by default, and return its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    arguments = parser().parse_args(given)
    arguments.given = given
    return execute(arguments)


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
    from diatom_training.synthesis.sample_slides import SampleOptions, write_new_samples
    from napari_diatom.core.progress import ProgressMonitor

    bar = ProgressBar()
    try:
        written = write_new_samples(SampleOptions(arguments.dest), ProgressMonitor(bar))
    finally:
        bar.close()
    print(*written, sep="\n")
    return OK


def _run_models(arguments: argparse.Namespace) -> int:
    """List the models, or show one."""
    from napari_diatom.models import library

    if arguments.action == "list":
        models, wrong = library.list_models()
        rows = [(m.card.name, m.card.version, m.card.task, m.card.architecture, m.card.summary) for m in models]
        print_table(("model", "version", "task", "network", "summary"), rows)
        for error in wrong:
            complain(f"Left out: {error}")
        return OK
    import yaml

    model = library.resolve_model(arguments.name)
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
        model = library.install(library.resolve_model(file / "model" if (file / "model").is_dir() else file))
    classes = many(len(model.card.classes), "class", "classes")
    print(f"{model.card.name}: {model.card.task}, {classes}, in {model.folder}")
    return OK


def _run_convert(arguments: argparse.Namespace) -> int:
    """Write annotations in another format."""
    from napari_diatom.project.annotation_conversion import ConvertOptions, convert_annotations

    quiet_libraries()
    report = convert_annotations(
        ConvertOptions(
            arguments.input, arguments.out, arguments.to, arguments.source, arguments.images, arguments.split
        )
    )
    for remark in report.remarks:
        print(f"warning: {remark}", file=sys.stderr)
    print(report.losses, report.summary, sep="\n")
    return OK


def _run_project(arguments: argparse.Namespace) -> int:
    """Make a project, or look after one."""
    from napari_diatom.cli import project as command
    from napari_diatom.core.progress import ProgressMonitor

    quiet_libraries()
    bar = ProgressBar()

    def report(progress: Progress) -> None:
        bar(progress)
        if progress.done == progress.total:
            bar.close()

    try:
        return command.run(arguments, ProgressMonitor(report), print_table)
    finally:
        bar.close()


def _run_names(arguments: argparse.Namespace) -> int:
    """Learn, suggest or check names."""
    from napari_diatom.cli import names as command
    from napari_diatom.core.progress import ProgressMonitor

    def show(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        bar.close()
        print_table(header, rows)

    quiet_libraries()
    bar = ProgressBar()
    try:
        return command.run(arguments, ProgressMonitor(bar), show)
    finally:
        bar.close()


def _run_train(arguments: argparse.Namespace) -> int:
    """Train a model on annotated slides."""
    from diatom_training.cli import train as command

    return _with_bar(command.run, arguments)


def _run_tune(arguments: argparse.Namespace) -> int:
    """Search good settings of a training."""
    from diatom_training.cli import tune as command

    return _with_bar(command.run, arguments)


def _run_evaluate(arguments: argparse.Namespace) -> int:
    """Evaluate a model on annotated slides."""
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


def _run_explain(arguments: argparse.Namespace) -> int:
    """Show what a network sees of specimens."""
    from diatom_training.cli import explain as command

    return _with_bar(command.run, arguments)


def _with_bar(run: Callable[[argparse.Namespace, ProgressBar], int], arguments: argparse.Namespace) -> int:
    """Run a command with a bar that shows its progress."""
    quiet_libraries()
    bar = ProgressBar()
    try:
        return run(arguments, bar)
    finally:
        bar.close()


def _run_gui(arguments: argparse.Namespace) -> int:
    """Open napari with the dock widget, and images where some are named."""
    from napari_diatom.core.errors import InputError
    from napari_diatom.images.microscopes.kinds import IN_WINDOW

    try:
        import napari
    except ImportError as error:
        raise InputError(
            "napari cannot be started: install it with a Qt, as by pip install 'napari[pyqt6]'."
        ) from error
    from napari_diatom.widgets.common.plugin_docks import open_dock

    viewer = napari.Viewer()
    ours = [name for name in arguments.inputs if name.lower().rstrip("/\\").endswith(IN_WINDOW)]
    others = [name for name in arguments.inputs if name not in ours]
    if others:
        viewer.open(others, stack=False)
    if ours:
        viewer.open(ours, stack=False, plugin="napari-diatom")
    open_dock(viewer, "Detect diatoms")
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
    add_tally(commands)
    add_plate(commands)
    add_scale(commands)
    add_descriptors(commands)

    samples = commands.add_parser("samples", help="write the example slides", description="Render the example slides.")
    samples.add_argument(
        "dest",
        nargs="?",
        type=place,
        default=Path("diatom-samples"),
        metavar="DEST",
        help="folder to write to (diatom-samples)",
    )
    samples.set_defaults(run=_run_samples)

    models = commands.add_parser(
        "models", help="list, show or import models", description="List, show or import models."
    )
    actions = models.add_subparsers(required=True, metavar="ACTION", dest="action")
    actions.add_parser("list", help="list all models").set_defaults(run=_run_models)
    show = actions.add_parser("show", help="show the card of one model")
    show.add_argument("name", type=text, metavar="MODEL", help="name of a model, or its folder")
    show.set_defaults(run=_run_models)

    bring = actions.add_parser("import", help="add a trained model or an Ultralytics .pt file to your models")
    bring.add_argument("file", type=place, metavar="FILE", help="a run of `train`, a model, or a YOLO detector as .pt")
    bring.add_argument("--name", type=text, help="name of the model (the file's name)")
    bring.add_argument("--licence", default="", help="licence of the weights")
    bring.set_defaults(run=_run_import)

    convert = commands.add_parser(
        "convert",
        help="write annotations in another format",
        description="Write annotations in another format, and list what that format cannot hold.",
        epilog=CODES,
    )
    convert.add_argument("input", type=place, metavar="INPUT", help="file or folder of annotations, or a project")
    convert.add_argument("out", type=place, metavar="OUT", help="file, or new folder")
    convert.add_argument("--to", required=True, metavar="FORMAT", help="geojson, coco, yolo-obb and others")
    convert.add_argument("--from", dest="source", type=text, metavar="FORMAT", help="format of INPUT (detected)")
    convert.add_argument("--images", type=place, metavar="DIR", help="folder of the images, for their sizes and names")
    convert.add_argument(
        "--split", type=place, metavar="FILE", help="CSV with columns image and split (train, val, test)"
    )
    convert.set_defaults(run=_run_convert)

    add_project(commands, _run_project)
    add_names(commands, _run_names)
    add_train(commands, _run_train)
    add_tune(commands, _run_tune)
    add_evaluate(commands, _run_evaluate)
    add_explain(commands, _run_explain)

    add_doctor(commands)

    gui = commands.add_parser("gui", help="open napari", description="Open napari with the Detect diatoms widget.")
    gui.add_argument("inputs", nargs="*", type=text, metavar="IMAGE", help="images to open")
    gui.set_defaults(run=_run_gui)
    return parser
