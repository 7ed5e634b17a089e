"""``napari-diatom scale``: the pixel size that burned-in scale bars tell, beside what the files state."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, Final

from napari_diatom.cli.argument_types import place, text
from napari_diatom.cli.console import CODES, OK, SOME_SKIPPED, print_table, quiet_libraries

if TYPE_CHECKING:
    from napari_diatom.images.slide_image import SlideImage

COLUMNS: Final = ("image", "bar_px", "label", "pixel_size_um", "stated_um", "remark")


def add_scale(commands: Any) -> None:
    """Add the command to those of ``napari-diatom``."""
    parser = commands.add_parser(
        "scale",
        help="read the scale bars that are burned into images",
        description="Find the scale bars that are burned into images, read their labels, and print the pixel sizes "
        "beside those that the files state. Nothing is changed: give the pixel size to other commands by --pixel-size.",
        epilog=CODES,
    )
    parser.add_argument("inputs", nargs="+", type=text, metavar="IMAGE", help="images and folders of images")
    parser.add_argument("--label", type=text, metavar="LENGTH", help="what the bars say, such as 20um (read)")
    parser.add_argument("--csv", type=place, metavar="FILE", help="write the table to this CSV file too")
    parser.set_defaults(run=_run_scale)


def _run_scale(arguments: argparse.Namespace) -> int:
    from napari_diatom.core.errors import DiatomError
    from napari_diatom.counting.tables import write_csv
    from napari_diatom.images.image_files import search
    from napari_diatom.images.scale_label import parse_label
    from napari_diatom.images.slide_image import open_images

    quiet_libraries()
    if arguments.label is not None:
        parse_label(arguments.label)
    found = search(arguments.inputs)
    skipped = [f"{item.path}: {item.reason}" for item in found.passed_over]
    rows: list[tuple[str, ...]] = []
    for path in found.images:
        try:
            rows.extend(_row(image, arguments.label) for image in open_images(path))
        except DiatomError as error:
            skipped.append(f"{path}: {error}")
    print_table(COLUMNS, rows)
    for line in skipped:
        print(f"skipped {line}", file=sys.stderr)
    if arguments.csv is not None:
        write_csv(arguments.csv, COLUMNS, rows)
    return SOME_SKIPPED if skipped else OK


def _row(image: SlideImage, label: str | None) -> tuple[str, ...]:
    """Return what is told of one image."""
    from napari_diatom.images.scale_bar import find_scale_bar

    bar = find_scale_bar(image)
    stated = "" if image.pixel_size_um is None else f"{image.pixel_size_um:.4g}"
    if bar is None:
        return (image.name, "", "", "", stated, "no scale bar")
    bar = bar if label is None else bar.labelled(label)
    text = "" if bar.label is None else bar.label.text
    size = "" if bar.pixel_size_um is None else f"{bar.pixel_size_um:.4g}"
    return (image.name, f"{bar.length_px:.1f}", text, size, stated, bar.remark(image.pixel_size_um))
