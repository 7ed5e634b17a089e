"""The engine of embedders: specimens in, two vectors of each out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from helpers.embedders import ARCHITECTURE, DIMENSIONS, written
from napari_diatom import engines
from napari_diatom.core.cropped_masks import CroppedMask
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import ModelError, Stopped
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.engines import embedder_net
from napari_diatom.engines.backends import TorchBackend
from napari_diatom.engines.embedder import SHORTEST, SpecimenEmbedder
from napari_diatom.engines.embedder_net import EmbedderNet
from napari_diatom.images.slide_image import SlideImage, from_array
from napari_diatom.models.card import EmbeddingFacts
from napari_diatom.models.library import ModelFolder

SIDE = 160
BOX = [80.0, 80.0, 90.0, 30.0, -np.pi / 2]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return written(tmp_path_factory.mktemp("models") / "embedder")


@pytest.fixture(scope="module")
def embedder(model: ModelFolder) -> SpecimenEmbedder:
    return SpecimenEmbedder(model, "cpu", 2)


def pixels() -> NDArray[np.uint8]:
    """Return a valve without any symmetry on a field of light."""
    y, x = np.mgrid[:SIDE, :SIDE] - 79.5
    inside = (x / 15) ** 2 + (y / 45) ** 2 < 1
    drawn = 90 + 40 * np.sin(y / 3 + x / 5) + x * 1.5 + 0.5 * y
    grey = np.where(inside, drawn, 200).clip(0, 255).astype(np.uint8)
    return np.stack([grey, grey, np.minimum(grey, 190)], axis=-1)


def image(array: NDArray[np.uint8] | None = None) -> SlideImage:
    return from_array(pixels() if array is None else np.ascontiguousarray(array), "field")


def one(box: object = BOX) -> Detections:
    return Detections.of(np.array([box], dtype=np.float64))


def test_a_half_turn_changes_no_vector_and_a_mirror_image_exchanges_the_two(embedder: SpecimenEmbedder) -> None:
    plain = embedder.embed(image(), one()).vectors[0]
    assert plain.shape == (2, DIMENSIONS)
    # Cut-outs of a turned image differ by a grey level here and there.
    near = 0.15 * np.abs(plain[0] - plain[1]).max()
    assert near > 0.005
    turned = embedder.embed(image(pixels()[::-1, ::-1]), one()).vectors[0]
    np.testing.assert_allclose(turned, plain, atol=near)
    for mirrored in (pixels()[::-1], pixels()[:, ::-1]):
        np.testing.assert_allclose(embedder.embed(image(mirrored), one()).vectors[0], plain[::-1], atol=near)
    both = embedder.embed(image(pixels()[::-1]), one()).unhanded()
    np.testing.assert_allclose(both, embedder.embed(image(), one()).unhanded(), atol=near)


def test_of_the_same_picture_the_half_turn_and_the_mirror_images_give_the_same_bytes(model: ModelFolder) -> None:
    backend = TorchBackend(model, "cpu")
    picture = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    turns = (picture, picture[::-1, ::-1], picture[::-1], picture[:, ::-1])
    plain, turned, upside, mirrored = (next(backend.run([np.ascontiguousarray(turn)])) for turn in turns)
    np.testing.assert_array_equal(turned, plain)
    np.testing.assert_array_equal(upside, plain[::-1])
    np.testing.assert_array_equal(mirrored, plain[::-1])


def test_a_quarter_turn_of_the_slide_changes_little(embedder: SpecimenEmbedder) -> None:
    plain = embedder.embed(image(), one()).vectors
    lying = embedder.embed(image(np.rot90(pixels())), one([80.0, 80.0, 90.0, 30.0, 0.0])).vectors
    np.testing.assert_allclose(lying, plain, atol=0.02)


def test_light_contrast_and_colour_of_the_slide_do_not_matter(embedder: SpecimenEmbedder) -> None:
    plain = embedder.embed(image(), one()).vectors
    pale = 100 + 0.4 * pixels().astype(np.float64).mean(axis=2, keepdims=True) * [1.0, 1.0, 1.0]
    other = embedder.embed(image(np.rint(pale).astype(np.uint8)), one()).vectors
    assert np.abs(other - plain).max() < 0.1 * np.abs(plain).max()


def test_what_lies_outside_the_outline_does_not_matter(embedder: SpecimenEmbedder) -> None:
    y, x = np.mgrid[:SIDE, :SIDE] - 79.5
    inside = (x / 15) ** 2 + (y / 45) ** 2 < 1
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    part = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    masks = [CroppedMask(part, int(columns[0]), int(rows[0]))]
    outlined = Detections.of(np.array([BOX]), masks=masks)
    littered = pixels()
    littered[34:37, 62:66] = 0
    plain, dirty = (embedder.embed(image(array), outlined).vectors for array in (pixels(), littered))
    np.testing.assert_allclose(dirty, plain, atol=1e-5)
    boxed = [embedder.embed(image(array), one()).vectors for array in (pixels(), littered)]
    assert np.abs(boxed[0] - boxed[1]).max() > 1e-3
    given = embedder.embed(image(littered), one(), outlines=[outlined.outline(0)])  # type: ignore[list-item]
    np.testing.assert_array_equal(given.vectors, dirty)


def test_a_specimen_has_the_same_bytes_alone_in_a_crowd_and_again(
    model: ModelFolder, embedder: SpecimenEmbedder
) -> None:
    boxes = np.array([[80.0 + k % 5, 80.0 - k % 7, 90.0, 30.0 + k, -1.5] for k in range(19)])
    crowd = embedder.embed(image(), Detections.of(boxes)).vectors
    again = SpecimenEmbedder(model, "cpu", 1).embed(image(), Detections.of(boxes)).vectors
    np.testing.assert_array_equal(crowd, again)
    for k in (0, 7, 8, 18):
        np.testing.assert_array_equal(embedder.embed(image(), one(boxes[k])).vectors[0], crowd[k])
    in_torch = SpecimenEmbedder(model, "cpu", backend=TorchBackend(model, "cpu")).embed(image(), Detections.of(boxes))
    np.testing.assert_allclose(in_torch.vectors, crowd, atol=1e-4)


def test_no_specimens_have_no_vectors(embedder: SpecimenEmbedder) -> None:
    none = embedder.embed(image(), Detections.empty())
    assert none.vectors.shape == (0, 2, DIMENSIONS)
    assert (len(none), none.problems, none.model) == (0, (), "embedder 0")
    assert none.unhanded().shape == (0, DIMENSIONS)


def test_what_cannot_be_seen_is_said_for_each_specimen(embedder: SpecimenEmbedder) -> None:
    boxes = [BOX, [80, 80, 1, 1, 0], [500, 80, 90, 30, 0], [20, 20, 20, 10, 0], [80, 5, 90, 30, -1.57], BOX]
    outlines = [[[65, 35], [95, 35], [80, 125]]] + [[[60, 60], [100, 60], [100, 90]]] * 4 + [[[65, 35], [np.nan, 35]]]
    outlines[3] = [[10, 15], [30, 15], [30, 25], [10, 25]]
    outlines[4] = [[65, -40], [95, -40], [95, 50], [65, 50]]
    found = embedder.embed(image(), Detections.of(np.array(boxes, dtype=np.float64)), outlines=outlines)
    said = [
        "",
        f"1.0 pixels long; {SHORTEST:.0f} are needed",
        "outside the image",
        "does not differ",
        "",
        "not a polygon",
    ]
    for problem, words in zip(found.problems, said, strict=True):
        assert words in problem
        assert bool(problem) == bool(words)
    assert found.known.tolist() == [not words for words in said]
    np.testing.assert_array_equal(np.isfinite(found.vectors).all(axis=(1, 2)), found.known)
    assert np.isnan(found.vectors[~found.known]).all()
    np.testing.assert_array_equal(found.vectors[0], embedder.embed(image(), one(), outlines=outlines[:1]).vectors[0])


def test_specimens_cut_by_the_edge_and_tiny_images_have_vectors(embedder: SpecimenEmbedder) -> None:
    half = image(pixels()[:80])
    assert embedder.embed(half, one()).known.all()
    speck = image(np.arange(27, dtype=np.uint8).reshape(3, 3, 3) * 9)
    assert embedder.embed(speck, one([1.5, 1.5, 9, 2, 0])).known.all()
    dot = embedder.embed(image(np.zeros((1, 1, 3), np.uint8)), one([0.5, 0.5, 9, 2, 0]))
    np.testing.assert_array_equal(np.isfinite(dot.vectors).all(axis=(1, 2)), dot.known)


def test_it_reports_every_specimen_and_stops_when_asked(embedder: SpecimenEmbedder) -> None:
    steps: list[Progress] = []
    three = Detections.of(np.array([BOX] * 3))
    embedder.embed(image(), three, ProgressMonitor(steps.append))
    assert [(step.stage, step.done, step.total) for step in steps] == [("vectors", k, 3) for k in range(4)]
    with pytest.raises(Stopped):
        embedder.embed(image(), three, ProgressMonitor(should_stop=lambda: True))


def test_the_task_of_a_model_decides_what_loads_it(model: ModelFolder, tmp_path: Path) -> None:
    assert isinstance(engines.load_embedder(model, "cpu"), SpecimenEmbedder)
    assert not model.card.finds_specimens
    with pytest.raises(ModelError, match="compares specimens but does not find them"):
        engines.load(model, "cpu")
    for load in (engines.load_classifier, engines.load_outliner):
        with pytest.raises(ModelError, match="is for embedding"):
            load(model, "cpu")
    other = ModelFolder(model.card.model_copy(update={"task": "boxes", "engine": "yolo"}), model.folder)
    with pytest.raises(ModelError, match="is for boxes and does not compare specimens"):
        engines.load_embedder(other, "cpu")


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"embedding": None}, "models for embedding need it"),
        ({"embedding": {"dimensions": 0}}, "dimensions"),
        ({"embedding": {"dimensions": 3, "path": "x"}}, "path"),
        ({"architecture": "embedder/../x"}, "is not a network of the engine embedder"),
        ({"task": "classes", "engine": "classifier", "architecture": "classifier/resnet18"}, "give no vectors"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(entries: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        written(tmp_path / "wrong", **entries)


@pytest.mark.parametrize(
    ("architecture", "words"),
    [
        ("embedder/test_efficientnet/16", "sides of 32 to 1024"),
        ("embedder/test_efficientne/64", "did you mean test_efficientnet"),
        ("classifier/resnet18/64", "is not an architecture of an embedder"),
    ],
)
def test_only_backbones_of_timm_make_embedders(architecture: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        embedder_net.build(architecture)


def test_a_backbone_without_cells_of_that_size_is_refused() -> None:
    with pytest.raises(ModelError, match="no stage with 3 pixels to a cell"):
        embedder_net.build(ARCHITECTURE, EmbeddingFacts(cell=3))


@pytest.mark.parametrize("backbone", ["test_vit/64", "test_resnet/64", "test_convnext/64", "test_mambaout/64"])
def test_backbones_of_other_kinds_give_vectors_alike(backbone: str) -> None:
    network = embedder_net.build(f"embedder/{backbone}", EmbeddingFacts(dimensions=DIMENSIONS)).eval()
    with torch.inference_mode():
        pictures = torch.rand(2, 3, 64, 64)
        plain, mirrored = network(pictures), network(pictures.flip(3))
    assert plain.shape == (2, 2, DIMENSIONS)
    assert isinstance(network, EmbedderNet)
    torch.testing.assert_close(mirrored.flip(1), plain, atol=1e-5, rtol=0)
