"""How many clicks, drags and keys the count of 400 valves takes in *Count a sample*, from what a model proposes.

The fields are those that ``season.py`` rendered and counted with a model. They become one sample of a project, with
what was found as proposals: all of one class, or called what the model for names called them. A driver that knows the
truth goes through the fields by real events of mouse and keyboard (xdotool). In each it rejects what is no valve, or
broken, by a click and ``X``; where groups are counted, it puts wrong names right by a click and the key of the class;
it adds valves that were missed by one click each (``W``), and by three (``B``) where that fails; and it confirms the
field with ``Space``. Everything from the open project on is counted, but for looking at the image and moving the view.
"""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from season_exports import rows
from season_fields import FIELDS, GROUPS, Season, open_season
from valve_hand import by_clicks, choose, take

from diatom_training.metrics.detection_metrics import match
from napari_diatom.core.detections import STATUSES, Detections
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import Specimen

if TYPE_CHECKING:
    from helpers.hand import Hand
    from napari_diatom.widgets.annotate.widget import AnnotateWidget

VALVES: Final = 400
MOST: Final = 1.2
"""Actions that a valve may take."""
SAMPLE, MODEL = "S", "the model"
_ONE: Final = "diatom"
"""Class of everything, where groups are not counted."""
_BROKEN: Final = STATUSES.index("broken")
_TRIES: Final = 5
"""Clicks after which a specimen that lies under others should have been selected."""
_REACTION_S: Final = 3.0


def count_in_all_ways(work: Path, scratch: Path) -> int:
    """Count the valves without names and with them, print the table, and return the exit code."""
    season = open_season(work)
    print(f"{'':34}{'clicks':>8}{'drags':>8}{'keys':>8}{'in all':>8}{'valves':>8}{'a valve':>9}")
    each = {}
    for names in (False, True):
        counts, valves, notes = count_valves(season, scratch / f"named {names}", names)
        title = "valves of nine groups" if names else "valves"
        total = sum(counts.values())
        each[title] = total / valves
        cells = "".join(f"{counts[kind]:8d}" for kind in ("clicks", "drags", "keys"))
        print(f"{title:34}{cells}{total:8d}{valves:8d}{each[title]:9.2f}\n  {notes}", flush=True)
    return int(each["valves"] > MOST)


def count_valves(season: Season, folder: Path, names: bool) -> tuple[Counter[str], int, str]:
    """Count valves in a window; return the actions, how many valves were counted, and what had to be done."""
    import napari

    from helpers.hand import Hand

    images = sorted(season.images.values())
    make_project(folder, season, images, names)
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1900, 1180)
    _, widget = viewer.window.add_plugin_dock_widget("napari-diatom", "Annotate diatoms")
    _, dock = viewer.window.add_plugin_dock_widget("napari-diatom", "Count a sample")
    widget.open_project(folder)
    hand, session = Hand(viewer), dock.session()
    hand.patience = 300.0
    hand.wait(lambda: session.sample == SAMPLE)
    viewer.reset_view()
    hand.click(5, 5)
    hand.counts.clear()
    done: Counter[str] = Counter()
    true_valves = 0
    for image in images:
        assert session.open_field == image, f"{session.open_field} is open, not {image}"
        truth = season.truth(image)
        true_valves += int((truth.status != _BROKEN).sum())
        done += correct(hand, widget, truth, names)
        hand.key("space")
        if true_valves >= VALVES or image == images[-1]:
            break
        hand.wait(lambda image=image: session.open_field != image)
    hand.wait(lambda: next(field for field in session.counted.fields if field.image.id == image).is_done)
    counted = {row.taxon: row.units for row in _taxa(session)}
    expected = Counter(
        season_group if names else _ONE
        for name in images[: images.index(image) + 1]
        for season_group in _groups(season.truth(name))
    )
    assert counted == dict(expected), f"counted {counted}, not {dict(expected)}"
    widget.close_project()
    viewer.close()
    return hand.counts, true_valves, ", ".join(f"{number} {what}" for what, number in done.items())


def correct(hand: Hand, widget: AnnotateWidget, truth: Detections, names: bool) -> Counter[str]:
    """Put the proposals of the open field right, and add what was missed; return how often what was done."""
    document = widget.document()
    assert document is not None
    proposals = list(document.proposals.values())
    found = Detections.of(np.reshape([item.box for item in proposals], (-1, 5)), scores=[p.score for p in proposals])
    which, whose = match(truth, found)
    of = dict(zip(which.tolist(), whose.tolist(), strict=True))
    groups = [truth.classes[k] for k in truth.class_ids]
    false = [item.id for k, item in enumerate(proposals) if k not in of or truth.status[of[k]] == _BROKEN]
    wrong = {item.id: groups[of[k]] for k, item in enumerate(proposals) if k in of and item.id not in false}
    wrong = {id_: group for id_, group in wrong.items() if names and document.proposals[id_].name != group}
    missed = [k for k in range(len(truth)) if k not in of.values() and truth.status[k] != _BROKEN]

    def put_right() -> None:
        if false or wrong:
            take(hand, widget, "s", "select")
        for id_ in false:
            select(hand, widget, id_)
            hand.key("x")
            hand.wait(lambda id_=id_: id_ not in document.proposals)
        for id_, group in wrong.items():
            select(hand, widget, id_)
            choose(hand, widget, group)
            hand.wait(lambda id_=id_: id_ not in document.proposals)

    def add() -> int:
        if not missed:
            return 0
        valves = truth[np.array(missed)]
        if not names:
            valves = Detections.of(valves.boxes, classes=(_ONE,))
        show_whole_field(hand)
        return by_clicks(hand, widget, valves, None if names else _ONE)

    # The tool in hand is used first.
    if _is_in_use(widget, "select"):
        put_right()
        drawn = add()
    else:
        drawn = add()
        put_right()
    return Counter({"rejected": len(false), "named anew": len(wrong), "missed": len(missed), "drawn by hand": drawn})


def show_whole_field(hand: Hand) -> None:
    """Zoom out to the field, which is not counted."""
    hand.viewer.reset_view()
    hand.spin(0.1)


def select(hand: Hand, widget: AnnotateWidget, id_: str) -> None:
    """Click on a proposal, again where it lies under another one."""
    document = widget.document()
    assert document is not None
    x, y, *_ = document.proposals[id_].box
    proposals = widget.canvas().proposals
    # After a proposal was rejected, the view went to the next one.
    show_whole_field(hand)
    for _ in range(_TRIES):
        hand.click(x, y)
        # The window may be busy with what came before.
        end = time.monotonic() + _REACTION_S
        while time.monotonic() < end:
            if list(proposals.selection()) == [id_]:
                return
            hand.spin(0.02)
    raise AssertionError(f"The proposal at {x:.0f}, {y:.0f} was not selected.")


def make_project(folder: Path, season: Season, images: list[str], names: bool) -> None:
    """Make a project of all fields, as one sample, with what was found as proposals."""
    found: dict[str, list[Specimen]] = defaultdict(list)
    for row in rows(season.folder / "found" / "specimens.csv"):
        numbers = [float(row[name]) for name in ("x_px", "y_px", "length_px", "width_px", "angle_deg")]
        box = (*numbers[:4], math.radians(numbers[4]))
        # Where the model for names was not sure, its first choice stands in the next column.
        called = next((row[cell] for cell in ("taxon", "taxon_2") if row[cell] in GROUPS), GROUPS[0])
        item = Specimen.rectangle(box, called if names else _ONE, origin=MODEL, score=float(row["score"]))
        found[Path(row["image"]).stem].append(item)
    paths = [season.folder / FIELDS / image.split("_")[0] / f"{image}.png" for image in images]
    with Project.create(folder, paths, list(GROUPS) if names else [_ONE]) as project:
        project.facts.set(images, sample=SAMPLE)
        for image in images:
            project.document(image).propose(found[image], MODEL)
            project.release(image)


def _is_in_use(widget: AnnotateWidget, tool: str) -> bool:
    from qtpy.QtWidgets import QToolButton

    button = widget.findChild(QToolButton, f"tool_{tool}")
    return button is not None and button.isChecked()


def _taxa(session: Any) -> list[Any]:
    from napari_diatom.samples.taxon_counts import taxon_counts

    return [row for row in taxon_counts(session.counted, SAMPLE) if row.units]


def _groups(truth: Detections) -> list[str]:
    """Return the groups of the specimens that count."""
    return [truth.classes[k] for k, status in zip(truth.class_ids, truth.status, strict=True) if status != _BROKEN]
