"""What a person does to valves in *Annotate diatoms* by mouse and keys, for scripts that count it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from helpers.hand import Hand
    from napari_diatom.core.detections import Detections
    from napari_diatom.widgets.annotate.widget import AnnotateWidget

MATCH_IOU: Final = 0.5
"""Oriented intersection over union from which a person would take a proposal as it is."""


def take(hand: Hand, widget: AnnotateWidget, key: str, tool: str) -> None:
    """Press the key of a tool that is not in use."""
    from qtpy.QtWidgets import QToolButton

    button = widget.findChild(QToolButton, f"tool_{tool}")
    assert button is not None
    if not button.isChecked():
        hand.key(key)


def by_hand(
    hand: Hand, widget: AnnotateWidget, valves: Detections, which: Sequence[int], last: str | None = None
) -> None:
    """Draw valves in three clicks each; a class is chosen where it is another one than that of the last."""
    document = widget.document()
    assert document is not None
    take(hand, widget, "b", "three-clicks")
    for k in which:
        x, y, length, width, angle = valves.boxes[k].tolist()
        along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        before = len(document.specimens)
        for place in (-along * length / 2, along * length / 2, across * width / 2):
            hand.click(x + place[0], y + place[1])
        hand.wait(lambda before=before: len(document.specimens) > before)
        # What was drawn last is selected, and the next one will be of its class.
        name = valves.classes[valves.class_ids[k]]
        if name != last:
            choose(hand, widget, name)
            last = name


def by_clicks(hand: Hand, widget: AnnotateWidget, valves: Detections, last: str | None = None) -> int:
    """Click on each valve, delete what is wrong, and draw that by hand; return how many those are."""
    from napari_diatom.core import geometry

    document = widget.document()
    assert document is not None
    take(hand, widget, "w", "wand")
    left = []
    for k, box in enumerate(valves.boxes):
        before = set(document.specimens)
        hand.click(float(box[0]), float(box[1]))
        wait_for_outlines(hand, widget)
        new = [item for id_, item in document.specimens.items() if id_ not in before]
        name = valves.classes[valves.class_ids[k]]
        if new and geometry.box_ious(new[0].box, box)[0] >= MATCH_IOU:
            if name != last:
                choose(hand, widget, name)
                last = name
            continue
        left.append(k)
        if new:
            hand.key("Delete")
    if left:
        by_hand(hand, widget, valves, left, last)
    return len(left)


def wait_for_outlines(hand: Hand, widget: AnnotateWidget) -> None:
    """Wait until nothing is being outlined."""
    from qtpy.QtWidgets import QPushButton

    stop = widget.findChild(QPushButton, "stop")
    assert stop is not None
    hand.patience, usual = 300.0, hand.patience
    hand.wait(lambda: not stop.isEnabled())
    hand.patience = usual


def choose(hand: Hand, widget: AnnotateWidget, name: str) -> None:
    """Press the key of a class."""
    project = widget.project()
    assert project is not None
    [key] = [item.key for item in project.settings.classes if item.name == name]
    hand.key(key)
