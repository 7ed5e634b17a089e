"""What the larger commands take; what they do is in modules of their own, which load later."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from napari_diatom.cli.argument_types import decimal, integer, integers, place, text
from napari_diatom.cli.console import CODES
from napari_diatom.cli.project_arguments import add_project_changes

Run = Callable[[argparse.Namespace], int]


def add_project(commands: Any, run: Run) -> None:
    """Add the command ``project``, done by ``run``."""
    parser = commands.add_parser(
        "project",
        help="create, change, check, summarize, split or repair an annotation project",
        description="Annotation projects: a folder with classes and annotations; the images stay where they are.",
    )
    parser.set_defaults(run=run)
    actions = parser.add_subparsers(required=True, metavar="ACTION", dest="action")

    new = actions.add_parser("new", help="create a project", description="Create a project from images.", epilog=CODES)
    new.add_argument("folder", type=place, metavar="PROJECT", help="project folder; may exist already")
    new.add_argument(
        "images",
        nargs="+",
        type=text,
        metavar="IMAGE",
        help="image files, folders (with their subfolders), patterns",
    )
    new.add_argument("--classes", type=place, metavar="FILE", help="CSV with columns name (or species) and code")
    new.add_argument(
        "--annotations",
        nargs="+",
        type=place,
        default=(),
        metavar="FILE",
        help="annotations to import, in any format that `convert` reads",
    )

    add_project_changes(actions)

    check = actions.add_parser(
        "check",
        help="find errors in a project",
        description="Find errors in a project: images, annotations, classes and split.",
        epilog="exit codes: 0 no errors (warnings only); 1 errors; 2 bad input or no room to write; 130 interrupted",
    )
    check.add_argument("folder", type=place, metavar="PROJECT", help="project folder")

    stats = actions.add_parser("stats", help="count images and specimens", epilog=CODES)
    stats.add_argument("folder", type=place, metavar="PROJECT", help="project folder")

    split = actions.add_parser(
        "split",
        help="assign slides to training, validation and test",
        description="Assign whole slides or samples to training, validation and test, or to folds.",
        epilog=CODES,
    )
    split.add_argument("folder", type=place, metavar="PROJECT", help="project folder")
    sizes = split.add_mutually_exclusive_group()
    sizes.add_argument(
        "--shares", type=text, metavar="A-B-C", help="percent of training, validation and test (70-15-15)"
    )
    sizes.add_argument("--folds", type=integer, metavar="N", help="number of cross-validation folds, instead of shares")
    split.add_argument(
        "--by", choices=("slide", "sample"), default="slide", help="keep these together in one part (slide)"
    )
    split.add_argument("--seed", type=integer, default=0, metavar="N", help="change the seed for a different split (0)")

    relocate = actions.add_parser(
        "relocate",
        help="find images that were moved or renamed",
        description="Find images that were moved or renamed, by their content, and store where they are now.",
        epilog=CODES,
    )
    relocate.add_argument("folder", type=place, metavar="PROJECT", help="project folder")
    relocate.add_argument(
        "places",
        nargs="*",
        type=place,
        metavar="FOLDER",
        help="where to look, with subfolders (the folder that PROJECT is in)",
    )
    relocate.add_argument(
        "--accept-changed",
        action="store_true",
        help="keep the annotations of images whose files were changed, where the size in pixels is the same",
    )

    remove = actions.add_parser(
        "remove",
        help="remove images from a project",
        description="Remove images from a project. Image files are kept; annotations are kept in PROJECT/.history.",
        epilog=CODES,
    )
    remove.add_argument("folder", type=place, metavar="PROJECT", help="project folder")
    remove.add_argument(
        "images",
        nargs="+",
        type=text,
        metavar="IMAGE",
        help="name of the image in the project, as `check` shows it",
    )

    review = actions.add_parser(
        "review",
        help="review the results of `count`",
        description="Make a project of a results folder of `count`, to accept, correct or reject what was found in "
        "Annotate diatoms. Images that are in the project already keep what was done there.",
        epilog=CODES,
    )
    review.add_argument("results", type=place, metavar="COUNT_FOLDER", help="results folder of `count`")
    review.add_argument(
        "-o", "--out", type=place, metavar="PROJECT", help="project folder (review in the results folder)"
    )
    review.add_argument(
        "--images",
        nargs="+",
        type=place,
        default=(),
        metavar="FOLDER",
        help="where to look for moved images, with subfolders (the folder that the results are in)",
    )

    tables = actions.add_parser(
        "tables",
        help="write the tables of a project",
        description="Write specimens.csv, counts.csv and images.csv of a project, with the columns of `count`.",
        epilog=CODES,
    )
    tables.add_argument("folder", type=place, metavar="PROJECT", help="project folder")
    tables.add_argument("-o", "--out", required=True, type=place, metavar="OUT", help="folder for the tables")
    tables.add_argument("--proposals", action="store_true", help="include proposals that nobody has reviewed yet")
    tables.add_argument("--xlsx", action="store_true", help="write tables.xlsx too")
    tables.add_argument("--overwrite", action="store_true", help="replace tables that are there")


def add_train(commands: Any, run: Run) -> None:
    """Add the command ``train``, done by ``run``."""
    parser = commands.add_parser(
        "train",
        help="train a model on annotated slides",
        description="Train a model with the settings of a YAML file. Ctrl+C stops it and keeps the best weights.",
        epilog=CODES,
    )
    parser.add_argument(
        "config", nargs="?", type=place, metavar="CONFIG", help="YAML file; with --resume also the folder of a run"
    )
    parser.add_argument(
        "-o",
        "--out",
        type=place,
        metavar="RUN",
        help="folder of the run (runs/NAME beside CONFIG); with --preview the .png or .jpg file "
        "(NAME-augmentation.png beside CONFIG), with --find-rate the .png file (NAME-rate.png beside CONFIG)",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--resume", action="store_true", help="continue a run that was stopped")
    how.add_argument(
        "--more", type=integer, metavar="N", help="add N epochs to the finished run CONFIG, and train them"
    )
    how.add_argument("--check", action="store_true", help="show the training data and the expected time; do not train")
    how.add_argument(
        "--preview",
        action="store_true",
        help="write a picture of sixteen variations of your specimens (augmentation); do not train",
    )
    how.add_argument(
        "--find-rate",
        action="store_true",
        help="find a learning rate with a range test, and write its curve as a picture; do not train",
    )
    how.add_argument("--runs", action="store_true", help="list your trainings with their figures; do not train")
    parser.add_argument(
        "--rate", type=decimal, metavar="R", help="highest learning rate of the epochs of --more (a third of the last)"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), help="overrides the device in CONFIG")
    parser.add_argument("--devices", type=integer, metavar="N", help="GPUs that share each batch (1)")
    parser.add_argument(
        "--folds",
        type=integer,
        metavar="K",
        help="cross-validation: K models, each tested on slides it was not trained on",
    )
    parser.set_defaults(run=run)


def add_tune(commands: Any, run: Run) -> None:
    """Add the command ``tune``, done by ``run``."""
    parser = commands.add_parser(
        "tune",
        help="search good settings of a training",
        description="Search good settings of a training: trials with different values, judged by the validation "
        "slides. The test slides are not looked at. Ctrl+C stops it, and --resume continues.",
        epilog=CODES,
    )
    add = parser.add_argument
    add(
        "config",
        type=place,
        metavar="CONFIG",
        help="YAML file of a training; with --resume also the folder of a search",
    )
    add("-o", "--out", type=place, metavar="OUT", help="folder of the search (searches/NAME beside CONFIG)")
    add(
        "--search",
        action="append",
        type=text,
        metavar="NAME[=RANGE]",
        help="a setting to search, such as rate, rate=0.0001:0.01 or optimizer=adamw,sgd; repeat it for several",
    )
    add("--trials", type=integer, metavar="N", help="number of trials (20)")
    add("--folds", type=integer, metavar="K", help="cross-validate each trial with K folds of training and validation")
    add("--seed", type=integer, metavar="N", help="random seed of the search (0)")
    add("--device", choices=("auto", "cpu", "cuda", "mps"), help="overrides the device in CONFIG")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--resume", action="store_true", help="continue a search; --trials may give it more trials")
    how.add_argument("--list", action="store_true", help="list the settings that can be searched, with usual ranges")
    parser.set_defaults(run=run)


def add_explain(commands: Any, run: Run) -> None:
    """Add the command ``explain``, done by ``run``."""
    parser = commands.add_parser(
        "explain",
        help="show what a network sees of specimens",
        description="Show what a network sees of specimens: where the reasons for a score lie (Grad-CAM), feature maps "
        "of its layers, and the attention of transformers.",
        epilog=CODES,
    )
    add = parser.add_argument
    add("image", type=place, metavar="IMAGE", help="image file")
    add("--model", type=text, metavar="MODEL", help="name or folder of a model, or folder of a run (diatom-obb)")
    add("-o", "--out", required=True, type=place, metavar="OUT", help="folder for report.html and report.json")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--specimens", type=integers, metavar="N,N", help="numbers of specimens, as in the specimens.csv of `count`"
    )
    which.add_argument(
        "--number", type=integer, default=6, metavar="N", help="how many specimens, those with the highest scores (6)"
    )
    add(
        "--finder",
        type=text,
        metavar="MODEL",
        help="model that finds the specimens, for a MODEL that outlines or names them (diatom-obb)",
    )
    add("--pixel-size", type=decimal, metavar="UM", help="micrometres per pixel, instead of the file's own")
    add("--z", default="best", metavar="PLANE", help="focus plane to use: best (the sharpest), max, or a number")
    add("--threshold", type=decimal, metavar="SCORE", help="lowest score of a specimen, 0 to 1 (the model's own)")
    add("--device", default="auto", metavar="DEVICE", help="auto, cpu, cuda or mps (auto)")
    parser.set_defaults(run=run)


def add_evaluate(commands: Any, run: Run) -> None:
    """Add the command ``evaluate``, done by ``run``."""
    parser = commands.add_parser(
        "evaluate",
        help="test a model on annotated slides",
        description="Test a model on annotated slides that it was not trained on, or compare two models.",
        epilog=CODES,
    )
    add = parser.add_argument
    add("model", type=text, metavar="MODEL", help="name or folder of a model, or folder of a training's run")
    add(
        "data",
        type=place,
        metavar="DATA",
        help="project, annotations in any format that `convert` reads, or a run",
    )
    add(
        "-o",
        "--out",
        required=True,
        type=place,
        metavar="OUT",
        help="folder for report.html, report.json, figures.csv and curves.csv",
    )
    add("--images", type=place, metavar="DIR", help="folder of the images, if they are not beside the annotations")
    add("--group", default="", metavar="REGEX", help="its first group is the slide's name in an image's name")
    add(
        "--part",
        choices=("test", "validation", "train", "all"),
        help="part of the split (test; all if there is no split)",
    )
    add("--threshold", type=decimal, metavar="SCORE", help="lowest score of a specimen, 0 to 1 (the model's own)")
    add("--one-class", default="", metavar="NAME", help="treat all specimens as this one class")
    add("--compare", type=text, metavar="MODEL", help="another model, to compare on the same slides")
    add("--device", default="auto", metavar="DEVICE", help="auto, cpu, cuda or mps (auto)")
    parser.set_defaults(run=run)
