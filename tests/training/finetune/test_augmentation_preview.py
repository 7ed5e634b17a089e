"""Sixteen variations of the user's own specimens, from settings alone: command line, Python, and by task."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import napari_diatom as nd
from diatom_training.data.drawing import TRUTH
from diatom_training.finetune.config import TrainConfig
from helpers.tiny import NETWORKS, configured, draw_slides
from napari_diatom.cli.app import main as command
from napari_diatom.core.errors import InputError

GAPS, BESIDE, HEAD = 4, 12, 24
"""Pixels between the pictures of a sheet, beside those of the first column, and above all."""


@pytest.fixture
def slides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "models"))
    return draw_slides(tmp_path)


def cells(sheet: NDArray[np.uint8], height: int, width: int) -> list[list[NDArray[np.uint8]]]:
    """Return the pictures of a sheet, row by row."""
    assert sheet.shape == (HEAD + 4 * height + 3 * GAPS, 5 * width + BESIDE + 3 * GAPS, 3)
    lefts = [0, *(width + BESIDE + k * (width + GAPS) for k in range(4))]
    tops = [HEAD + k * (height + GAPS) for k in range(4)]
    return [[sheet[y : y + height, x : x + width] for x in lefts] for y in tops]


@pytest.mark.parametrize("task", NETWORKS)
def test_a_sheet_shows_four_specimens_and_four_variations_of_each(slides: Path, task: str) -> None:
    height, width = {"outlines": (96, 320)}.get(task, (64, 64))
    for preset in ("usual", "none"):
        config = configured(slides, task=task, architecture=NETWORKS[task], learning={"augment": preset})
        rows = cells(nd.preview_augmentation(config), height, width)
        for row in rows:
            assert all((np.abs(cell.astype(int) - TRUTH).sum(axis=2) < 90).sum() > 8 for cell in row[:1])
            same = [np.array_equal(row[0], cell) for cell in row[1:]]
            assert all(same) if preset == "none" else not any(same)
    again = nd.preview_augmentation(config)
    assert np.array_equal(again, nd.preview_augmentation(config.to_plain()))


def test_the_command_writes_a_picture_and_trains_nothing(
    slides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.yaml"
    configured(slides, learning={"augment": "handed"}).write(file)
    for name in ("my-diatoms-augmentation.png", "my-diatoms-augmentation-2.png"):
        assert command(["train", str(file), "--preview"]) == 0
        picture = cv2.imread(str(tmp_path / name))
        assert str(tmp_path / name) in capsys.readouterr().out
        assert picture is not None
        assert picture.shape[2] == 3
    assert command(["train", str(file), "--preview", "-o", str(tmp_path / "a.jpg")]) == 0
    before = (tmp_path / "a.jpg").read_bytes()
    assert command(["train", str(file), "--preview", "-o", str(tmp_path / "a.jpg")]) == 2
    assert "is there already: name another file" in capsys.readouterr().err
    assert (tmp_path / "a.jpg").read_bytes() == before
    assert command(["train", str(file), "--preview", "-o", str(tmp_path / "a.tif")]) == 2
    assert "is neither a .png file nor a .jpg file" in capsys.readouterr().err
    assert command(["train", str(file), "--preview", "--folds", "3"]) == 2
    assert "leave --folds out" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_python_gives_and_writes_the_same_picture(slides: Path, tmp_path: Path) -> None:
    config = configured(slides)
    sheet = nd.preview_augmentation(config, tmp_path / "sheet.png")
    written = cv2.imread(str(tmp_path / "sheet.png"))
    assert written is not None
    assert np.array_equal(written[..., ::-1], sheet)
    with pytest.raises(InputError, match="is there already"):
        nd.preview_augmentation(config, tmp_path / "sheet.png")


def test_a_backbone_is_not_downloaded_for_a_preview(slides: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from diatom_training.learning import published_weights

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nothing is downloaded")

    monkeypatch.setattr(published_weights, "_downloaded", refuse)
    config = configured(slides, task="classes", architecture=NETWORKS["classes"], start="imagenet")
    assert nd.preview_augmentation(config).shape[2] == 3


def test_names_are_refused_the_preset_that_keeps_the_shading(tmp_path: Path) -> None:
    for augment in ("dic", {"preset": "dic", "noise": 0.5}):
        with pytest.raises(InputError, match="augment: dic has no effect on classes, because every specimen is turned"):
            TrainConfig.of(data=tmp_path, task="classes", learning={"augment": augment})
        assert TrainConfig.of(data=tmp_path, task="semantic", learning={"augment": augment})


def test_a_file_names_a_preset_changes_it_or_changes_that_of_the_training(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    for text, flip, grey in (
        ("handed", 0.0, 0.25),
        ("{preset: handed, grey: 0}", 0.0, 0.0),
        ("{grey: 0}", 0.5, 0.0),
        ("{flip_horizontal: 0}", 0.0, 0.4),
    ):
        file.write_text(f"data: slides\npreset: few\nlearning: {{augment: {text}}}\n")
        config = TrainConfig.read(file)
        assert (config.learning.augment.flip_horizontal, config.learning.augment.grey) == (flip, grey)
        config.write(file)
        assert TrainConfig.read(file) == config


def test_a_run_of_an_earlier_version_keeps_its_augmentation(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "data: x\ntask: classes\npreset: standard\n"
        "learning: {augment: {turn_share: 0.7, tilt_deg: 3.0, zoom: 0.2, shift: 0.01, aimed: 0.5}}\n"
    )
    augment = TrainConfig.read(file, recorded=True).learning.augment
    assert (augment.cutout_rotation_deg, augment.cutout_scale, augment.cutout_translation) == (3.0, 0.2, 0.01)
    with pytest.raises(InputError, match=r"learning\.augment\.rotation: rotation has no effect"):
        TrainConfig.read(file)
