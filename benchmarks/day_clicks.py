"""How many clicks, drags and keys the actions of a working day take, in this version and in an earlier one.

``day_after.py`` does them in today's window, and ``day_before.py`` in the window of the earlier version, where that has
no way in the command line, and in text files. ``day_desk.py`` has the rules of counting. Each part of a day runs in a
process of its own with one of the two trees, and does what it counts: ten fields of the crowded example slide are
searched, corrected, sent to a project, annotated, divided and exported, and two models are trained. An action that the
earlier version cannot do has no figure there, and is left out of the sums.

Set-up: as for ``clicks.py``, and a tree of the earlier version: ``git worktree add TREE COMMIT``. Run with
``xvfb-run -a -s '-screen 0 1920x1200x24' python benchmarks/day_clicks.py --before TREE --out FILE``; it takes about ten
minutes. ``--show FILE`` prints the table of figures that were counted before.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

_ROOT: Final = Path(__file__).parents[1]
_PARTS: Final = ("finding", "annotating", "training")
ACTIONS: Final = {
    "detect": "Find the specimens of ten images in a folder",
    "scale": "Set their pixel size",
    "look": "Look at the results of one image",
    "delete": "Delete a false detection",
    "undo": "Undo the deletion",
    "status": "Mark a specimen as broken",
    "draw": "Draw a missed specimen",
    "taxon": "Name a taxon that the model does not know",
    "export_image": "Save the table of an image",
    "send_new": "Make a project of all results",
    "send_old": "Send all results to an existing project",
    "project": "Make a project of ten images",
    "propose": "Have a model propose specimens",
    "accept": "Review five proposals",
    "add_class": "Add a class",
    "draw_project": "Draw a specimen",
    "give_class": "Change the class of a specimen",
    "done": "Mark an image as done, and open the next",
    "settings": "Open the settings of a project",
    "rename_class": "Rename a class",
    "merge_classes": "Merge two classes",
    "pixel_size": "Set the pixel size of a project",
    "slides": "Assign the images to three slides",
    "split": "Split the slides into training, validation and test",
    "move_slide": "Move a slide to another part",
    "export_project": "Export the annotations as COCO",
    "tables": "Write the tables of a project",
    "train": "Train a model",
    "train_warmup": "Train with another warm-up",
    "compare": "Compare the two runs in one plot",
    "use_model": "Use the model",
    "import_model": "Import another person's model",
}


def main() -> int:
    """Count both days, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, metavar="TREE", help="tree of the earlier version")
    parser.add_argument("--out", type=Path, metavar="FILE", help="JSON file for the figures")
    parser.add_argument("--show", type=Path, metavar="FILE", help="print the figures of this file, and count nothing")
    options = parser.parse_args()
    if (options.show is None) == (options.before is None):
        parser.error("give either --before or --show")
    if options.show is not None:
        figures = json.loads(options.show.read_text(encoding="utf-8"))
    else:
        trees = {"before": options.before.absolute(), "after": _ROOT}
        figures = {name: {"commit": commit_of(tree), "actions": day(name, tree)} for name, tree in trees.items()}
        if options.out is not None:
            options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(f"before: {figures['before']['commit']}, now: {figures['after']['commit']}; clicks + drags + keys\n")
    print(table(figures))
    return 0


def commit_of(tree: Path) -> str:
    """Return the commit of a tree."""
    found = subprocess.run(["git", "-C", tree, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return found.stdout.strip()


def day(name: str, tree: Path) -> list[dict[str, Any]]:
    """Do all parts of a day with the packages of a tree, and return what its actions took."""
    rows: list[dict[str, Any]] = []
    paths = os.pathsep.join((str(tree), str(tree / "training")))
    for part in _PARTS:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "counts.json"
            script = Path(__file__).with_name(f"day_{name}.py")
            subprocess.run([sys.executable, script, out, part], check=False, env=os.environ | {"PYTHONPATH": paths})
            if not out.exists():
                sys.exit(f"{script.name} did not get to the end of {part}.")
            rows += json.loads(out.read_text(encoding="utf-8"))
    return rows


def table(figures: dict[str, Any]) -> str:
    """Return the table of both days in Markdown, with the sums of what both can do."""
    days = {name: {row["action"]: row for row in figures[name]["actions"]} for name in ("before", "after")}
    sums = dict.fromkeys(days, 0)
    lines = [
        "| action | before | how | now, in the window | ratio |",
        "|---|---|---|---|---|",
    ]
    for action, title in ACTIONS.items():
        rows = {name: found.get(action) for name, found in days.items()}
        totals = {name: total_of(row) for name, row in rows.items()}
        before, after = totals["before"], totals["after"]
        way = "not possible" if rows["before"] is None else rows["before"]["way"]
        ratio = ""
        if before is not None and after is not None:
            sums["before"] += before
            sums["after"] += after
            ratio = f"{after / before:.2f}"
        lines.append(f"| {title} | {_cell(rows['before'])} | {way} | {_cell(rows['after'])} | {ratio} |")
    share = sums["after"] / sums["before"]
    lines.append(f"| **all that both can do** | **{sums['before']}** | | **{sums['after']}** | **{share:.2f}** |")
    return "\n".join(lines)


def total_of(row: dict[str, Any] | None) -> int | None:
    """Return all clicks, drags and keys of an action."""
    return None if row is None else sum(row[kind] for kind in ("clicks", "drags", "keys"))


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "-"
    return f"{row['clicks']} + {row['drags']} + {row['keys']} = {total_of(row)}"


if __name__ == "__main__":
    sys.exit(main())
