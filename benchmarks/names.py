"""Names from a few examples: how many rendered specimens get the right name, by embedder and number of examples.

The taxa are rendered ones that no embedder was learnt from. Of each, the last specimens are named, and those before
them validate trainings; the examples are drawn from the others, for each seed anew. Names are learnt as the program
learns them. ``--against-classes`` trains classifiers (``task: classes``) on the same examples, from five on; each of
them is kept in the file of ``--json`` and not trained again. ``--candidates`` compares backbones, sides of the pictures
and depths, on taxa other than those of the models' figures, and so tells which embedder to ship.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from command import run
from fields import SET_UP
from named_taxa import Floats, Taxa, detections_of, means_of, named_by_examples, on_a_slide, printed, shapes_of
from trained_names import named_by_training

from diatom_training.data.rendered_taxa import TaxonExample, render_taxa
from diatom_training.finetune.initial_weights import trainable_network
from diatom_training.learning.backbones import backbone_of
from diatom_training.learning.library_states import fit_state, read_state
from diatom_training.recipes import embedder as recipe
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.detections import Detections
from napari_diatom.engines import embedder_net, load_embedder
from napari_diatom.engines.embedder_net import EmbedderNet
from napari_diatom.measurement.shape_columns import NAMING_COLUMNS
from napari_diatom.models import library
from napari_diatom.models.card import EmbeddingFacts

MEASURED: Final = (100, 100)
"""Seeds of the first taxon and of the slides that models are measured on, ..."""
CHOSEN_ON: Final = (1100, 101)
"""... and of those that candidates are compared on."""
APART: Final = 40
"""Between the first taxa of two sets, and between the slides of two sets."""
DEPTHS: Final = ("last stage", "last stage and 16 px a cell")
ON_A_SLIDE: Final = 105
"""Specimens that are looked at together, as on a slide."""
SPEED: Final = ("milliseconds_each", "milliseconds_of_a_core_each")
"""Of the vector of a specimen: as time passes, and as processors work."""
FEWEST_TRAINED: Final = 5
"""Examples of each taxon from which classifiers are trained."""


def main() -> int:
    """Name rendered specimens and print how many names are right."""
    return run(_parser(), _run)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="names.py --work FOLDER"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--model", nargs="*", default=["diatom-embed"], help="names, folders or files of embedders (%(default)s)")
    add(
        "--candidates", nargs="*", metavar="START", help="weights of EfficientNet-Lite0, or models that are built on it"
    )
    add("--sides", type=int, nargs="*", default=[224, 320], help="of the candidates' pictures (%(default)s)")
    add("--quantize", action="store_true", help="compute the candidates' convolutions in 8 bits")
    add("--against-classes", nargs="*", metavar="PRESET", default=[], help="train classifiers by these presets, too")
    add("--trained-seeds", type=int, default=1, help="of the seeds, for how many classifiers are trained (%(default)s)")
    add("--work", type=Path, required=True, metavar="FOLDER", help="of the rendered specimens")
    add("--taxa", type=int, default=30, help="how many (%(default)s)")
    add("--sets", type=int, default=1, help="of so many taxa; the seeds take them in turn (%(default)s)")
    add("--specimens", type=int, default=35, help="of each taxon (%(default)s)")
    add("--tested", type=int, default=10, help="of these that get a name (%(default)s)")
    add("--validated", type=int, default=5, help="of these that validate trainings (%(default)s)")
    add("--examples", type=int, nargs="*", default=[1, 3, 5, 10, 20], help="of each taxon (%(default)s)")
    add("--seeds", type=int, default=5, help="choices of the examples (%(default)s)")
    add("--dimensions", type=int, default=100, help="of the candidates' vectors (%(default)s)")
    add("--json", type=Path, metavar="FILE", help="write the figures there, and keep trainings that it has")
    return parser


def _run(chosen: argparse.Namespace) -> int:
    kept = json.loads(chosen.json.read_text(encoding="utf-8")) if chosen.json and chosen.json.exists() else {}
    numbers = [n for n in chosen.examples if n <= chosen.specimens - chosen.tested - chosen.validated]
    first, study = CHOSEN_ON if chosen.candidates else MEASURED
    sets = [
        Taxa(
            tuple(
                render_taxa(
                    chosen.work / "measured",
                    range(first + APART * k, first + APART * k + chosen.taxa),
                    chosen.specimens,
                    study + APART * k,
                )
            ),
            chosen.tested,
            chosen.validated,
        )
        for k in range(chosen.sets)
    ]
    for name, figures in _figures(chosen, sets, numbers, kept):
        kept[name] = figures
        print(name, *(f"{figures[key]:.4g} {key.replace('_', ' ')}" for key in SPEED if key in figures))
        for row in figures["rows"]:
            printed(row)
        if chosen.json:
            write_atomically(chosen.json, json.dumps(kept, indent=1) + "\n")
    return 0


def _figures(
    chosen: argparse.Namespace, sets: Sequence[Taxa], numbers: Sequence[int], kept: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the figures of each part of the table, as soon as they are there."""
    if chosen.candidates:
        for start in chosen.candidates:
            for name, vectors in of_candidates(start, chosen, sets):
                yield name, {"rows": table(sets, vectors, None, numbers, chosen.seeds)}
        return
    for name in chosen.model:
        found = [of_model(name, taxa.examples) for taxa in sets]
        vectors, seconds = [rows for rows, _ in found], np.mean([took for _, took in found], axis=0)
        speed = dict(zip(SPEED, (1000 * seconds).tolist(), strict=True))
        yield name, speed | {"rows": table(sets, vectors, None, numbers, chosen.seeds, seconds)}
        shapes = [shapes_of(taxa.examples) for taxa in sets]
        for columns, what in ((len(NAMING_COLUMNS), "length and slenderness"), (None, "the shape of the outline, too")):
            of_boxes = [each[:, :columns] for each in shapes]
            yield f"{name}, with {what}", {"rows": table(sets, vectors, of_boxes, numbers, chosen.seeds, seconds)}
    for preset in chosen.against_classes:
        name = f"task: classes, {preset}"
        cells: dict[str, Any] = dict(kept.get(name, {}).get("cells", {}))
        for number in (number for number in numbers if number >= FEWEST_TRAINED):
            for seed in range(chosen.trained_seeds):
                cell = f"{number} examples, seed {seed}"
                if cell not in cells:
                    with tempfile.TemporaryDirectory(prefix="trained-", dir=chosen.work) as folder:
                        taxa = sets[seed % len(sets)]
                        cells[cell] = named_by_training(taxa, Path(folder), preset, number, seed)
                yield name, {"cells": cells, "rows": _trained_rows(cells)}


def _trained_rows(cells: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """Return a row for each number of examples, of all its trainings."""
    numbers = sorted({int(cell.split()[0]) for cell in cells})
    return [
        {"examples": number, **means_of(found for cell, found in cells.items() if int(cell.split()[0]) == number)}
        for number in numbers
    ]


def table(
    sets: Sequence[Taxa],
    vectors: Sequence[Floats],
    shapes: Sequence[Floats] | None,
    numbers: Sequence[int],
    seeds: int,
    each: Sequence[float] = (0.0, 0.0),
) -> list[dict[str, Any]]:
    """Return a row for each number of examples: means over the seeds.

    Parameters
    ----------
    sets : sequence of Taxa
        Which the seeds take in turn.
    vectors, shapes : sequence of ndarray, each of shape (N, ...)
        Of the specimens of each set.
    numbers : sequence of int
        Of examples of each taxon.
    seeds : int
        How many choices of examples.
    each : sequence of float
        Seconds, and seconds of a core, that the vector of a specimen takes.
    """
    rows = []
    for number in numbers:
        found = []
        for seed in range(seeds):
            k = seed % len(sets)
            one = named_by_examples(sets[k], vectors[k], None if shapes is None else shapes[k], number, seed)
            specimens = len(sets[k].drawn(number, seed)) + len(sets[k].to_name())
            one["seconds"] += specimens * each[0]
            one["processor_seconds"] += specimens * each[1]
            found.append(one)
        rows.append({"examples": number, **means_of(found)})
    return rows


def of_model(name: str, examples: Sequence[TaxonExample]) -> tuple[Floats, tuple[float, float]]:
    """Return the vectors of specimens by a model, shape (N, D), and the seconds, and those of cores, that one takes."""
    engine = load_embedder(library.resolve_model(name), "cpu")
    # What the first one costs is paid once.
    engine.embed(examples[0].image, detections_of(examples[0]))
    vectors, took = [], np.zeros(2)
    for first in range(0, len(examples), ON_A_SLIDE):
        slide, boxes, outlines = on_a_slide(examples[first : first + ON_A_SLIDE])
        began, worked = time.perf_counter(), time.process_time()
        vectors.append(engine.embed(slide, Detections.of(boxes), outlines=outlines).unhanded())
        took += time.perf_counter() - began, time.process_time() - worked
    seconds, of_cores = (took / len(examples)).tolist()
    return np.concatenate(vectors).astype(np.float64), (seconds, of_cores)


def of_candidates(start: str, chosen: argparse.Namespace, sets: Sequence[Taxa]) -> Iterator[tuple[str, list[Floats]]]:
    """Yield the vectors of specimens of each set, shape (N, dimensions), by side and depth; NaN where nothing is seen.

    Parameters
    ----------
    start : str
        A file of weights, or a model whose backbone is EfficientNet-Lite0.
    chosen : argparse.Namespace
        Sides, dimensions, the folder of what is learnt from, and whether convolutions are quantized.
    sets : sequence of Taxa
        The specimens.
    """
    learnt_from = recipe.TaxonMaterial().render(chosen.work / "learnt")
    for side in chosen.sides:
        architecture = f"{embedder_net.ARCHITECTURE.rpartition('/')[0]}/{side}"
        network = embedder_net.build(architecture, EmbeddingFacts(dimensions=chosen.dimensions)).eval()
        standardization = _started(network, start, architecture)
        known, named, _ = _pictures(learnt_from, architecture)
        if chosen.quantize:
            recipe.quantize_encoder(network, standardization, known)
        learnt = recipe.features_of(network, standardization, known)
        shown = [_pictures(taxa.examples, architecture) for taxa in sets]
        features = [recipe.features_of(network, standardization, pictures) for pictures, _, _ in shown]
        last = int(network.encoder.num_features)  # type: ignore[arg-type]
        for depth, columns in zip(DEPTHS, (last, None), strict=True):
            cut = learnt[..., :columns]
            shallow = EmbedderNet(network.encoder, network.stage, cut.shape[-1], chosen.dimensions)
            recipe.fit_projection(shallow, cut, named)
            vectors = []
            for found, (_, _, seen) in zip(features, shown, strict=True):
                rows = np.full((len(seen), chosen.dimensions), np.nan)
                with torch.no_grad():
                    turned = shallow.rooted(found[..., :columns]) @ shallow.projection.T
                rows[seen] = turned.mean(dim=1).numpy()
                vectors.append(rows)
            yield f"{Path(start).name}, {side} px, {depth}", vectors


def _started(network: EmbedderNet, start: str, architecture: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Give an embedder's backbone the weights of a candidate, and return by what its images are standardized."""
    if Path(start).is_file():
        network.load_state_dict(fit_state(read_state(Path(start)), network, architecture).tensors, strict=False)
        return recipe.standardization_of(architecture)
    model = library.resolve_model(start)
    network.encoder.load_state_dict(backbone_of(trainable_network(model)).state_dict(), strict=False)
    return model.card.mean, model.card.std


def _pictures(
    examples: Sequence[TaxonExample], architecture: str
) -> tuple[list[Any], list[str], np.ndarray[Any, np.dtype[np.bool_]]]:
    """Return what an embedder sees of specimens, their taxa, and of which of all it sees anything."""
    pictures = [recipe.picture_of(one, architecture) for one in examples]
    seen = np.array([picture is not None for picture in pictures])
    named = [one.taxon for one, there in zip(examples, seen, strict=True) if there]
    return [picture for picture in pictures if picture is not None], named, seen


if __name__ == "__main__":
    raise SystemExit(main())
