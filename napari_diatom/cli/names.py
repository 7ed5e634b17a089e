"""``napari-diatom names``: learns names from examples, suggests them and checks them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Final

from napari_diatom.cli.console import OK
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.reports.name_check_report import CheckOptions, check_names
from napari_diatom.review.learning_names import LearnOptions, SuggestOptions, learn_names, suggest_names
from napari_diatom.review.taken_suggestions import unchanged_interval

Table = Callable[[Sequence[str], Sequence[Sequence[object]]], None]

_SHOWN: Final = 20


def run(arguments: argparse.Namespace, monitor: ProgressMonitor, table: Table) -> int:
    """Do what a parsed command asks for."""
    if arguments.action == "learn":
        return _learn(arguments, monitor)
    return _suggest(arguments, monitor, table) if arguments.action == "suggest" else _check(arguments, monitor, table)


def _learn(arguments: argparse.Namespace, monitor: ProgressMonitor) -> int:
    learnt = learn_names(
        LearnOptions(
            tuple(arguments.data),
            arguments.out,
            arguments.images,
            arguments.taxa,
            arguments.embedder,
            arguments.licence,
            arguments.overwrite,
        ),
        monitor,
    )
    _warn(learnt.warnings())
    print(*learnt.lines(), sep="\n")
    return OK


def _suggest(arguments: argparse.Namespace, monitor: ProgressMonitor, table: Table) -> int:
    found = suggest_names(
        SuggestOptions(
            arguments.project,
            arguments.out,
            tuple(arguments.examples),
            arguments.proposals,
            arguments.embedder,
            arguments.overwrite,
        ),
        monitor,
    )
    _warn(found.remarks)
    counts = found.counts()
    table(("first suggestion", "specimens"), counts.most_common(_SHOWN))
    without = len(found.suggested) - counts.total()
    print(f"{many(len(found.suggested), 'specimen')} without a name, {without:,} of them without a suggestion")
    if arguments.out is not None:
        print(arguments.out)
    return OK


def _check(arguments: argparse.Namespace, monitor: ProgressMonitor, table: Table) -> int:
    if arguments.pictures < 0:
        raise InputError(f"--pictures is {arguments.pictures}; give 0 or more.")
    checked = check_names(
        CheckOptions(arguments.project, arguments.out, arguments.pictures, arguments.embedder, arguments.overwrite),
        monitor,
    )
    _warn(checked.remarks)
    rows = [(one.taxon, one.offered, f"{one.doubt:.2f}", one.reason, one.key) for one in checked.doubtful[:_SHOWN]]
    if rows:
        table(("name", "perhaps", "doubt", "reason", "specimen"), rows)
    taken = [
        (one.name, by, one.asked, f"{one.unchanged:.0%}", unchanged_interval(one))
        for by, tallies in checked.taken.tallies().items()
        for one in tallies[:_SHOWN]
    ]
    if taken:
        table(("suggestions for", "", "specimens", "taken unchanged", "95 % interval"), taken)
    print(*checked.lines(), sep="\n")
    return OK


def _warn(remarks: Sequence[str]) -> None:
    for remark in remarks:
        print(f"warning: {remark}", file=sys.stderr)
