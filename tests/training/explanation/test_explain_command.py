"""What a network sees, on the command line and in Python: each engine, and what cannot be explained."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import napari_diatom as nd
from helpers import REPOSITORY
from napari_diatom.cli import app as cli
from napari_diatom.core.errors import InputError
from napari_diatom.engines import classifier_net
from napari_diatom.engines.model_writer import write_model
from napari_diatom.models.card import ModelFacts, NamingFacts

Command = Callable[..., tuple[int, str, str]]

SLIDE = REPOSITORY / "sample_data" / "slides" / "river_bright_field_40x.jpg"
BACKBONES = {"convolutional": "tu-test_efficientnet/64", "transformer": "tu-test_vit/160"}


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A piece of a sample slide with a few valves."""
    path = tmp_path_factory.mktemp("slides") / "field.png"
    picture = cv2.imread(str(SLIDE))
    cv2.imwrite(str(path), picture[380:900, 1500:2140])
    return path


@pytest.fixture(scope="module")
def namers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Classifiers on two kinds of backbone, which have learnt nothing."""
    folder = tmp_path_factory.mktemp("models")
    for name, backbone in BACKBONES.items():
        torch.manual_seed(0)
        architecture = f"classifier/{backbone}"
        facts = ModelFacts(
            name=name,
            version="1.0",
            task="classes",
            engine="classifier",
            architecture=architecture,
            classes=("Navicula", "Nitzschia"),
            tile_size=1024,
            mean=(0.5,) * 3,
            std=(0.2,) * 3,
            naming=NamingFacts(),
        )
        write_model(folder / name, classifier_net.build(architecture, 2), facts)
    return folder


@pytest.fixture
def explain(field: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*arguments: object) -> tuple[int, str, str]:
        words = ["explain", str(field), "-o", str(tmp_path / "out"), "--device", "cpu", *map(str, arguments)]
        code = cli.main(words)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def written(out: Path) -> tuple[dict, str]:
    """Return the figures and the page."""
    return json.loads((out / "report.json").read_text("utf-8")), (out / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("model", "score"),
    [
        ("diatom-obb", "score of the box"),
        ("diatom-box", "score of the box"),
        ("diatom-deeplab", "mean probability of diatom over its pixels"),
        ("diatom-maskrcnn", "score of the box"),
        ("diatom-outline", "mean probability of the outline over its pixels"),
    ],
)
def test_each_engine_has_a_score_to_explain_and_looks_at_the_specimen(
    explain: Command, tmp_path: Path, model: str, score: str
) -> None:
    code, out, _ = explain("--model", model, "--number", 1)
    assert code == 0
    assert re.search(rf"specimen \d+: {score} 0\.\d\d\d\n1 specimen explained", out)
    figures, page = written(tmp_path / "out")
    assert figures["model"].startswith(model)
    (specimen,) = figures["specimens"]
    assert specimen["explained"] == score
    assert 0.5 < specimen["score"] <= 1
    (cam,) = specimen["heat_maps"]
    assert cam["method"] == "Grad-CAM"
    # Far more of the map than of the picture.
    assert cam["share_within_specimen"] > 1.5 * cam["share_of_picture"]
    x, y, length, *_ = specimen["box"]
    assert np.hypot(cam["peak_x_px"] - x, cam["peak_y_px"] - y) < length / 2
    depths = [(maps["depth"], maps["cell_px"]) for maps in specimen["feature_maps"]]
    assert [name for name, _ in depths] == ["shallow", "middle", "deep"]
    assert depths[0][1] < depths[1][1] <= depths[2][1]
    # The picture, the map over it, and eight maps of each layer.
    assert page.count("data:image/png;base64") == 2 + 24


@pytest.mark.parametrize(("name", "methods"), [("convolutional", 1), ("transformer", 2)])
def test_names_are_explained_and_transformers_show_their_attention(
    explain: Command, tmp_path: Path, namers: Path, name: str, methods: int
) -> None:
    code, out, _ = explain("--model", namers / name, "--number", 1)
    assert code == 0
    assert re.search(r"probability of (Navicula|Nitzschia) 0\.\d+", out)
    figures, page = written(tmp_path / "out")
    (specimen,) = figures["specimens"]
    assert [heat["method"] for heat in specimen["heat_maps"]] == ["Grad-CAM", "attention roll-out"][:methods]
    assert ("Attention roll-out follows" in page) == (methods == 2)
    if methods == 2:
        # Patches of 16 pixels.
        assert {(heat["rows"], heat["columns"]) for heat in specimen["heat_maps"]} == {(10, 10)}


def test_specimens_are_chosen_by_their_numbers(explain: Command, tmp_path: Path) -> None:
    assert explain("--specimens", "2,1,2")[0] == 0
    assert [specimen["specimen"] for specimen in written(tmp_path / "out")[0]["specimens"]] == [1, 2]
    code, _, err = explain("--specimens", "1,77")
    assert code == 2
    assert "There is no specimen 77" in err
    assert len(err.splitlines()) == 1


def test_what_cannot_be_explained_is_said_in_words(explain: Command, tmp_path: Path, field: Path) -> None:
    code, _, err = explain("--finder", "diatom-box")
    assert (code, "finds specimens itself" in err) == (2, True)
    code, _, err = explain("--model", "diatom-outline", "--finder", "diatom-outline")
    assert (code, "finds no specimens" in err) == (2, True)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="nothing to explain"):
        nd.explain(np.full((128, 128, 3), 200, np.uint8), device="cpu")
    with pytest.raises(InputError, match="1 or more"):
        nd.explain(field, specimens=0)
    with pytest.raises(InputError, match="one or more"):
        nd.explain(field, specimens=[])
    with pytest.raises(InputError, match="list of numbers"):
        nd.explain(field, specimens="all")


def test_python_gives_the_maps_that_the_page_shows(field: Path, tmp_path: Path) -> None:
    steps = []
    (explanation,) = nd.explain(
        field, "diatom-obb", tmp_path / "out", specimens=[2], device="cpu", report=lambda step: steps.append(step.stage)
    )
    figures, _ = written(tmp_path / "out")
    assert figures["specimens"][0]["score"] == explanation.score
    (cam,) = explanation.heat_maps
    assert cam.values.max() == pytest.approx(1)
    assert cam.values.min() >= 0
    assert explanation.features[0].maps.shape[0] == 8
    assert {"tiles", "explained"} <= set(steps)
    # The picture lies where the specimen is.
    middle = explanation.view.to_picture(explanation.specimen.box[None, :2])[0]
    assert explanation.mask[int(middle[1]), int(middle[0])]
