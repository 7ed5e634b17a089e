"""Names from a few examples: how many rendered specimens get the right name, by embedder and number of examples.

The taxa are rendered ones that no embedder was learnt from. Of each, the last specimens are named; the examples are
drawn from the others, for each seed anew. ``--candidates FILE`` compares sides of the pictures and depths of the
backbone in that file, on taxa other than those of the models' figures, and so tells which one to ship.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from fields import SET_UP
from numpy.typing import NDArray

from diatom_training.data.rendered_taxa import TaxonExample, render_taxa
from diatom_training.learning.library_states import fit_state, read_state
from diatom_training.recipes import embedder as recipe
from napari_diatom.core.detections import Detections
from napari_diatom.core.mask_polygons import fill
from napari_diatom.engines import embedder_net, load_embedder
from napari_diatom.engines.embedder_net import EmbedderNet
from napari_diatom.measurement.measurements import measure
from napari_diatom.measurement.shape_columns import shape_columns
from napari_diatom.models import library
from napari_diatom.models.card import EmbeddingFacts

MEASURED: Final = (100, 100)
"""Seeds of the first taxon and of the slides that models are measured on, ..."""
CHOSEN_ON: Final = (1100, 101)
"""... and of those that candidates are compared on."""
DEPTHS: Final = ("last stage", "last stage and 16 px a cell")
Ranking = Callable[[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]], NDArray[np.float64]]


def nearest_mean(
    known: NDArray[np.float64], taxa: NDArray[np.intp], unnamed: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how near specimens, shape (M, D), are to the mean of each taxon's examples, as cosines, shape (M, T)."""
    means = np.stack([known[taxa == taxon].mean(axis=0) for taxon in np.unique(taxa)])
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (unnamed, means)]
    return np.asarray(unit[0] @ unit[1].T)


def discriminant(
    known: NDArray[np.float64], taxa: NDArray[np.intp], unnamed: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the probabilities of taxa, shape (M, T), by scikit-learn's shrunken linear discriminant."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    fitted = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(known, taxa)
    return np.asarray(fitted.decision_function(unnamed))


METHODS: Final[Mapping[str, Ranking]] = {"nearest mean": nearest_mean, "discriminant": discriminant}


def shares(
    vectors: NDArray[np.float64], taxa: NDArray[np.intp], examples: int, tested: int, seed: int, method: str
) -> tuple[float, float]:
    """Return the shares of specimens whose name comes first, and among the first three.

    Examples without a vector teach nothing.

    Parameters
    ----------
    vectors : ndarray, shape (N, D)
        Of the same number of specimens for each taxon, taxon by taxon; NaN where there is none.
    taxa : ndarray, shape (N,)
        Which taxon each is of.
    examples, tested : int
        Of each taxon, how many have a name, and how many get one.
    seed : int
        Of the choice of the examples.
    method : str
        One of :data:`METHODS`.
    """
    rng = np.random.default_rng(seed)
    known: list[int] = []
    unnamed: list[int] = []
    for taxon in np.unique(taxa):
        rows = np.flatnonzero(taxa == taxon)
        known += rng.permutation(rows[:-tested])[:examples].tolist()
        unnamed += rows[-tested:].tolist()
    with_vector = np.isfinite(vectors).all(axis=1)
    known, seen = ([row for row in rows if with_vector[row]] for rows in (known, unnamed))
    scores = METHODS[method](vectors[known], taxa[known], vectors[seen])
    ranks = np.unique(taxa[known])[np.argsort(-scores, axis=1, kind="stable")]
    right = ranks == taxa[seen][:, None]
    # What has no vector gets no name.
    return float(right[:, 0].sum() / len(unnamed)), float(right[:, :3].any(axis=1).sum() / len(unnamed))


def table(
    vectors: NDArray[np.float64], taxa: NDArray[np.intp], numbers: Iterable[int], tested: int, seeds: int
) -> list[dict[str, Any]]:
    """Return a row for each method and number of examples: means and deviations over the seeds."""
    rows = []
    for method in METHODS:
        for examples in numbers:
            if method == "discriminant" and examples < 2:
                continue
            found = np.array([shares(vectors, taxa, examples, tested, seed, method) for seed in range(seeds)])
            mean, deviation = found.mean(axis=0), found.std(axis=0)
            rows.append(
                {
                    "method": method,
                    "examples": examples,
                    "first": round(float(mean[0]), 4),
                    "first_sd": round(float(deviation[0]), 4),
                    "three": round(float(mean[1]), 4),
                }
            )
    return rows


def of_model(name: str, examples: Sequence[TaxonExample]) -> tuple[NDArray[np.float64], float]:
    """Return the vectors of specimens by a model, shape (N, D), and how many it makes a second."""
    engine = load_embedder(library.resolve_model(name), "cpu")
    # What the first one costs is paid once.
    engine.embed(examples[0].image, detections_of(examples[0]))
    began = time.perf_counter()
    vectors = [engine.embed(one.image, detections_of(one), outlines=[one.outline]).unhanded()[0] for one in examples]
    return np.stack(vectors).astype(np.float64), len(examples) / (time.perf_counter() - began)


def of_candidates(
    file: Path, sides: Sequence[int], work: Path, examples: Sequence[TaxonExample], dimensions: int
) -> dict[str, NDArray[np.float64]]:
    """Return the vectors of specimens by side and depth, shape (N, dimensions) each; NaN where nothing is seen."""
    learnt_from = recipe.TaxonMaterial().render(work / "learnt")
    state = read_state(file)
    found: dict[str, NDArray[np.float64]] = {}
    for side in sides:
        architecture = f"{embedder_net.ARCHITECTURE.rpartition('/')[0]}/{side}"
        network = embedder_net.build(architecture, EmbeddingFacts(dimensions=dimensions)).eval()
        network.load_state_dict(fit_state(state, network, architecture).tensors, strict=False)
        standardization = recipe.standardization_of(architecture)
        features, named = [], []
        for some in (learnt_from, examples):
            pictures = [recipe.picture_of(one, architecture) for one in some]
            named.append([one.taxon for one, picture in zip(some, pictures, strict=True) if picture is not None])
            features.append(recipe.features_of(network, standardization, [p for p in pictures if p is not None]))
        seen = np.array([picture is not None for picture in pictures])
        last = int(network.encoder.num_features)  # type: ignore[arg-type]
        for depth, columns in zip(DEPTHS, (last, None), strict=True):
            shallow = EmbedderNet(network.encoder, network.stage, features[0][..., :columns].shape[-1], dimensions)
            recipe.fit_projection(shallow, features[0][..., :columns], named[0])
            with torch.no_grad():
                vectors = shallow.rooted(features[1][..., :columns]) @ shallow.projection.T
            rows = np.full((len(examples), dimensions), np.nan)
            rows[seen] = vectors.mean(dim=1).numpy()
            found[f"{side} px, {depth}"] = rows
    return found


def detections_of(example: TaxonExample) -> Detections:
    """Return a specimen with its mask."""
    return Detections.of(example.box[None], masks=[fill(((example.outline),))])


def shapes_of(examples: Sequence[TaxonExample]) -> NDArray[np.float64]:
    """Return the shape columns of specimens, what is unknown at the mean of the others."""
    rows = np.concatenate([shape_columns(measure(detections_of(one), one.image.pixel_size_um)) for one in examples])
    return np.where(np.isnan(rows), np.nanmean(rows, axis=0), rows)


def main() -> int:
    """Name rendered specimens and print how many names are right."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="names.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--model", nargs="*", default=["diatom-embed"], help="names, folders or files of embedders (%(default)s)")
    add("--candidates", type=Path, metavar="FILE", help="compare sides and depths of EfficientNet-Lite0 in this file")
    add("--sides", type=int, nargs="*", default=[224, 320], help="of the candidates' pictures (%(default)s)")
    add("--work", type=Path, required=True, metavar="FOLDER", help="of the rendered specimens")
    add("--taxa", type=int, default=30, help="how many (%(default)s)")
    add("--specimens", type=int, default=30, help="of each taxon (%(default)s)")
    add("--tested", type=int, default=10, help="of these that get a name (%(default)s)")
    add("--examples", type=int, nargs="*", default=[1, 3, 5, 10, 20], help="of each taxon (%(default)s)")
    add("--seeds", type=int, default=5, help="choices of the examples (%(default)s)")
    add("--dimensions", type=int, default=100, help="of the candidates' vectors (%(default)s)")
    add("--json", type=Path, metavar="FILE", help="write the figures there")
    chosen = parser.parse_args()
    numbers = [number for number in chosen.examples if number <= chosen.specimens - chosen.tested]

    first, study = CHOSEN_ON if chosen.candidates else MEASURED
    seeds = range(first, first + chosen.taxa)
    examples = render_taxa(chosen.work / "measured", seeds, chosen.specimens, study)
    taxa = np.unique([one.taxon for one in examples], return_inverse=True)[1]
    figures: dict[str, Any] = {}
    if chosen.candidates:
        found = of_candidates(chosen.candidates, chosen.sides, chosen.work, examples, chosen.dimensions)
        figures = {
            name: {"rows": table(vectors, taxa, numbers, chosen.tested, chosen.seeds)}
            for name, vectors in found.items()
        }
    else:
        for name in chosen.model:
            vectors, speed = of_model(name, examples)
            figures[name] = {
                "specimens_a_second": round(speed, 1),
                "rows": table(vectors, taxa, numbers, chosen.tested, chosen.seeds),
            }
            beside = np.hstack([vectors, shapes_of(examples)])
            figures[f"{name}, with size and shape"] = {
                "rows": [
                    row
                    for row in table(beside, taxa, numbers, chosen.tested, chosen.seeds)
                    if row["method"] == "discriminant"
                ]
            }
    for name, values in figures.items():
        print(name, *(f"{values[key]} {key.replace('_', ' ')}" for key in values if key != "rows"))
        for row in values["rows"]:
            print(
                f"  {row['method']:<14}{row['examples']:>3} examples  first {row['first']:.3f} ± {row['first_sd']:.3f}"
                f"  among three {row['three']:.3f}"
            )
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
