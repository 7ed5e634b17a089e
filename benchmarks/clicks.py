"""How many clicks, drags and keys 50 valves take: by hand, from proposals, and outlined, beside other programs.

A driver annotates the first 50 whole specimens of the crowded example slide, with rotated boxes and their classes, by
real events of mouse and keyboard (xdotool), once by hand and once from the proposals of a bundled model, and counts
what it sent. Where a model for outlines is installed, it also turns the boxes drawn by hand into outlines, and it
outlines valves by a click on each; those that are wrong are drawn by hand. Every program is taken to remember the class
that was used last, so that a class key is pressed only where the next valve is of another one; moving and zooming the
view is the same in all and not counted.

Set-up: ``pip install -e '.[test]'`` and xdotool, and on Linux without a screen Xvfb and the system libraries of Qt,
which ``scripts/test`` installs. Run with ``xvfb-run -a -s '-screen 0 1920x1200x24' python benchmarks/clicks.py``.
``day_clicks.py`` counts the actions of a whole working day, in this version and in an earlier one.

``--season WORK`` counts 400 valves instead, field by field in *Count a sample*, from what a model found in the folder
of ``season.py`` (``counting_clicks.py``).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from valve_hand import MATCH_IOU, by_clicks, by_hand, choose, wait_for_outlines

if TYPE_CHECKING:
    from helpers.hand import Hand
    from napari_diatom.core.detections import Detections
    from napari_diatom.widgets.annotate.widget import AnnotateWidget

_ROOT = Path(__file__).parents[1]
_FOLDER = tempfile.TemporaryDirectory(prefix="napari-diatom-benchmark-", ignore_cleanup_errors=True)
os.environ["NAPARI_CONFIG"] = str(Path(_FOLDER.name) / "settings.yaml")
os.environ.setdefault("QT_API", "pyqt6")
sys.path.insert(0, str(_ROOT / "tests"))

VALVES = 50
SLIDE = "stream_crowded_20x"


def main() -> int:
    """Annotate in all ways, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="diatom-obb", help="model that finds valves (%(default)s)")
    parser.add_argument("--season", type=Path, metavar="WORK", help="count the valves of this rendered season instead")
    options = parser.parse_args()
    if options.season is not None:
        from counting_clicks import count_in_all_ways

        return count_in_all_ways(options.season, Path(_FOLDER.name))
    import napari

    from helpers.hand import Hand, missing
    from napari_diatom.core.detections import STATUSES
    from napari_diatom.formats.geojson import codec as geojson
    from napari_diatom.project.project import Project
    from napari_diatom.widgets.annotate.widget import AnnotateWidget
    from napari_diatom.widgets.canvas.click_outline import installed_outliner

    if missing():
        print(f"This needs a mouse and a keyboard to drive: {missing()}.", file=sys.stderr)
        return 2
    truth = geojson.read(_ROOT / "sample_data" / "truth" / f"{SLIDE}.geojson").detections
    whole = np.flatnonzero((truth.status != STATUSES.index("broken")) & (truth.cut == 0))[:VALVES]
    if len(whole) < VALVES:
        print(f"The slide has only {len(whole)} whole specimens.", file=sys.stderr)
        return 2
    valves = truth[whole]
    [slide] = (_ROOT / "sample_data" / "slides").glob(f"{SLIDE}.*")
    rows: list[tuple[str, Counter[str]]] = []
    ways = ["by hand", "from proposals"]
    if installed_outliner() is None:
        print("No model for outlines is installed: nothing is outlined.", file=sys.stderr)
    else:
        ways += ["by hand, outlined", "outlined by clicks"]
    for name in ways:
        folder = Path(_FOLDER.name) / name
        Project.create(folder, [slide], truth.classes).close()
        viewer = napari.Viewer()
        viewer.window._qt_window.resize(1900, 1180)
        widget = AnnotateWidget(viewer)
        viewer.window.add_dock_widget(widget, name="Annotate diatoms")
        widget.open_project(folder)
        hand = Hand(viewer)
        viewer.reset_view()
        hand.click(5, 5)
        hand.counts.clear()
        choose_model(widget, options.model)
        if name == "from proposals":
            from_proposals(hand, widget, valves)
        elif name == "outlined by clicks":
            left = by_clicks(hand, widget, valves)
            print(f"{VALVES - left} of {VALVES} valves were found by one click each.")
        else:
            by_hand(hand, widget, valves, range(VALVES))
        if name == "by hand, outlined":
            outline_all(hand, widget)
        rows.append((f"napari-diatom, {name}", hand.counts))
        check(widget, valves)
        widget.close_project()
        viewer.close()
    changes = class_keys(valves, range(VALVES))
    rows[1:1] = [
        # https://github.com/biigle/core, manual: rectangles take three clicks; S takes the tool, 1 to 9 a label.
        ("BIIGLE", Counter(clicks=3 * VALVES, keys=1 + changes)),
        # https://github.com/CVHub520/X-AnyLabeling, docs/en/user_guide.md: a rotated rectangle takes three clicks, a
        # number key takes the tool with a label, and once Ctrl+Y is pressed the next one has the label of the last.
        ("X-AnyLabeling", Counter(clicks=3 * VALVES, keys=1 + changes)),
    ]
    print(f"{VALVES} valves of {len(set(valves.class_ids.tolist()))} classes\n")
    print(f"{'':34}{'clicks':>8}{'drags':>8}{'keys':>8}{'in all':>8}{'to the first':>14}")
    first = sum(rows[0][1].values())
    for name, counts in rows:
        total = sum(counts.values())
        cells = "".join(f"{counts[kind]:8d}" for kind in ("clicks", "drags", "keys"))
        print(f"{name:34}{cells}{total:8d}{total / first:14.2f}")
    return 0


def class_keys(valves: Detections, order: Sequence[int]) -> int:
    """Return how often the class changes, in some order; the first one has to be chosen too."""
    ids = valves.class_ids[list(order)]
    return 1 + int((np.diff(ids) != 0).sum()) if len(ids) else 0


def choose_model(widget: AnnotateWidget, model: str) -> None:
    """Choose the model that finds valves."""
    from qtpy.QtWidgets import QComboBox

    combo = widget.findChild(QComboBox, "model")
    assert combo is not None
    combo.setCurrentIndex(combo.findData(model))


def outline_all(hand: Hand, widget: AnnotateWidget) -> None:
    """Select all boxes by one drag, and turn them into outlines by a key."""
    image = widget.canvas().image
    assert image is not None
    height, width = image.data.shape[:2]
    hand.key("s")
    first, last = np.array([2.0, 2.0]), np.array([width - 2.0, height - 2.0])
    ways = [first + share * (last - first) for share in (0.01, 0.1, 0.4, 0.7, 1.0, 1.0)]
    hand.drag((2.0, 2.0), *((float(x), float(y)) for x, y in ways))
    hand.spin(0.5)
    hand.key("o")
    wait_for_outlines(hand, widget)
    document = widget.document()
    assert document is not None
    outlined = sum(item.shape == "polygon" for item in document.specimens.values())
    print(f"{outlined} of {VALVES} boxes were outlined by one key.")


def from_proposals(hand: Hand, widget: AnnotateWidget, valves: Detections) -> None:
    """Take or reject each proposal by a key, and draw what is missing."""
    from napari_diatom.core import geometry

    widget.propose()
    document = widget.document()
    assert document is not None
    hand.counts["clicks"] += 1
    hand.patience, usual = 300.0, hand.patience
    hand.wait(lambda: bool(document.proposals))
    hand.patience = usual
    taken: set[int] = set()
    while document.proposals:
        chosen = widget.canvas().proposals.selection()
        if not chosen:
            hand.key("n")
            continue
        [id_] = chosen
        box = np.array([document.proposals[id_].box])
        overlaps = geometry.box_ious(np.repeat(box, len(valves), axis=0), valves.boxes)
        best = int(overlaps.argmax())
        number = len(document.proposals)
        if overlaps[best] >= MATCH_IOU and best not in taken:
            taken.add(best)
            choose(hand, widget, valves.classes[valves.class_ids[best]])
        else:
            hand.key("x")
        hand.wait(lambda number=number: len(document.proposals) < number)
    hand.viewer.reset_view()
    hand.spin(0.3)
    by_hand(hand, widget, valves, [k for k in range(len(valves)) if k not in taken])


def check(widget: AnnotateWidget, valves: Detections) -> None:
    """Stop where not every valve was annotated, with its class."""
    from napari_diatom.core import geometry

    document = widget.document()
    assert document is not None
    items = list(document.specimens.values())
    for k, box in enumerate(valves.boxes):
        same = geometry.box_ious(np.array([item.box for item in items]), np.repeat(box[None], len(items), axis=0))
        best = items[int(same.argmax())]
        if same.max() < MATCH_IOU or best.name != valves.classes[valves.class_ids[k]]:
            sys.exit(f"Valve {k} was not annotated: {same.max():.2f} {best.name}")


if __name__ == "__main__":
    sys.exit(main())
