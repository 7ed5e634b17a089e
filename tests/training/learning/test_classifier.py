"""Naming specimens: cut-outs, classifiers and their training, calibration, taxa and tables."""

from __future__ import annotations

import csv
import json
import shutil
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from diatom_training.data.examples import Example
from diatom_training.learning import classifier_crops, dataloaders
from diatom_training.learning.fitting import Fitting, Trained
from diatom_training.learning.options import LearningOptions, LossOptions
from diatom_training.learning.train import train
from diatom_training.metrics import name_confidence
from diatom_training.metrics.naming_figures import naming_figures
from diatom_training.metrics.reliability import calibration
from helpers.fakes import BlobEngine, card, loader, model_folder
from napari_diatom import engines
from napari_diatom.cli import app as cli
from napari_diatom.cli.count import run_count
from napari_diatom.core import geometry
from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.core.errors import InputError, ModelError, Stopped
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.core.taxa import UNKNOWN, Name, Names, by_taxon, genus_of
from napari_diatom.engines import classifier_net
from napari_diatom.engines.model_writer import write_model
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.images.slide_image import from_array
from napari_diatom.images.specimen_crops import View, upright_cutout
from napari_diatom.models import library
from napari_diatom.models.card import ModelFacts, NamingFacts
from napari_diatom.models.library import ModelFolder

OPTIONS = LearningOptions(
    architecture="classifier/tu-test_efficientnet/64",
    classes=("needle", "square"),
    batch=8,
    crops=64,
    epochs=6,
    rate=4e-3,
    validation_crops=40,
    warmup=2,
    frozen_epochs=0,
    average_decay=0.8,
    workers=0,
)
BOXES = np.array([[70, 60, 90, 12, 0.4], [30, 90, 30, 29, 0.0], [110, 25, 60, 8, 1.3], [25, 25, 26, 26, 0.0]])
IDS = (0, 1, 0, 1)


def draw(path: Path, seed: int) -> Example:
    """Return a slide of two needles and two squares on uneven grey."""
    rng = np.random.default_rng(seed)
    image = rng.normal(160, 6, (120, 140, 3)).clip(0, 255).astype(np.uint8)
    boxes = BOXES.copy()
    boxes[:, 4] += np.where(np.array(IDS) == 0, rng.uniform(-0.3, 0.3), 0)
    corners = geometry.corners(boxes).astype(np.float32)
    cv2.fillPoly(image, list(np.rint(corners).astype(np.int32)), (40, 60, 80))
    cv2.imwrite(str(path), image)
    return Example(path, tuple(corners), tuple(boxes[:, 4].tolist()), IDS, group=path.stem)


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    folder = tmp_path_factory.mktemp("slides")
    return [draw(folder / f"{k}.png", k) for k in range(4)]


@pytest.fixture(scope="module")
def trained(slides: list[Example], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(Fitting(slides[:2], OPTIONS, tmp_path_factory.mktemp("run"), validation=slides[2:]))


@pytest.fixture(scope="module")
def model(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return write(tmp_path_factory.mktemp("models") / "shapes", trained)


def write(folder: Path, trained: Trained, **entries: object) -> ModelFolder:
    facts: dict[str, object] = {"thresholds": {"needle": 0.5, "square": 0.5}, "naming": NamingFacts()} | entries
    return write_model(
        folder,
        trained.network,
        ModelFacts(
            name=folder.name,
            version="1.0",
            task="classes",
            engine="classifier",
            architecture=OPTIONS.architecture,
            classes=OPTIONS.classes,
            tile_size=64,
            mean=trained.mean,
            std=trained.std,
            **facts,
        ),
    )


def pixels_of(example: Example) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(example.image)), cv2.COLOR_BGR2RGB)


def test_shapes_are_learnt_and_named(trained: Trained, model: ModelFolder, slides: list[Example]) -> None:
    assert trained.history[-1]["val_accuracy"] > 0.9
    assert trained.history[-1]["val_f1"] > 0.9
    assert trained.history[-1]["val_loss"] < trained.history[0]["val_loss"]
    namer = engines.load_classifier(model, "cpu")
    image = from_array(pixels_of(slides[3]), "slide")
    found = Detections.of(np.vstack([BOXES, [[-300, 20, 40, 9, 0.2]]]), classes=("diatom",))
    seen: list[Progress] = []
    names = namer.name(image, found, ProgressMonitor(seen.append))
    assert [verdict.taxon for verdict in names.verdicts] == ["needle", "square", "needle", "square", "needle"]
    # What lies outside of the image could be anything.
    assert names.probabilities[4].tolist() == [0.5, 0.5]
    np.testing.assert_allclose(names.probabilities.sum(axis=1), 1, atol=1e-5)
    assert (seen[-1].stage, seen[-1].done, seen[-1].total) == ("names", 4, 4)
    assert len(namer.name(image, found[[]])) == 0
    with pytest.raises(Stopped):
        namer.name(image, found, monitor=ProgressMonitor(should_stop=lambda: True))


def test_a_stopped_training_goes_on_to_the_same_weights(tmp_path: Path, slides: list[Example]) -> None:
    options = OPTIONS.model_copy(update={"crops": 16, "epochs": 3, "frozen_epochs": 1})
    whole = train(Fitting(slides[:2], options, tmp_path / "whole", validation=slides[2:]))
    stop = threading.Event()

    def stop_in_the_second_epoch(progress: Progress) -> None:
        if progress.stage == "step" and progress.done * options.batch > options.crops:
            stop.set()

    with pytest.raises(Stopped):
        train(
            Fitting(slides[:2], options, tmp_path / "halves", validation=slides[2:]),
            ProgressMonitor(stop_in_the_second_epoch, stop.is_set),
        )
    again = train(Fitting(slides[:2], options, tmp_path / "halves", validation=slides[2:]))
    assert again.history == whole.history
    theirs = whole.network.state_dict()
    for name, value in again.network.state_dict().items():
        assert torch.equal(value, theirs[name]), name


def test_cutouts_depend_on_seed_epoch_and_number_alone(slides: list[Example]) -> None:
    one, again = dataloaders.seen(slides, OPTIONS, 1), dataloaders.seen(slides, OPTIONS, 1)
    assert np.array_equal(one[5].pixels, again[5].pixels)
    assert not np.array_equal(one[5].pixels, dataloaders.seen(slides, OPTIONS, 2)[5].pixels)
    validated = classifier_crops.Cutouts(slides, OPTIONS, None)
    assert len(validated) == 16
    assert [validated[k].class_id for k in range(4)] == list(IDS)
    assert len(classifier_crops.Cutouts(slides, OPTIONS.model_copy(update={"validation_crops": 5}), None)) == 5


def test_all_classes_are_shown_as_often() -> None:
    weights, ids = np.array([1.0, 1, 1, 1, 2]), np.array([0, 0, 0, 0, 2])
    np.testing.assert_allclose(classifier_crops.balanced(weights, ids, 1.0), [1 / 8] * 4 + [1 / 2])
    np.testing.assert_allclose(classifier_crops.balanced(weights, ids, 0.0), [1 / 6] * 4 + [1 / 3])


def test_rare_classes_may_weigh_more_and_truths_be_softened(tmp_path: Path, slides: list[Example]) -> None:
    loss = LossOptions(class_weights=(1.0, 3.0), label_smoothing=0.2)
    options = LearningOptions(**OPTIONS.model_dump() | {"loss": loss, "epochs": 1, "crops": 8})
    assert train(Fitting(slides, options, tmp_path)).history[0]["val_loss"] > 0.2
    with pytest.raises(ValueError, match="needs 2 numbers and has 3"):
        LearningOptions(**OPTIONS.model_dump() | {"loss": LossOptions(class_weights=(1.0, 1.0, 1.0))})


@pytest.mark.parametrize("angle", [-1.2, 0.0, 0.7])
def test_a_cutout_is_upright_and_masked(angle: float) -> None:
    box = np.array([150.0, 150.0, 100.0, 20.0, angle])
    image = np.full((300, 300, 3), (90, 120, 150), np.uint8)
    # A neighbour close by, which must not be seen.
    beside = box[:2] + 26 * np.array([-np.sin(angle), np.cos(angle)])
    cv2.fillPoly(image, [np.rint(geometry.corners([[*beside, 60, 12, angle]])[0]).astype(np.int32)], (250, 250, 0))
    cv2.fillPoly(image, [np.rint(geometry.corners([box])[0]).astype(np.int32)], (20, 20, 20))
    cutout = upright_cutout(from_array(image, "a"), box, 100)
    shown = cutout.masked()
    dark = (shown < 60).all(axis=2)
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    assert len(rows) == pytest.approx(80, abs=3)
    assert len(columns) == pytest.approx(16, abs=3)
    assert (cutout.pixels > 200).any()
    assert not (shown > 200).any()
    assert (shown[:, :20] == (90, 120, 150)).all()
    # By its own outline only half of it is left.
    half = geometry.corners([[*(box[:2] + 25 * np.array([np.cos(angle), np.sin(angle)])), 50, 20, angle]])[0]
    lower = (upright_cutout(from_array(image, "a"), box, 100, half).masked() < 60).all(axis=2)
    assert lower[60:85].any()
    assert not lower[:40].any()


def test_a_cutout_can_be_turned_mirrored_and_cut_by_the_edge() -> None:
    image = np.full((200, 200, 3), 100, np.uint8)
    image[95:105, 60:100] = 250
    box = (100.0, 100.0, 80.0, 10.0, 0.0)
    # The bright half lies where the axis begins: at the top.
    plain = upright_cutout(from_array(image, "a"), box, 64).pixels[..., 0]
    assert plain[:32].mean() > plain[32:].mean() + 5
    flipped = upright_cutout(from_array(image, "a"), box, 64, view=View(mirrored=(False, True))).pixels[..., 0]
    assert np.array_equal(flipped, plain[::-1])
    lying = upright_cutout(from_array(image, "a"), box, 64, view=View(turn=np.pi / 2)).pixels[..., 0]
    np.testing.assert_allclose(lying.astype(int), np.rot90(plain).astype(int), atol=2)
    edge = upright_cutout(from_array(image, "a"), (0.0, 100.0, 80.0, 10.0, 0.0), 64)
    assert not edge.inside[:30].any()
    assert edge.inside[34:].all()
    assert (edge.masked() == 100).all()


def test_a_specimen_outside_the_image_has_no_cutout() -> None:
    with pytest.raises(InputError, match="outside the image"):
        upright_cutout(from_array(np.zeros((50, 50), np.uint8), "a"), (200, 20, 30, 9, 0.0), 64)


def test_masks_are_what_is_cut_along(model: ModelFolder) -> None:
    namer = engines.load_classifier(model, "cpu")
    image = from_array(np.full((100, 100, 3), 160, np.uint8), "a")
    image.levels[0].window(0, 0, 100, 100)[20:80, 45:55] = 20
    mask = CroppedMask(np.ones((60, 10), bool), 45, 20)
    box = [[50, 50, 60, 10, -np.pi / 2]]
    with_mask = namer.name(image, Detections.of(box, masks=[mask])).probabilities
    np.testing.assert_allclose(with_mask, namer.name(image, Detections.of(box)).probabilities, atol=0.1)
    empty = CroppedMask(np.zeros((1, 1), bool), 45, 20)
    without = namer.name(image, Detections.of(box, masks=[empty])).probabilities
    assert np.array_equal(without, namer.name(image, Detections.of(box)).probabilities)


class DarkBlobs(BlobEngine):
    """Finds what is dark on bright."""

    def blobs(self, pixels: np.ndarray) -> Detections:
        return super().blobs(np.where(pixels < 110, 255, 0).astype(np.uint8))


def count(folder: Path, out: Path, *arguments: object) -> int:
    """Count the slides in a folder on the command line, with blobs for a network that finds them."""
    model = model_folder(folder.parent / "blobs")
    words = ["count", folder, "-o", out, "--model", model, *arguments]
    parsed = cli.parser().parse_args([str(word) for word in words])
    parsed.run = lambda parsed: run_count(parsed, loader(DarkBlobs(card(256))))
    return cli.execute(parsed)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_taxa_are_counted_on_the_command_line(
    trained: Trained, slides: list[Example], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    namer = write(tmp_path / "shapes", trained)
    folder, out = tmp_path / "site", tmp_path / "out"
    folder.mkdir()
    for slide in (slides[1], slides[3]):  # on the others the needle touches a square
        shutil.copy(slide.image, folder)
    assert count(folder, out, "--namer", namer.folder, "--xlsx") == 0
    printed = [line.split() for line in capsys.readouterr().out.splitlines()[:3]]
    assert printed == [
        ["sample", "images", "taxon", "count"],
        ["site", "2", "needle", "4"],
        ["site", "2", "square", "4"],
    ]
    rows = table(out / "specimens.csv")
    columns = ["class", "taxon", "taxon_confidence", "genus", "taxon_2", "taxon_3", "named_by", "status"]
    assert list(rows[0])[2:10] == columns
    for row in rows:
        # The squares are what the blobs call centric.
        assert row["taxon"] == ("square" if row["class"] == "centric" else "needle")
        assert row["taxon_2"] == ("needle" if row["class"] == "centric" else "square")
        assert 0.5 <= float(row["taxon_confidence"]) <= 1
        assert (row["genus"], row["taxon_3"], row["named_by"]) == ("", "", "shapes 1.0")
    assert [(row["taxon"], row["count"]) for row in table(out / "counts.csv")] == [
        *[("needle", "2"), ("square", "2"), ("unknown", "0")] * 2
    ]
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))["namer"]
    assert (record["name"], record["version"], record["sha256"]) == ("shapes", "1.0", namer.card.sha256)
    read = geojson.read(out / "annotations" / "1.geojson")
    assert [name.taxon for name in read.names] == [row["taxon"] for row in rows[:4]]
    feature = json.loads((out / "annotations" / "1.geojson").read_text(encoding="utf-8"))["features"][0]["properties"]
    assert feature["name"] == feature["taxon"] == rows[0]["taxon"]
    assert feature["measurements"]["taxon_confidence"] == pytest.approx(feature["taxon_confidence"], abs=1e-4)

    assert count(folder, tmp_path / "again", "--namer", namer.folder) == 0
    for file in ("specimens.csv", "counts.csv", "annotations/1.geojson"):
        assert (out / file).read_bytes() == (tmp_path / "again" / file).read_bytes()
    capsys.readouterr()
    assert count(folder, out, "--resume") == 2
    assert "namer was shapes 1.0, is not set" in capsys.readouterr().err
    stricter = write(tmp_path / "stricter" / "shapes", trained, thresholds={"needle": 0.9, "square": 0.9})
    assert count(folder, out, "--resume", "--namer", stricter.folder) == 2
    assert "(namer's threshold was 0.5, is 0.9)" in capsys.readouterr().err


def test_a_finder_is_no_namer_and_the_reverse(
    model: ModelFolder, slides: list[Example], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slide, out = str(slides[0].image), str(tmp_path / "out")
    assert cli.main(["count", slide, "-o", out, "--model", str(model.folder)]) == 2
    assert "use it as --namer" in capsys.readouterr().err
    assert count(slides[0].image.parent, tmp_path / "out", "--namer", "diatom-obb") == 2
    assert "use it as --model" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_temperature_and_mask_of_the_card_are_used(
    trained: Trained, model: ModelFolder, slides: list[Example], tmp_path: Path
) -> None:
    image, found = from_array(pixels_of(slides[2]), "slide"), Detections.of(BOXES)
    sure = engines.load_classifier(model, "cpu").name(image, found)
    hot = write(tmp_path / "hot", trained, naming=NamingFacts(temperature=4.0))
    calm = engines.load_classifier(hot, "cpu").name(image, found)
    assert (calm.confidence < sure.confidence).all()
    assert np.array_equal(calm.top(1), sure.top(1))
    np.testing.assert_allclose(name_confidence.tempered(sure.probabilities, 4.0), calm.probabilities, atol=1e-3)
    whole = write(tmp_path / "whole", trained, naming=NamingFacts(masked=False))
    assert not np.allclose(engines.load_classifier(whole, "cpu").name(image, found).probabilities, sure.probabilities)


def test_models_are_kept_to_their_task(model: ModelFolder, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not find them"):
        engines.load(model, "cpu")
    with pytest.raises(ModelError, match="does not name specimens"):
        engines.load_classifier(library.resolve_model("diatom-obb"), "cpu")


@pytest.mark.parametrize("backbone", ["tu-resnet18", "tu-test_vit", "tu-mobilenetv3_small_050"])
def test_backbones_of_all_kinds_can_be_built(backbone: str) -> None:
    network = classifier_net.build(f"classifier/{backbone}/64", 3).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 3)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ("classifier/tu-resnet18/x", "not an architecture of a classifier"),
        ("classifier/tu-resnet18/4096", "32 to 1024 pixels"),
        ("classifier/resnet1/64", "timm has no backbone 'resnet1'; did you mean .*resnet18"),
    ],
)
def test_wrong_architectures_are_told(architecture: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        classifier_net.build(architecture, 3)


def test_calibration_lowers_the_loss_and_the_error() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (800, 4))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(4, p=row) for row in shares])
    # A network that is three times too sure.
    said = name_confidence.tempered(shares, 1 / 3)
    temperature = name_confidence.fit_temperature(said, truth)
    assert temperature == pytest.approx(3, rel=0.15)
    calibrated = name_confidence.tempered(said, temperature)
    assert name_confidence.likelihood_loss(calibrated, truth) < 0.8 * name_confidence.likelihood_loss(said, truth)
    errors = [calibration(part.max(axis=1), part.argmax(axis=1) == truth).error for part in (said, calibrated)]
    assert errors[1] < 0.05 < errors[0]


def test_the_threshold_keeps_wrong_names_out() -> None:
    right = np.array([True] * 40 + [False] * 10)
    apart = np.concatenate([np.linspace(0.8, 1, 40), np.linspace(0.3, 0.5, 10)])
    assert 0.5 < name_confidence.best_name_threshold(apart, right) < 0.8
    # All right: the middle of what costs nothing.
    assert name_confidence.best_name_threshold([0.9, 0.95], [True, True]) == pytest.approx(0.45, abs=0.02)
    assert 0 < name_confidence.best_name_threshold([0.5], [False]) < 1


FLORA = ("Navicula gregaria", "Navicula lanceolata", "Nitzschia palea", "needle")


def names(*rows: list[float], threshold: float = 0.6) -> Names:
    return Names(FLORA, np.array(rows, np.float32).reshape(-1, 4), threshold)


def test_genera_add_up_and_the_unsure_are_unknown() -> None:
    some = names([0.7, 0.2, 0.1, 0], [0.45, 0.45, 0.1, 0], [0.3, 0.1, 0.35, 0.25], [0, 0.1, 0.1, 0.8])
    assert some.genera == ("Navicula", "Nitzschia")
    np.testing.assert_allclose(some.genus_probabilities[:, 0], [0.9, 0.9, 0.4, 0.1], atol=1e-6)
    assert some.unknown.tolist() == [False, True, True, False]
    assert [verdict.taxon for verdict in some.verdicts] == ["Navicula gregaria", "Navicula sp.", UNKNOWN, "needle"]
    assert [verdict.genus for verdict in some.verdicts] == ["Navicula", "Navicula", "", ""]
    assert some.verdicts[1].confidence == pytest.approx(0.9)
    assert some.verdicts[1].others == ("Navicula gregaria", "Navicula lanceolata")
    assert some.verdicts[0].others == ("Navicula lanceolata", "Nitzschia palea")
    assert some.taxa() == (*FLORA, "Navicula sp.")
    with pytest.raises(InputError, match="probabilities of shape"):
        Names(FLORA, np.zeros((2, 3), np.float32), 0.5)


def test_specimens_go_by_their_taxa() -> None:
    found = Detections.of(BOXES, IDS, classes=("pennate", "centric"))
    some = names([0.7, 0.2, 0.1, 0], [0.3, 0.1, 0.35, 0.25], [0.45, 0.45, 0.1, 0], [0, 0.1, 0.1, 0.8]).verdicts
    called = by_taxon(found, some)
    assert called.classes == ("Navicula gregaria", "Navicula sp.", "needle", UNKNOWN)
    assert called.class_ids.tolist() == [0, 3, 1, 2]
    assert by_taxon(found, [*some[:3], None]).classes == ("Navicula gregaria", "Navicula sp.", UNKNOWN, "unnamed")
    assert by_taxon(found[[]], []).classes == (UNKNOWN,)
    with pytest.raises(InputError, match="1 names do not match 4"):
        by_taxon(found, some[:1])


def test_a_name_comes_back_from_its_cells() -> None:
    for name in (*names([0.7, 0.2, 0.1, 0], [0.3, 0.1, 0.35, 0.25]).verdicts, Name.by_person("Navicula sp.")):
        assert Name.of(name.cells()) == name
    assert Name.by_person("Navicula sp.").genus == "Navicula"
    assert Name.of({"taxon": "needle"}) == Name("needle", 1.0, "")
    assert Name.of({"taxon": np.nan, "taxon_confidence": np.nan}) is None
    for wrong in (1.2, float("nan"), "sure", None, True):
        with pytest.raises(InputError, match="not within 0 and 1"):
            Name.of({"taxon": "needle", "taxon_confidence": wrong})


def test_the_genus_is_read_from_a_name() -> None:
    for text, genus in (
        ("Navicula cf. gregaria", "Navicula"),
        ("cf. Navicula gregaria", "Navicula"),
        ("Navicula", "Navicula"),
        ("needle", ""),
        ("ADMI", ""),
    ):
        assert genus_of(text) == genus


def test_figures_of_names() -> None:
    some = names([0.7, 0.2, 0.1, 0], [0.2, 0.7, 0.1, 0], [0.3, 0.1, 0.35, 0.25], [0.4, 0.3, 0.25, 0.05])
    figures = naming_figures([0, 0, 2, 3], some.probabilities, FLORA, some.threshold)
    assert (figures.accuracy, figures.top3, figures.named, figures.precision_named) == (0.5, 0.75, 0.5, 0.5)
    assert figures.genus_accuracy == pytest.approx(2 / 3)
    # F1: Navicula gregaria 2 / (2 + 2), N. lanceolata 0, Nitzschia 1, needle 0.
    assert figures.f1 == pytest.approx(1.5 / 4)
    assert [part.f1 for part in figures.classes] == [0.5, 0.0, 1.0, 0.0]
    assert name_confidence.macro_f1(figures.confusion) == pytest.approx(figures.f1)
    assert np.isnan(naming_figures([3], [[0, 0, 0, 1]], FLORA).named)
