"""The form of the dock widget, and presets of optics, without Qt."""

from dataclasses import replace

import pytest

from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.images.optics_presets import COMMON, Optics, Presets
from napari_diatom.widgets.common.image_layers import ImageChoice
from napari_diatom.widgets.detection.form_state import NamingForm, RunForm

GOOD = RunForm(image=ImageChoice("a", 100, 200), model="diatom-obb", pixel_size_um=0.1)


def test_a_complete_form_can_run_with_and_without_a_pixel_size():
    assert GOOD.validation_error() is None
    assert replace(GOOD, pixel_size_um=None).validation_error() is None


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"image": None}, "Open an image"),
        ({"image": ImageChoice("a", 0, 200)}, "no pixels"),
        ({"image": ImageChoice("a", 100, 200, flat=False)}, "2D"),
        ({"model": None}, "No model"),
        ({"pixel_size_um": 0.0001}, "is not possible"),
        ({"pixel_size_um": float("nan")}, "is not possible"),
        ({"running": True}, "in progress"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(change, word):
    problem = replace(GOOD, **change).validation_error()
    assert problem is not None
    assert word in problem
    assert "\n" not in problem


def test_pixel_size_follows_from_objective_camera_adapter_and_binning():
    assert Optics("a", 100, 3.45).pixel_size_um == pytest.approx(0.0345)
    assert Optics("a", 40, 6.5, adapter=0.5, binning=2).pixel_size_um == pytest.approx(0.65)
    with pytest.raises(InputError, match="above 0"):
        Optics("a", 0, 3.45)


def test_presets_start_with_common_ones_and_are_kept(tmp_path):
    presets = Presets(tmp_path / "config" / "optics.json")
    assert presets.load() == COMMON
    mine = (Optics("Axio, 63x Öl", 63, 3.45, 0.63),)
    presets.save(mine)
    assert presets.load() == mine


@pytest.mark.parametrize(
    "text",
    [
        *("{", "[1]", '[{"name": "a"}]', '[{"name": "a", "magnification": "b"}]', "\x00", "7", "null", "[" * 100_000),
        '[{"name": 7, "magnification": 100, "camera_pixel_um": 3.45}]',
        '[{"name": "a", "magnification": true, "camera_pixel_um": 3.45}]',
        '[{"name": "a", "magnification": NaN, "camera_pixel_um": 3.45}]',
        '[{"name": "a", "magnification": 1, "magnification": 100, "camera_pixel_um": 3.45}]',
    ],
)
def test_a_damaged_presets_file_is_named(tmp_path, text):
    path = tmp_path / "optics.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"optics\.json"):
        Presets(path).load()


def test_presets_that_cannot_be_written_say_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        Presets(tmp_path / "file" / "optics.json").save(COMMON)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"running": True}, "in progress"),
        ({"classifier": None}, "task: classes"),
        ({"image": None}, "run a detection first"),
        ({"specimens": 0}, "run a detection first"),
        ({"opened": False}, "Open a first"),
    ],
)
def test_what_is_in_the_way_of_naming_is_said(change, word):
    form = NamingForm(classifier="flora", image="a", specimens=3)
    assert form.validation_error() is None
    assert word in replace(form, **change).validation_error()
