"""The scale bar of the chosen image is offered as its pixel size, and never taken without a click."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from qtpy.QtWidgets import QInputDialog, QMessageBox

from helpers.window import child_of
from napari_diatom.widgets.detection import scale_bar_offer


def field(label):
    grain = np.random.default_rng(5).normal(170, 6, (480, 640))
    picture = Image.fromarray(np.clip(grain, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((400, 440, 549, 444), fill=0)
    pen.text((475, 430), label, fill=0, font=ImageFont.load_default(24), anchor="md")
    return np.asarray(picture)


@pytest.fixture
def asked(monkeypatch):
    """Answer questions as told, and keep what was asked."""
    answers, texts = [], []

    def ask(parent, title, text, *buttons):
        texts.append(text)
        return answers.pop(0)

    monkeypatch.setattr(scale_bar_offer, "ask", ask)
    monkeypatch.setattr(QMessageBox, "information", lambda parent, title, text: texts.append(text))
    return answers, texts


def look(widget, qtbot):
    edit = child_of(widget, "pixel_size")
    assert "From the scale bar…" in edit.presetNames()
    next(action for action in edit._menu.actions() if action.text() == "From the scale bar…").trigger()
    qtbot.waitUntil(lambda: not widget._pixel_size._offer.running, timeout=20_000)


def test_it_is_offered_and_taken_only_by_a_click(widget, viewer, qtbot, asked):
    answers, texts = asked
    viewer.add_image(field("20 um"), scale=(0.1, 0.1), units=("um", "um"))
    answers.append(0)
    look(widget, qtbot)
    assert "says 20 µm: 0.1333 µm a pixel.\nThe image states 0.1 µm a pixel." in texts[-1]
    assert "Differs by 33 % from what the file states." in texts[-1]
    assert widget.value().pixel_size_um == pytest.approx(0.1)
    answers.append(1)
    look(widget, qtbot)
    assert widget.value().pixel_size_um == pytest.approx(0.1333)


def test_a_label_that_cannot_be_read_is_asked_for(widget, viewer, qtbot, asked, monkeypatch):
    answers, _ = asked
    typed = ["15", "15 um"]
    monkeypatch.setattr(QInputDialog, "getText", lambda *args, **kwargs: (typed.pop(0), True))
    viewer.add_image(field(""))
    answers.append(1)
    look(widget, qtbot)
    assert typed == []
    assert widget.value().pixel_size_um == pytest.approx(0.1)


def test_nothing_is_offered_without_a_bar(widget, image, qtbot, asked):
    _, texts = asked
    look(widget, qtbot)
    assert texts[-1].startswith("No scale bar was found")
    assert widget.value().pixel_size_um is None
