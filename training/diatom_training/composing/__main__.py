"""Compose slides of one's own material: cut-outs of annotated slides or of an atlas, debris, and emptied backgrounds.

Pre-train on the composed fields, then fine-tune on real slides. Slides that are kept for testing must not be given.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, get_args

from diatom_training.composing.alpha_blending import Blending
from diatom_training.composing.compose import compose_field
from diatom_training.composing.compose_run import MARGIN, MaterialSources, gathered, inventory
from diatom_training.composing.dataset_writer import compose_set
from diatom_training.composing.options import ComposeOptions, Matching
from napari_diatom.core.errors import DiatomError, InputError
from napari_diatom.core.progress import Progress, ProgressMonitor

_DEFAULT = ComposeOptions()
_PREVIEWED = 8


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, those of the process by default, and return its exit code."""
    given = _parser().parse_args(arguments)
    try:
        _run(given)
    except DiatomError as error:
        print(f"composing: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


def _run(given: argparse.Namespace) -> None:
    """Gather the material, and compose a preview or a set of it."""
    if given.out is None and not given.preview:
        raise InputError("Name a folder for the composed fields with --out, or show some with --preview.")
    options = ComposeOptions.of(
        {name: value for name in ComposeOptions.model_fields if (value := getattr(given, name, None)) is not None}
    )
    if (given.coco is None) != (given.images is None):
        raise InputError("Annotated slides need both, --coco for the annotations and --images for the folder.")
    sources = MaterialSources.of(
        {
            "coco": given.coco,
            "images": given.images,
            "pixel_size_um": given.pixel_size,
            "atlas_pixel_size_um": given.atlas_pixel_size,
            "one_class": given.one_class,
        }
    )
    material = gathered(sources, given.groups, given.margin, given.atlas, _PRINTED)
    print(*inventory(material), sep="\n", flush=True)
    if given.preview:
        from diatom_training.composing.preview import show

        show([compose_field(material, options, (given.seed, i)) for i in range(_PREVIEWED)], material.classes)
    if given.out is not None:
        compose_set(material, options, given.out, given.count, given.seed, given.processes, monitor=_PRINTED)


def _print(progress: Progress) -> None:
    """Print every tenth step."""
    if progress.done % 10 == 0 or progress.done == progress.total:
        print(f"{progress.stage} {progress.done}/{progress.total}", flush=True)


_PRINTED: Final = ProgressMonitor(_print)


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m diatom_training.composing",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--coco", type=Path, metavar="FILE", help="polygons of annotated slides, in COCO format")
    add("--images", type=Path, metavar="DIR", help="folder of these slides")
    add("--groups", nargs="+", metavar="NAME", help="only these slides or stations, named as in the file names")
    add("--pixel-size", type=float, metavar="UM", help="micrometres per pixel of the slides, if the files lack them")
    add("--atlas", type=Path, nargs="+", default=[], metavar="DIR", help="atlas images, a subfolder for each taxon")
    add("--atlas-pixel-size", type=float, metavar="UM", help="micrometres per pixel of the atlas images")
    add("--one-class", metavar="NAME", help="give all specimens this class")
    add("--margin", type=float, default=MARGIN, help="halo cut out around objects, as a share of their width")
    add("--out", type=Path, metavar="DIR", help="folder for the composed fields")
    add("--count", type=int, default=1000, help="number of fields")
    add("--seed", type=int, default=0)
    add("--processes", type=int, default=1)
    add("--preview", action="store_true", help=f"show {_PREVIEWED} fields in napari first")
    add("--size", type=int, help=f"side of the fields in pixels ({_DEFAULT.size})")
    ranges: tuple[tuple[str, str, type, str], ...] = (
        ("--specimens", "specimens", int, "fewest and most cut-outs of specimens in a field"),
        ("--debris-ratio", "debris_ratio", float, "least and most debris per specimen"),
        ("--scale", "scale", float, "range of the fields' scales"),
        ("--lengths", "length_px", float, "range in pixels that specimens' lengths are scaled into"),
        ("--rotation", "rotation_deg", float, "range in degrees that cut-outs are turned by"),
    )
    for flag, name, kind, text in ranges:
        value = getattr(_DEFAULT, name)
        shown = "as they are" if value is None else f"{value[0]:g} {value[1]:g}"
        add(flag, dest=name, type=kind, nargs=2, metavar=("FROM", "TO"), help=f"{text} ({shown})")
    add("--no-mirror", dest="mirror", action="store_const", const=False, help="never mirror cut-outs")
    add("--overlap", type=float, help=f"share of a specimen that others may cover ({_DEFAULT.overlap:g})")
    add("--cut-share", type=float, help=f"share of cut-outs at the edge of a field ({_DEFAULT.cut_share:g})")
    add("--blending", choices=get_args(Blending), help=f"how edges are blended ({_DEFAULT.blending})")
    add("--matching", choices=get_args(Matching), help=f"what is matched to the background ({_DEFAULT.matching})")
    return parser


if __name__ == "__main__":
    sys.exit(main())
