"""Models for outlines on a test set: the true boxes, boxes off as detectors' are, the report, and two models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike

from diatom_training.evaluation.outlined_tests import outline_test_set
from diatom_training.evaluation.test_set import TestImage as ImageOfTest
from helpers.tiny import NETWORKS, draw_slides
from napari_diatom import engines
from napari_diatom.cli import app as cli
from napari_diatom.core import geometry
from napari_diatom.core.cropped_masks import CroppedMask
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.mask_polygons import fill
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.engines import classifier_net, outline_net
from napari_diatom.engines.model_writer import write_model
from napari_diatom.images.slide_image import ReadableImage, from_array
from napari_diatom.measurement.outline_refinement import NO_OUTLINE, BoxOutlines
from napari_diatom.models.card import ModelFacts, NamingFacts
from napari_diatom.models.library import ModelFolder, resolve_model

GROUP = r"^(s\d)_"
Printed = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_slides(tmp_path_factory.mktemp("slides"))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models for outlines, and one that names, none of which has learnt anything."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("first", "second"):
        torch.manual_seed(len(name))
        write_model(
            folder / name,
            outline_net.build(NETWORKS["outlines"]),
            ModelFacts(
                name=name,
                version="1",
                task="outlines",
                engine="outline",
                architecture=NETWORKS["outlines"],
                classes=("diatom",),
                tile_size=outline_net.TILE,
            ),
        )
    write_model(
        folder / "namer",
        classifier_net.build(NETWORKS["classes"], 2),
        ModelFacts(
            name="namer",
            version="1",
            task="classes",
            engine="classifier",
            architecture=NETWORKS["classes"],
            classes=("needle", "square"),
            tile_size=64,
            naming=NamingFacts(),
        ),
    )
    return folder


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Printed:
    def run(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(part) for part in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


class FilledBoxes:
    """Takes each box for the specimen in it, as is right of drawn needles and squares in their true boxes."""

    device = "cpu"
    precision = "single"

    def __init__(self, share: float = 1.0, none_above: float = np.inf) -> None:
        self.share = share
        self.none_above = none_above
        self.boxes: list[np.ndarray] = []

    def outlines(self, image: ReadableImage, boxes: ArrayLike, monitor: ProgressMonitor = UNWATCHED) -> BoxOutlines:
        given = np.array(boxes, dtype=np.float64)
        self.boxes.append(given)
        masks, flags = [], []
        for box in given:
            if box[2] > self.none_above:
                masks.append(CroppedMask(np.zeros((1, 1), dtype=np.bool_), 0, 0))
                flags.append(NO_OUTLINE)
                continue
            box = box * (1, 1, self.share, self.share, 1)
            masks.append(fill(((geometry.corners(box[None])[0],),)).within(0, 0, image.width, image.height))
            flags.append(0)
        return BoxOutlines(tuple(masks), np.array(flags, dtype=np.uint8))


def loading(monkeypatch: pytest.MonkeyPatch, **by_name: FilledBoxes) -> None:
    """Let models of some names outline as is said here."""
    monkeypatch.setattr(engines, "load_outliner", lambda model, device="auto": by_name[model.card.name])


def written(out: Path) -> dict:
    return json.loads((out / "report.json").read_text(encoding="utf-8"))


def values(out: Path) -> dict[str, float]:
    return {name: entry["value"] for name, entry in written(out)["intervals"].items()}


def test_a_model_is_given_the_true_boxes_and_boxes_that_are_off(
    tmp_path: Path, slides: Path, models: Path, command: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = FilledBoxes()
    loading(monkeypatch, first=engine)
    code, printed, _ = command("evaluate", models / "first", slides, "-o", tmp_path, "--group", GROUP, "--part", "all")
    assert code == 0
    assert "first 1" in printed
    assert "Dice, true boxes" in printed
    assert "threshold" not in printed
    found = values(tmp_path)
    assert found["true_box_outline_iou"] > 0.9 > found["outline_iou"] > 0.5
    assert found["true_box_mask_ap75"] > 0.99 > found["mask_ap75"]
    assert found["true_box_boundary_error_px"] < 0.5 < found["boundary_error_px"] < 5
    assert found["true_box_length_error"] < 0.03 < found["length_error"] < 0.2
    # What only repeats its box refines nothing.
    assert found["length_error"] == pytest.approx(found["box_length_error"], abs=0.03)
    assert found["flagged"] == 0
    report = written(tmp_path)
    assert report["units"] == {"kind": "slides", "number": 4}
    interval = report["intervals"]["outline_dice"]
    assert interval["low"] < interval["value"] < interval["high"]
    assert interval["of"] == 16
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "In boxes as inexact as a detector" in page
    assert page.count("data:image/jpeg") == 10
    assert "average symmetric surface distance" in page


def test_every_model_is_given_the_same_boxes(
    tmp_path: Path, slides: Path, models: Path, command: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = FilledBoxes(), FilledBoxes(0.5)
    loading(monkeypatch, first=one, second=other)
    code, printed, _ = command(
        "evaluate", models / "first", slides, "-o", tmp_path, "--compare", models / "second", "--group", GROUP
    )
    assert code == 0
    assert "Dice: " in printed
    assert "Length error of the given boxes" not in printed
    assert all(np.array_equal(*pair) for pair in zip(one.boxes, other.boxes, strict=True))
    rows = {row["figure"]: row for row in written(tmp_path)["differences"]}
    assert rows["outline_dice"]["difference"]["value"] < -0.2
    assert rows["boundary_error_px"]["difference"]["value"] > 0.5
    assert rows["true_box_mask_ap50"]["second"] == 0
    assert "on the same 4 slides" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_specimen_without_an_outline_counts_as_missed_and_is_shown_flagged(
    tmp_path: Path, slides: Path, models: Path, command: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading(monkeypatch, first=FilledBoxes(none_above=40))
    assert command("evaluate", models / "first", slides, "-o", tmp_path, "--group", GROUP)[0] == 0
    found = values(tmp_path)
    assert found["flagged"] == found["true_box_flagged"] == 0.5
    assert 0.4 < found["true_box_outline_iou"] < 0.55
    assert found["true_box_boundary_error_px"] < 0.5
    shown = written(tmp_path)["mistakes"]
    assert {item["mistake"]["kind"] for item in shown} == {"outline"}
    assert shown[0]["mistake"]["words"] == "needle outlined with an IoU of 0.00; flagged: no outline"


def test_specimens_known_by_their_boxes_alone_are_left_out(
    tmp_path: Path, models: Path, command: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = draw_slides(tmp_path)
    data = json.loads(file.read_text())
    for note in data["annotations"][:3]:
        del note["segmentation"]
    file.write_text(json.dumps(data))
    loading(monkeypatch, first=FilledBoxes())
    code, printed, _ = command("evaluate", models / "first", file, "-o", tmp_path / "out", "--group", GROUP)
    assert code == 0
    assert "3 specimens are boxes without an outline, and are left out." in printed
    assert written(tmp_path / "out")["outlining"]["specimens"] == 13
    for note in data["annotations"]:
        note.pop("segmentation", None)
    file.write_text(json.dumps(data))
    code, _, told = command("evaluate", models / "first", file, "-o", tmp_path / "out2", "--group", GROUP)
    assert code == 2
    assert "None of 16 annotated specimens has an outline to compare with" in told
    assert not (tmp_path / "out2").exists()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--threshold", "0.5"), "so there is no threshold: leave --threshold out"),
        (
            ("--compare", "namer"),
            "first outlines specimens, and the other model names them, so",
        ),
        (("--compare", "diatom-obb"), "first outlines specimens, and the other model finds them"),
    ],
)
def test_what_does_not_go_with_outlines_is_refused(
    tmp_path: Path, slides: Path, models: Path, command: Printed, options: tuple[str, str], problem: str
) -> None:
    flag, value = options
    chosen = str(models / value) if (models / value).exists() else value
    code, _, told = command(
        "evaluate", models / "first", slides, "-o", tmp_path / "out", "--group", GROUP, flag, chosen
    )
    assert code == 2
    assert problem in " ".join(told.split())
    assert not (tmp_path / "out").exists()


def test_masks_of_test_images_are_compared_where_they_have_no_outlines(models: Path) -> None:
    model: ModelFolder = resolve_model(str(models / "first"))
    pixels = np.full((80, 120, 3), 180, dtype=np.uint8)
    box = np.array([[60.0, 40.0, 70.0, 20.0, 0.0]])
    mask = fill(((geometry.corners(box)[0],),))
    image = ImageOfTest(from_array(pixels, "one"), "s", Detections.of(box, masks=[mask]))
    tested = outline_test_set(model, [image], "cpu")
    assert tested.errors[1].iou.shape == (1,)
    assert tested.left_out == 0
    with pytest.raises(InputError, match="has an outline to compare with"):
        outline_test_set(model, [ImageOfTest(from_array(pixels, "one"), "s", Detections.of(box))], "cpu")
