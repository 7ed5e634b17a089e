"""The engine of outlines: any boxes in, a mask and a flag for each of them out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file

from napari_diatom import engines
from napari_diatom.analysis.outlining import outline_specimens
from napari_diatom.cli import app as cli
from napari_diatom.core import cropped_masks, geometry
from napari_diatom.core.box_frame import HEIGHT, WIDTH
from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.core.errors import ModelError, Stopped
from napari_diatom.core.mask_polygons import fill
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.engines import outline_net
from napari_diatom.engines.backends import TorchBackend
from napari_diatom.engines.model_writer import write_model
from napari_diatom.engines.network_builder import inference_network
from napari_diatom.engines.outline import MOST_LOOKS, BoxOutliner
from napari_diatom.images.slide_image import SlideImage, from_array
from napari_diatom.measurement.outline_refinement import NO_OUTLINE
from napari_diatom.models.card import ModelCard, ModelFacts
from napari_diatom.models.library import ModelFolder

ARCHITECTURE = "outline/resnet18/32"
BACKGROUND, SPECIMEN = 200, 60


def written(folder: Path, network: torch.nn.Module | None = None, architecture: str = ARCHITECTURE) -> ModelFolder:
    torch.manual_seed(0)
    network = network or outline_net.build(architecture)
    with torch.no_grad():
        # An untrained network says nearly the same of every pixel.
        network.segmentation_head[0].weight.mul_(30)
    return write_model(
        folder,
        network,
        ModelFacts(
            name="outliner",
            version="0",
            task="outlines",
            engine="outline",
            architecture=architecture,
            classes=("diatom",),
            tile_size=outline_net.TILE,
        ),
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return written(tmp_path_factory.mktemp("models") / "outliner")


class Dark:
    """A perfect network for dark specimens on light ground."""

    device = "cpu"
    precision = "single"

    def __init__(self) -> None:
        self.pictures = 0

    def run(self, tiles: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        for tile in tiles:
            self.pictures += 1
            level = (tile.astype(np.float32).mean(axis=2) - SPECIMEN) / (BACKGROUND - SPECIMEN)
            yield np.clip(1 - level, 0, 1)[None]


@pytest.fixture
def perfect(model: ModelFolder) -> BoxOutliner:
    return BoxOutliner(model, backend=Dark())


def slide(boxes: list[tuple[float, ...]], height: int = 500, width: int = 700) -> tuple[SlideImage, list[CroppedMask]]:
    image = np.full((height, width), BACKGROUND, np.uint8)
    masks = []
    for ring in geometry.corners(boxes):
        mask = fill(((ring,),)).within(0, 0, width, height)
        rows, columns = mask.pixels.shape
        image[mask.y0 : mask.y0 + rows, mask.x0 : mask.x0 + columns][mask.pixels] = SPECIMEN
        masks.append(mask)
    return from_array(image, "slide"), masks


def test_both_backends_compute_the_probabilities_of_the_network(model: ModelFolder) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    network = outline_net.build(ARCHITECTURE).eval()
    network.load_state_dict({name: value.float() for name, value in load_file(model.weights).items()}, strict=False)
    centred = picture / 255 - (picture / 255).mean(axis=(0, 1))
    standard = (centred / centred.std(axis=(0, 1))).astype(np.float32)
    with torch.inference_mode():
        expected = torch.sigmoid(network(torch.from_numpy(standard.transpose(2, 0, 1)[None])))[0].numpy()
    assert expected.shape == (1, HEIGHT, WIDTH)
    assert expected.std() > 0.01
    np.testing.assert_allclose(next(TorchBackend(model, "cpu").run([picture])), expected, atol=1e-4)
    engine = engines.load_outliner(model, "cpu", threads=1)
    assert isinstance(engine, BoxOutliner)
    np.testing.assert_allclose(next(engine.backend.run([picture])), expected, atol=1e-3)


@pytest.mark.parametrize("change", [lambda x: x // 2 + 20, lambda x: 255 - (255 - x) // 3], ids=["darker", "paler"])
def test_light_and_contrast_change_no_outline(change: object) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (1, 3, 32, 32))
    before = outline_net.standardized(torch.from_numpy(pixels).float() / 255)
    after = outline_net.standardized(torch.from_numpy(change(pixels)).float() / 255)  # type: ignore[operator]
    assert (before - after).abs().max() < 0.05


def test_an_empty_picture_is_not_stretched_into_noise() -> None:
    flat = torch.full((1, 3, 32, 32), 0.5)
    assert torch.isfinite(outline_net.standardized(flat)).all()
    assert outline_net.standardized(flat + 0.001 * torch.rand(1, 3, 32, 32)).abs().max() < 0.2


def test_specimens_get_their_masks_whatever_the_boxes(perfect: BoxOutliner) -> None:
    oriented = [(200.0, 150.0, 160.0, 40.0, 0.5), (500.0, 300.0, 300.0, 14.0, -0.8), (100.0, 400.0, 70.0, 66.0, 0.0)]
    image, truth = slide(oriented)
    off = [(cx + 4, cy - 3, 1.06 * length, 0.9 * width, angle + 0.01) for cx, cy, length, width, angle in oriented]
    found = perfect.outlines(image, off)
    assert found.flags.tolist() == [0, 0, 0]
    assert min(cropped_masks.mask_iou(*pair) for pair in zip(found.masks, truth, strict=True)) > 0.9


def test_a_slanting_needle_in_an_upright_box_is_looked_at_again_along_itself(perfect: BoxOutliner) -> None:
    needle = (350.0, 250.0, 400.0, 7.0, 0.7)
    image, (truth,) = slide([needle])
    x0, y0, x1, y1 = geometry.bounds([needle])[0]
    found = perfect.outlines(image, [((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, 0.0)])
    assert perfect.backend.pictures == 2  # type: ignore[attr-defined]
    assert found.flags.tolist() == [0]
    assert cropped_masks.mask_iou(found.masks[0], truth) > 0.9


class Blotchy(Dark):
    """Sees a blot round a specimen that fills little of its picture, as an uncertain network does."""

    def run(self, tiles: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        for (said,) in super().run(tiles):
            reach = 25 if (said > 0.5).mean() < 0.1 else 1
            yield cv2.dilate(said, np.ones((reach, reach), np.uint8))[None]


def test_from_a_blot_the_looks_close_in_on_the_specimen(model: ModelFolder) -> None:
    needle = (350.0, 250.0, 400.0, 24.0, 0.7)
    image, (truth,) = slide([needle])
    x0, y0, x1, y1 = geometry.bounds([needle])[0]
    given = [((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, 0.0)]
    engine = BoxOutliner(model, backend=Blotchy())
    found = engine.outlines(image, given)
    assert found.flags.tolist() == [0]
    assert cropped_masks.mask_iou(found.masks[0], truth) > 0.85
    assert 2 <= engine.backend.pictures <= MOST_LOOKS  # type: ignore[attr-defined]


def test_in_a_box_over_two_specimens_one_of_them_is_outlined(perfect: BoxOutliner) -> None:
    left, right = (250.0, 250.0, 200.0, 12.0, 0.8), (380.0, 250.0, 160.0, 12.0, -0.8)
    image, truth = slide([left, right])
    bounds = geometry.bounds([left, right])
    x0, y0, x1, y1 = *bounds[:, :2].min(axis=0), *bounds[:, 2:].max(axis=0)
    found = perfect.outlines(image, [((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, 0.0)])
    overlaps = [cropped_masks.mask_overlap_coefficient(found.masks[0], mask) for mask in truth]
    assert max(overlaps) > 0.9


def test_boxes_beside_and_at_the_edge_of_the_image_end_no_run(perfect: BoxOutliner) -> None:
    image, truth = slide([(0.0, 250.0, 120.0, 40.0, 0.4)])
    boxes = [(0.0, 250.0, 120.0, 40.0, 0.4), (-400.0, 250.0, 60.0, 20.0, 0.0), (790.0, 400.0, 160.0, 60.0, 0.6)]
    found = perfect.outlines(image, boxes)
    assert len(found) == 3
    assert cropped_masks.mask_iou(found.masks[0], truth[0]) > 0.9
    assert [flag & NO_OUTLINE for flag in found.flags.tolist()] == [0, NO_OUTLINE, NO_OUTLINE]


def test_detections_get_masks_and_the_boxes_of_these_masks(perfect: BoxOutliner) -> None:
    true = (200.0, 150.0, 160.0, 40.0, 0.5)
    image, _ = slide([true])
    given = Detections.of([(204, 146, 150, 46, 0.53), (600, 450, 60, 20, 0.1)], scores=[0.9, 0.4])
    outlined = outline_specimens(image, given, perfect)
    assert outlined.outline_flags.tolist() == [0, NO_OUTLINE]
    np.testing.assert_allclose(outlined.boxes[0], true, atol=1.2)
    np.testing.assert_array_equal(outlined.boxes[1], given.boxes[1])
    np.testing.assert_array_equal(outlined.scores, given.scores)
    assert outlined.masks is not None
    assert len(outlined.masks) == 2


def test_no_boxes_are_no_outlines_and_a_stop_is_heeded(perfect: BoxOutliner) -> None:
    image, _ = slide([(200.0, 150.0, 160.0, 40.0, 0.5)])
    assert len(perfect.outlines(image, np.empty((0, 5)))) == 0
    with pytest.raises(Stopped):
        perfect.outlines(image, [(200.0, 150.0, 160.0, 40.0, 0.5)], ProgressMonitor(should_stop=lambda: True))


def test_outlines_do_not_depend_on_the_number_of_threads(model: ModelFolder) -> None:
    image, _ = slide([(200.0, 150.0, 160.0, 40.0, 0.5)])
    boxes = [(200.0 + 9 * k, 150.0 + 20 * k, 160.0, 40.0, 0.3 * k) for k in range(4)]
    one, two = (engines.load_outliner(model, "cpu", threads).outlines(image, boxes) for threads in (1, 2))
    for a, b in zip(one.masks, two.masks, strict=True):
        np.testing.assert_array_equal(a.pixels, b.pixels)


def test_a_model_for_outlines_finds_no_specimens_and_others_draw_no_outlines(model: ModelFolder) -> None:
    with pytest.raises(ModelError, match="does not find them"):
        engines.load(model, "cpu")
    with pytest.raises(ModelError, match="does not name"):
        engines.load_classifier(model, "cpu")
    other = ModelFolder(
        model.card.model_copy(update={"task": "semantic", "engine": "deeplab", "architecture": "deeplabv3plus/a/8"}),
        model.folder,
    )
    with pytest.raises(ModelError, match="does not outline specimens in boxes"):
        engines.load_outliner(other, "cpu")


def test_the_command_line_lists_such_a_model_and_refuses_it_where_specimens_are_to_be_found(
    model: ModelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "own"))
    assert cli.main(["models", "import", str(model.folder)]) == 0
    capsys.readouterr()
    assert cli.main(["models", "list"]) == 0
    [row] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("outliner ")]
    assert "outlines" in row
    assert cli.main(["models", "show", "outliner"]) == 0
    assert "engine: outline" in capsys.readouterr().out
    Image.new("RGB", (64, 64)).save(tmp_path / "slide.png")
    command = ["count", str(tmp_path / "slide.png"), "-o", str(tmp_path / "out")]
    assert cli.main([*command, "--model", "outliner"]) == 2
    assert "does not find them" in capsys.readouterr().err
    assert cli.main([*command, "--namer", "outliner"]) == 2
    assert "does not name" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("architecture", ["outline/resnet18/32/..", "outline/../../x/32", "yolo11n", "outline"])
def test_a_card_names_a_network_of_outlines_and_its_task(architecture: str, model: ModelFolder) -> None:
    entries = model.card.model_dump()
    with pytest.raises(ValueError, match="is not a network of the engine outline"):
        ModelCard.model_validate(entries | {"architecture": architecture})
    with pytest.raises(ValueError, match="gives outlines, not semantic"):
        ModelCard.model_validate(entries | {"task": "semantic"})


@pytest.mark.parametrize("architecture", ["outline/no_such_encoder/32", "outline/resnet18/9999"])
def test_networks_that_are_not_there_are_refused(architecture: str) -> None:
    with pytest.raises(ModelError):
        outline_net.build(architecture)


@pytest.mark.parametrize("kind", ["damaged", "not numbers"])
def test_hostile_weights_are_refused(kind: str, tmp_path: Path) -> None:
    model = written(tmp_path / "outliner")
    card = model.card
    if kind == "damaged":
        model.weights.write_bytes(model.weights.read_bytes()[:-100])
    else:
        tensors = load_file(model.weights)
        name = next(name for name, value in tensors.items() if value.is_floating_point())
        tensors[name] = torch.full_like(tensors[name], float("nan"))
        save_file(tensors, model.weights)
        card = card.model_copy(update={"sha256": hashlib.sha256(model.weights.read_bytes()).hexdigest()})
    with pytest.raises(ModelError):
        engines.load_outliner(ModelFolder(card, model.folder), "cpu", threads=1)


@pytest.mark.parametrize("kind", ["of another network", "claims a giant"])
def test_weights_that_are_not_the_networks_are_refused(kind: str, tmp_path: Path) -> None:
    model = written(tmp_path / "outliner")
    card = model.card
    if kind == "of another network":
        tensors = load_file(model.weights)
        tensors.pop(next(iter(tensors)))
        save_file(tensors, model.weights)
    else:
        card = card.model_copy(update={"architecture": "outline/tu-resnet152/1024"})
    # As the process that prepares the network for a processor builds it.
    with pytest.raises(ModelError, match="does not hold this network's weights"):
        inference_network(ModelFolder(card, model.folder))
