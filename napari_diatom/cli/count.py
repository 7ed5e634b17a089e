"""``napari-diatom count``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_diatom.cli.argument_types import decimal, integer, place, text
from napari_diatom.cli.console import (
    CODES,
    INTERRUPTED,
    OK,
    SOME_SKIPPED,
    Loader,
    ProgressBar,
    print_notices,
    print_table,
    quiet_libraries,
)

if TYPE_CHECKING:
    from napari_diatom.counting.batch_options import BatchResult


def run_count(arguments: argparse.Namespace, load: Loader | None = None) -> int:
    """Count images; ``load`` loads the model in place of :func:`napari_diatom.engines.load`."""
    if arguments.merge:
        return _merge(arguments)
    if arguments.out is None:
        arguments.fail("the following arguments are required: -o/--out")
    if arguments.print_job is not None:
        return _print_job(arguments)
    from napari_diatom.analysis.pipeline import AnalysisOptions
    from napari_diatom.core.errors import InputError, OutputError
    from napari_diatom.core.processor import usable_threads
    from napari_diatom.core.progress import ProgressMonitor
    from napari_diatom.counting.batch import can_resume, count
    from napari_diatom.counting.batch_job import BatchJob
    from napari_diatom.counting.batch_options import Batch
    from napari_diatom.counting.cluster import count_divided, is_divided
    from napari_diatom.counting.shards import Shard
    from napari_diatom.counting.workers import WorkerJob
    from napari_diatom.measurement.counting_protocol import DEFAULT_COUNTED, Protocol
    from napari_diatom.models import library

    options = AnalysisOptions(
        threshold=arguments.threshold, pixel_size_um=arguments.pixel_size, all_tiles=arguments.all_tiles
    )
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
        shard=None if arguments.shard is None else Shard.of_text(arguments.shard),
    )
    workers, scheduler = arguments.workers, arguments.scheduler
    divided = is_divided(workers, scheduler, batch.shard)
    model = library.resolve_model(arguments.model or library.DEFAULT)
    namer = library.resolve_model(arguments.namer) if arguments.namer else None
    outlines = library.OUTLINER if arguments.outlines is True else arguments.outlines
    outliner = None if outlines is None else library.resolve_outliner(outlines)
    from napari_diatom import engines

    loader: Loader = load or partial(engines.load, threads=threads, precision=arguments.precision)
    quiet_libraries()
    bar = ProgressBar()
    monitor = ProgressMonitor(bar)
    try:
        if divided:
            folders = (None if one is None else one.folder for one in (namer, outliner))
            part = WorkerJob(BatchJob(batch, model.folder, arguments.device, *folders), arguments.precision)
            batch = count_divided(part, workers, scheduler, monitor, bar.say)
        result = count(
            batch,
            lambda: loader(model, arguments.device),
            monitor,
            load_namer=None if namer is None else partial(engines.load_classifier, namer, arguments.device, threads),
            load_outliner=None
            if outliner is None
            else partial(engines.load_outliner, outliner, arguments.device, threads, arguments.precision),
            tell=lambda skipped: bar.say(f"Skipped {skipped.image}: {skipped.reason}"),
        )
    except KeyboardInterrupt:
        bar.close()
        hint = "run the same command with --resume to continue." if can_resume(batch.out) else "nothing was saved."
        print(f"Interrupted: {hint}", file=sys.stderr)
        return INTERRUPTED
    except OutputError as error:
        if not can_resume(batch.out):
            raise
        raise OutputError(f"{error} Finished images are kept: free some space, then continue with --resume.") from error
    finally:
        bar.close()
    _print_counts(result, "taxon" if namer else "class")
    if batch.shard is None:
        print(f"\nTables, annotations and overlays are in {batch.out}")
    else:
        done = f"Shard {batch.shard} is done. When all are"
        print(f"\n{done}, `napari-diatom count {batch.out} --merge` writes the tables.")
    print_notices(result)
    return SOME_SKIPPED if result.skipped else OK


def _outliner_name(value: str) -> str:
    """Read the name or folder of a model for outlines; a file or a folder of images is told from it."""
    from napari_diatom.models.card import CARD_FILE

    path = Path(text(value))
    if path.exists() and not (path / CARD_FILE).is_file():
        raise argparse.ArgumentTypeError(f"{value} is no model; if it is to be counted, write --outlines behind it")
    return value


def add_count(commands: Any) -> None:
    """Add the command ``count``."""
    parser = commands.add_parser(
        "count",
        help="count and measure the diatoms in images",
        description="Count and measure the diatoms in images. Each position and time of a stack is a field of its own, "
        "its channels are one picture, and one of its focus planes is used (--z).",
        epilog=CODES,
    )
    add = parser.add_argument
    add(
        "inputs",
        nargs="+",
        type=text,
        metavar="INPUT",
        help="image files, folders (with their subfolders) or patterns",
    )
    add(
        "-o",
        "--out",
        type=place,
        metavar="OUT",
        help="folder for tables, annotations and overlays",
    )
    add("--model", type=text, metavar="NAME", help="name or folder of a model (see `napari-diatom models list`)")
    add(
        "--namer",
        type=text,
        metavar="NAME",
        help="name or folder of a model that names taxa (none is bundled: train one)",
    )
    add(
        "--outlines",
        nargs="?",
        type=_outliner_name,
        const=True,
        metavar="NAME",
        help="outline what is found as boxes, and measure its area and shape; name or folder of a model for outlines "
        "(diatom-outline); write it behind the INPUTs",
    )
    add("--pixel-size", type=decimal, metavar="UM", help="micrometres per pixel, instead of the files' own")
    add("--z", default="best", metavar="PLANE", help="focus plane to use: best (the sharpest), max, each, or a number")
    add("--threshold", type=decimal, metavar="SCORE", help="lowest score of a specimen, 0 to 1 (the model's own)")
    add("--device", default="auto", metavar="DEVICE", help="auto, cpu, cuda or mps (auto)")
    add(
        "--precision",
        default="auto",
        metavar="NAME",
        help="numbers to compute with: single, int8, bfloat16, or auto (int8 if the model's card proves that it loses "
        "next to nothing)",
    )
    add(
        "--all-tiles",
        action="store_true",
        help="also search tiles that show nothing but the camera's noise; it takes longer",
    )
    add("--threads", type=integer, metavar="N", help="processor threads (all); results are the same with any number")
    add(
        "--workers",
        type=integer,
        default=1,
        metavar="N",
        help="processes that count at the same time and share the threads (1); each needs memory for its own model",
    )
    add(
        "--scheduler",
        type=text,
        metavar="ADDRESS",
        help="count on the workers of a Dask scheduler (tcp://HOST:PORT or tls://HOST:PORT), or of one that is started "
        "here with so many --workers (local)",
    )
    add("--sample", metavar="NAME", help="sample name for all images (the name of each image's folder)")
    add("--count-status", metavar="LIST", help="statuses to count, separated by commas (all but broken)")
    add("--xlsx", action="store_true", help="also write the tables as XLSX")
    add(
        "--masks",
        action="store_true",
        help="also write masks, as label images and COCO (if there are outlines)",
    )
    add(
        "--max-decode-mb",
        type=integer,
        default=1024,
        metavar="MB",
        help="most memory to decode a tile, a strip, or a JPEG or PNG file (1024)",
    )
    add("--no-overlays", action="store_true", help="do not write overlay pictures")
    add(
        "--shard",
        type=text,
        metavar="I/N",
        help="count only the I-th of N parts of the images, while others count the rest into the same OUT; auto reads "
        "both from a job array of SLURM, SGE or LSF, auto/N reads I alone (PBS)",
    )
    add("--merge", action="store_true", help="write the tables of all shards: napari-diatom count OUT --merge")
    add(
        "--print-job",
        metavar="KIND",
        help="print a script that counts in shards, for slurm, sge, snakemake or nextflow, and count nothing",
    )
    add("--jobs", type=integer, default=16, metavar="N", help="shards of that script (16), each of --threads (4)")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="continue an interrupted run")
    again.add_argument("--overwrite", action="store_true", help="start again, even if OUT holds results")
    parser.set_defaults(run=run_count, fail=parser.error)


def _print_counts(result: BatchResult, counted: str) -> None:
    """Print the counts per sample of classes or taxa, and what was skipped."""
    totals: dict[tuple[str, str], int] = {}
    images: dict[str, int] = {}
    for item in result.images:
        images[item.sample] = images.get(item.sample, 0) + 1
        for name, number in item.counts.items():
            totals[item.sample, name] = totals.get((item.sample, name), 0) + number
    rows = [(sample, images[sample], name, number) for (sample, name), number in totals.items()]
    print_table(("sample", "images", counted, "count"), rows)
    if result.skipped:
        print(f"\nSkipped {len(result.skipped)}:")
        print_table(("image", "reason"), [(item.image, item.reason) for item in result.skipped])


def _merge(arguments: argparse.Namespace) -> int:
    """Write the tables of what shards have counted."""
    from napari_diatom.counting.merge import merge_shards

    if len(arguments.inputs) != 1 or arguments.out is not None or arguments.shard is not None:
        arguments.fail("--merge takes the folder of results alone: napari-diatom count OUT --merge")
    out = Path(arguments.inputs[0])
    merged = merge_shards(out, arguments.xlsx)
    _print_counts(merged.result, "class or taxon")
    for warning in merged.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"\nTables, annotations and overlays are in {out}")
    return SOME_SKIPPED if merged.result.skipped else OK


def _print_job(arguments: argparse.Namespace) -> int:
    """Print a script for a cluster."""
    from napari_diatom.counting.job_scripts import job_script

    if (
        arguments.shard is not None
        or arguments.workers != 1
        or arguments.scheduler is not None
        or arguments.resume
        or arguments.overwrite
    ):
        arguments.fail(
            "--print-job writes the shards itself, and these go on by themselves: leave out --shard, "
            "--workers, --scheduler, --resume and --overwrite"
        )
    words = _without(arguments.given, ("--print-job", "--jobs", "--threads"))
    threads = 4 if arguments.threads is None else arguments.threads
    kind, out = arguments.print_job, str(arguments.out)
    print(job_script(kind, words, out, arguments.jobs, threads, arguments.xlsx), end="")
    return OK


def _without(words: Sequence[str], options: Sequence[str]) -> list[str]:
    """Return arguments without some options and their values."""
    kept: list[str] = []
    skip = False
    for word in words:
        name, _, value = word.partition("=")
        if skip or any(len(name) > 2 and option.startswith(name) for option in options):
            # Names may be abbreviated.
            skip = not skip and not value
        else:
            kept.append(word)
    return kept
