"""A dock knows the project that is open in another dock of the same viewer."""

import cv2
import numpy as np
import pytest

from helpers.window import child_of
from napari_diatom.project.project import Project


@pytest.fixture
def folder(tmp_path):
    cv2.imwrite(str(tmp_path / "slide.png"), np.full((300, 400), 90, np.uint8))
    Project.create(tmp_path / "project", [tmp_path / "slide.png"], ["Navicula"], "Ada").close()
    return tmp_path / "project"


@pytest.mark.parametrize("is_open", [True, False])
def test_fine_tuning_begins_with_the_project_that_is_open(dock, folder, qtbot, is_open):
    annotate = dock("Annotate diatoms")
    annotate.open_project(folder)
    if not is_open:
        annotate.close_project()
    train = dock("Fine-tune a model")
    assert child_of(train, "data").text() == (str(folder) if is_open else "")
    qtbot.waitUntil(lambda: train.slides.problem() != "Reading the slides", timeout=10_000)
    annotate.close_project()
