"""Give a model its graph in 8 bits: ``python -m diatom_training.recipes.quantized --model NAME --work WORK --out OUT``.

Needs NNCF (``pip install "napari-diatom[quantization]"``). The graph is calibrated on rendered slides, and what it
loses is measured on others. The model with its graph and its new card is written into OUT. What is rendered stays in
WORK.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from diatom_training.data.rendered_examples import render_set
from diatom_training.quantization.quantize_model import CALIBRATION_TILES, quantize_model
from napari_diatom.core.errors import DiatomError, InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.models import library
from napari_diatom.models.card import CARD_FILE, WEIGHTS_FILE, ModelCard
from napari_diatom.models.library import ModelFolder

CALIBRATION_SEED: Final = 20261203
KNOWN_SEED: Final = 20261204
SIDE: Final = 768
"""Of the rendered slides in pixels: one tile at one scale."""


def give_graph(
    name: str,
    work: Path,
    out: Path,
    calibration: int = CALIBRATION_TILES,
    known: int = CALIBRATION_TILES,
    side: int = SIDE,
    monitor: ProgressMonitor = UNWATCHED,
) -> ModelFolder:
    """Copy a model into the folder ``out/NAME`` with a graph in 8 bits, and return the copy.

    Parameters
    ----------
    name : str
        Name or folder of the model.
    work : Path
        Folder of the rendered slides.
    out : Path
        Where the model's folder is written.
    calibration, known : int
        How many slides to calibrate with, and to measure on.
    side : int
        Of a slide in pixels.
    monitor : ProgressMonitor
        See :func:`diatom_training.quantization.quantize_model.quantize_model`.

    Raises
    ------
    InputError
        When NNCF is not installed, or there is a model in the folder.
    ModelError
        When there is no such model, or it cannot be converted.
    OutputError
        When something cannot be written.
    """
    model = library.resolve_model(name)
    model.verify()
    home = out / model.card.name
    if (home / CARD_FILE).exists():
        raise InputError(f"{home} holds a model already: name another folder.")
    seen = render_set(work / "calibration", calibration, CALIBRATION_SEED, side)
    others = render_set(work / "known", known, KNOWN_SEED, side)
    home.mkdir(parents=True, exist_ok=True)
    for file in (WEIGHTS_FILE, CARD_FILE):
        shutil.copyfile(model.folder / file, home / file)
    return quantize_model(ModelFolder(ModelCard.read(home), home), seen, others, calibration, monitor)


def main(arguments: Sequence[str] | None = None) -> int:
    """Give a model its graph, and print what it loses."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--model", required=True, metavar="NAME", help="name or folder of a model")
    add("--work", type=Path, required=True, metavar="FOLDER", help="of the rendered slides")
    add("--out", type=Path, required=True, metavar="FOLDER", help="where the model's folder is written")
    add("--calibration", type=int, default=CALIBRATION_TILES, help="slides to calibrate with (%(default)s)")
    add("--known", type=int, default=CALIBRATION_TILES, help="slides to measure on (%(default)s)")
    add("--side", type=int, default=SIDE, help="of a slide in pixels (%(default)s)")
    chosen = parser.parse_args(arguments)
    try:
        model = give_graph(
            chosen.model,
            chosen.work,
            chosen.out,
            chosen.calibration,
            chosen.known,
            chosen.side,
            ProgressMonitor(report=_show),
        )
    except DiatomError as error:
        print(error, file=sys.stderr)
        return 2
    facts = model.card.quantized
    assert facts is not None
    used = "used unless single precision is asked for" if facts.proven else "used only where it is asked for"
    print(
        f"{model.card.origin} in 8 bits: AP50 {-facts.ap50_loss:+.4f}, corners {facts.box_shift_px:.2f} px off, "
        f"{facts.specimens} specimens; {used}."
    )
    return 0


def _show(progress: Progress) -> None:
    """Print every step that ends a stage."""
    if progress.done + 1 == progress.total:
        print(f"{progress.stage}: {progress.total}", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
