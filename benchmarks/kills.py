"""Whether an annotation is ever lost: a program that annotates is killed at random moments, again and again.

A child process adds, changes, removes, proposes, accepts, undoes and saves by chance and says so after each finished
action. Its parent kills it (SIGKILL) some milliseconds later, opens the project and compares it with what the child had
said: all finished actions have to be there; of one that was under way all of it, or nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from fields import SET_UP
from PIL import Image

from napari_diatom.errors import DiatomError
from napari_diatom.formats.outlines import fill
from napari_diatom.project.document import Document
from napari_diatom.project.specimen import Specimen
from napari_diatom.project.store import Project

IMAGES = ("first", "second")

Content = dict[str, str]
"""Of each image a hash of what its specimens and proposals are, and of how far it is."""


def main() -> int:
    """Kill a child again and again and print what was lost."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="kills.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=200, help="how often (%(default)s)")
    parser.add_argument("--longest", type=float, default=400.0, help="until a kill, in ms (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all that chance decides (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--child", type=Path, metavar="PROJECT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        annotate(options.child, options.seed)
    with tempfile.TemporaryDirectory(prefix="napari-diatom-kills-") as folder:
        figures = killed(Path(folder), options.kills, options.longest / 1000, options.seed)
    for name, value in figures.items():
        print(f"{name:44}{value:12.3f}" if isinstance(value, float) else f"{name:44}{value:12d}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 1 if figures["kills after which something was lost"] or figures["projects that did not open"] else 0


def killed(folder: Path, kills: int, longest: float, seed: int) -> dict[str, Any]:
    """Make a project in a folder, kill what works on it, and return what came of it."""
    for name in IMAGES:
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (400, 600), dtype=np.uint8)).save(
            folder / f"{name}.png"
        )
    project = folder / "project"
    Project.create(project, [folder / f"{name}.png" for name in IMAGES], ["Navicula"]).close()
    rng = random.Random(seed)
    numbers: Counter[str] = Counter()
    seconds = 0.0
    for number in range(kills):
        finished, begun, states = work(project, seed + number, rng.uniform(0, longest))
        numbers["finished actions"] += finished
        start = time.perf_counter()
        try:
            with Project.open(project, "parent") as reopened:
                found = content(reopened)
                left = len(reopened.leftovers())
        except DiatomError as error:
            print(f"kill {number}: {error}", file=sys.stderr)
            numbers["unopened"] += 1
            break
        seconds += time.perf_counter() - start
        numbers["left"] += left
        numbers["under way"] += begun
        if found == states[0]:
            continue
        if begun and found == states[1]:
            numbers["whole"] += 1
            continue
        print(f"kill {number}: after {finished} actions the project is another one", file=sys.stderr)
        numbers["lost"] += 1
    return {
        "kills": kills,
        "finished actions": numbers["finished actions"],
        "kills in the middle of an action": numbers["under way"],
        "of which the action was kept": numbers["whole"],
        "kills after which something was lost": numbers["lost"],
        "projects that did not open": numbers["unopened"],
        "journals that could not be made again": numbers["left"],
        "seconds to open, mean": seconds / max(kills, 1),
    }


def work(project: Path, seed: int, seconds: float) -> tuple[int, bool, tuple[Content, Content]]:
    """Let a child annotate for a while and kill it.

    Returns
    -------
    finished : int
        Actions that it had finished.
    begun : bool
        Whether it was in the middle of another one.
    contents : tuple of Content, length 2
        The project after the finished actions, and after the one under way too.
    """
    command = [sys.executable, __file__, "--child", str(project), "--seed", str(seed)]
    # A file, not a pipe: the child never waits for its parent to read.
    heard = project.with_name("said.jsonl")
    with heard.open("wb") as stream, subprocess.Popen(command, stdout=stream) as child:
        while not heard.stat().st_size and child.poll() is None:
            time.sleep(0.005)
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)
    # Of a line that was cut off nobody heard.
    said = [json.loads(line) for line in heard.read_bytes().split(b"\n")[:-1]]
    done = [index for index, line in enumerate(said) if "is" in line]
    last = said[done[-1]]["is"]
    begun = said[-1] if done[-1] < len(said) - 1 else None
    return len(done) - 1, begun is not None, (last, last if begun is None else begun["will be"])


def annotate(folder: Path, seed: int) -> None:
    """Annotate by chance until killed: say what will be before each action, and what is after it."""
    rng = random.Random(seed)
    # What is imported for the first mask is not to be all that is ever killed.
    warm = Document()
    warm.add([Specimen.of_mask(fill(((np.array([[0.0, 0], [30, 4], [20, 20]]),),)), "Navicula")])
    described(warm)
    project = Project.open(folder, "child")
    shadow = {name: Document(project.document(name).contents, "child") for name in IMAGES}
    say({"is": content(project)})
    while True:
        name, action = rng.choice(IMAGES), rng.getrandbits(32)
        # The same action in memory first, so that the parent knows what it leads to.
        act(shadow[name], random.Random(action))
        say({"will be": {other: described(shadow[other]) for other in IMAGES}})
        act(project.document(name), random.Random(action))
        say({"is": content(project)})
        if rng.random() < 0.2:
            project.flush()


def act(document: Document, rng: random.Random) -> None:
    """Do one thing that the numbers decide."""
    ids, proposals = list(document.specimens), list(document.proposals)
    some = rng.sample(ids, min(len(ids), rng.randint(1, 3)))
    kind = rng.choice(
        ["add", "add", "class", "status", "reshape", "remove", "propose", "accept", "undo", "redo", "done"]
    )
    if kind == "add" or not ids:
        document.add([drawn(rng) for _ in range(rng.randint(1, 3))])
    elif kind == "class":
        document.set_class(some, rng.choice(["Navicula", "Nitzschia", "Übrige"]))
    elif kind == "status":
        document.set_status(some, rng.choice(["valve", "girdle", "broken"]))
    elif kind == "reshape":
        document.reshape({id_: drawn(rng) for id_ in some})
    elif kind == "remove":
        document.remove(some)
    elif kind == "propose":
        document.propose([drawn(rng) for _ in range(3)], f"model {rng.randint(1, 2)}")
    elif kind == "accept" and proposals:
        document.accept(proposals[:2])
    elif kind == "undo":
        document.undo()
    elif kind == "redo":
        document.redo()
    else:
        document.set_done(document.state != "done")


def drawn(rng: random.Random) -> Specimen:
    """Return a rectangle, a polygon or a mask."""
    x, y = rng.uniform(50, 550), rng.uniform(50, 350)
    known = {"id": f"{rng.getrandbits(64):016x}"}
    outline = ((np.array([[x, y], [x + 30.5, y + 4], [x + 24, y + 20.25], [x - 3, y + 15]]),),)
    kind = rng.choice(["rectangle", "polygon", "mask"])
    if kind == "rectangle":
        return Specimen.rectangle((x, y, 40, 9, rng.uniform(-1.5, 1.5)), "Navicula", **known)
    if kind == "polygon":
        return Specimen.polygon(outline, "Navicula", **known)
    return Specimen.of_mask(fill(outline), "Navicula", **known)


def content(project: Project) -> Content:
    """Return what a project holds."""
    return {name: described(project.document(name)) for name in IMAGES}


def described(document: Document) -> str:
    """Return a hash of what a document holds, without the time and the order.

    After a crash a specimen that was removed, saved without and brought back by undo stands at the end.
    """
    lines = []
    for kind, specimens in (("specimen", document.specimens), ("proposal", document.proposals)):
        for item in specimens.values():
            shape = [[ring.tolist() for ring in polygon] for polygon in item.polygons]
            facts = (item.id, item.name, item.status, item.shape, item.origin, item.reviewed, item.annotator, shape)
            lines.append(json.dumps([kind, *facts]))
    return hashlib.sha256("\n".join([document.state, *sorted(lines)]).encode("utf-8")).hexdigest()


def say(what: dict[str, Any]) -> None:
    """Tell the parent."""
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
