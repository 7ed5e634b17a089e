"""Grad-CAM and attention roll-out against what they are by definition."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from diatom_training.explanation.attention_rollout import attention_rollout, has_attention
from diatom_training.explanation.explanation import HeatMap
from diatom_training.explanation.grad_cam import Target, grad_cam
from diatom_training.explanation.network_opening import open_network
from diatom_training.explanation.specimen_views import AROUND, ExplainedSpecimen, SpecimenView, view_of
from napari_diatom.core.errors import InputError
from napari_diatom.engines.model_writer import write_model
from napari_diatom.engines.networks import build
from napari_diatom.engines.torchvision_engine import TorchvisionEngine
from napari_diatom.images.slide_image import from_array
from napari_diatom.models import library
from napari_diatom.models.architecture_names import engine_of
from napari_diatom.models.card import ModelFacts, task_of
from napari_diatom.tiling.tiles import Tile


class Averaging(torch.nn.Module):
    """A convolution, the mean over the picture, and weights: the network for which Grad-CAM is exact."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.maps = torch.nn.Conv2d(3, 5, 3, padding=1)
        self.head = torch.nn.Linear(5, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.maps(images).mean(dim=(2, 3)))


def test_grad_cam_of_averaged_maps_is_their_weighted_sum() -> None:
    network, picture = Averaging(), torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(1))
    target = Target("logit of the second class", 0.5, "maps", lambda net, images: net(images)[:, 1])
    found = grad_cam(network, picture, target)
    with torch.no_grad():
        expected = (network.head.weight[1][:, None, None] * network.maps(picture)[0]).sum(dim=0).clamp(min=0).numpy()
    np.testing.assert_allclose(found.values, expected / expected.max(), atol=1e-6)


def test_the_share_within_a_mask_is_of_the_map_as_it_is_laid() -> None:
    values = np.zeros((4, 4), np.float32)
    values[1, 1] = values[3, 3] = 1
    mask = np.zeros((32, 32), bool)
    mask[8:16, 8:16] = True
    heat = HeatMap("Grad-CAM", "layer", values)
    assert heat.cell(32, 32) == (8, 8)
    assert heat.grown(mask).sum() > mask.sum()
    # The two cells weigh the same, but for what interpolation lays over the edge.
    assert heat.share_within(mask) == pytest.approx(0.5, abs=0.1)
    assert np.isnan(HeatMap("Grad-CAM", "layer", np.zeros((4, 4), np.float32)).share_within(mask))
    part = HeatMap("Grad-CAM", "layer", np.ones((2, 2), np.float32), (8, 8, 16, 16))
    assert part.share_within(mask) == pytest.approx(1)
    assert part.over(32, 32)[~mask].max() == 0


def test_roll_out_multiplies_the_attention_of_all_layers_and_leaves_the_network_as_it_was() -> None:
    torch.manual_seed(0)
    encoder = timm.create_model("test_vit", pretrained=False, num_classes=0).eval()
    assert has_attention(encoder)
    assert not has_attention(timm.create_model("test_resnet", pretrained=False, num_classes=0))
    picture = torch.rand(1, 3, 160, 160)
    with torch.no_grad():
        before = encoder(picture)
        found = attention_rollout(encoder, encoder, picture)
        assert torch.equal(encoder(picture), before)
    tokens, rolled = None, None
    with torch.no_grad():
        tokens = encoder.norm_pre(encoder._pos_embed(encoder.patch_embed(picture)))
        for block in encoder.blocks:
            part = block.attn
            given = block.norm1(tokens)
            queries, keys, _ = (
                part.qkv(given).reshape(1, -1, 3, part.num_heads, part.head_dim).permute(2, 0, 3, 1, 4).unbind(0)
            )
            queries, keys = part.q_norm(queries), part.k_norm(keys)
            attention = (queries * part.scale @ keys.transpose(-2, -1)).softmax(dim=-1)[0].mean(dim=0)
            mixed = 0.5 * attention + 0.5 * torch.eye(len(attention))
            rolled = mixed if rolled is None else mixed @ rolled
            tokens = block(tokens)
    expected = rolled[0, 1:].reshape(10, 10).numpy()
    np.testing.assert_allclose(found.values, expected / expected.max(), atol=1e-5)


@pytest.mark.parametrize("model", ["diatom-obb", "diatom-deeplab", "diatom-outline"])
def test_a_view_shows_the_specimen_where_it_says(model: str) -> None:
    field = np.full((300, 420, 3), 180, np.uint8)
    specimen = ExplainedSpecimen(1, np.array([372.0, 60.0, 80.0, 24.0, 0.4]))
    image = from_array(field.copy(), "field", rgb=True)
    mask = view_of(library.resolve_model(model).card, image, specimen, None).mask_of(specimen.ring)
    rows, columns = np.nonzero(mask)
    view = view_of(library.resolve_model(model).card, image, specimen, None)
    centre = view.to_image([[columns.mean() + 0.5, rows.mean() + 0.5]])[0]
    np.testing.assert_allclose(centre, specimen.box[:2], atol=1.0)
    area = mask.sum() * abs(float(np.linalg.det(view.linear)))
    assert area == pytest.approx(80 * 24, rel=0.05)
    if model != "diatom-outline":
        # Twice as wide as the specimen is long, moved inwards at the edges of the image.
        assert view.pixels.shape[:2] == (192, 192)
        assert AROUND * 80 <= 192
        assert (view.offset >= 0).all()


@pytest.mark.parametrize(
    "architecture",
    ["unet/tu-test_efficientnet/16", "segnet/vgg11_bn", "fcn/resnet50", "fasterrcnn/test_efficientnet/8"],
)
def test_networks_of_every_shape_show_their_levels(architecture: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    engine = engine_of(architecture)
    facts = ModelFacts(
        name="tiny",
        version="1",
        task=task_of(engine, architecture),
        engine=engine,
        architecture=architecture,
        classes=("diatom",),
        tile_size=64,
    )
    opened = open_network(write_model(tmp_path / "tiny", build(architecture, 1), facts), "cpu")
    levels = opened.levels(torch.rand(1, 3, 64, 64))
    assert len(levels) >= 3
    assert all(level.ndim == 4 and level.shape[-1] >= after.shape[-1] for level, after in itertools.pairwise(levels))


ONE_STAGE = [
    "ssd/test_efficientnet/16",
    "ssdlite/test_efficientnet/16",
    "retinanet/test_efficientnet/16",
    "fcos/test_efficientnet/64",
]


@pytest.mark.parametrize("architecture", ONE_STAGE)
def test_networks_of_one_stage_explain_the_score_that_they_give_a_box(architecture: str, tmp_path: Path) -> None:
    torch.manual_seed(5)
    facts = ModelFacts(
        name="tiny",
        version="1",
        task="boxes",
        engine="boxes",
        architecture=architecture,
        classes=("needle", "square"),
        tile_size=256,
        mean=(0.5,) * 3,
        std=(0.2,) * 3,
    )
    model = write_model(tmp_path / "tiny", build(architecture, 2), facts)
    pixels = np.random.default_rng(0).integers(90, 200, (192, 192, 3), dtype=np.uint8)
    engine = TorchvisionEngine(model, "cpu")
    engine._network.topk_candidates = 10_000
    # Of a network that has learnt nothing, many boxes are as good as each other: the best one of all is clear.
    side = 192
    ((_, found),) = engine.predict([Tile(0, pixels)], 1e-4)
    best = int(np.argmax(found.scores))
    x, y, length, width, angle = found.boxes[best].astype(float)
    specimen = ExplainedSpecimen(7, np.array([x, y, length, width, angle]))
    view = SpecimenView(pixels, np.eye(2), np.zeros(2))
    opened = open_network(model, "cpu")
    picture = opened.picture(view)
    target = opened.target(picture, view, specimen)
    assert target.score == pytest.approx(float(found.scores[best]), rel=1e-3)
    assert target.explained == f"score of the box as {found.classes[int(found.class_ids[best])]}"
    # Padded to the coarsest level, as in a run, the picture is 256 wide.
    cam = grad_cam(opened.network, picture, target)
    assert cam.area == (0, 0, 256, 256)
    level = int(target.layer.removeprefix("levels."))
    assert cam.values.shape == (32 >> level, 32 >> level)
    assert cam.values.max() == 1
    levels = opened.levels(picture)
    assert [round(side / level.shape[-1]) for level in levels][-1] == 32
    far = ExplainedSpecimen(8, np.array([4000.0, 4000.0, 30.0, 20.0, 0.0]))
    with pytest.raises(InputError, match="gives no box where specimen 8 is"):
        opened.target(picture, view, far)
