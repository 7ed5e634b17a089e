"""Whether an annotation is ever lost: a program that annotates is killed at random moments, again and again.

A child process adds, changes, removes, proposes, accepts, undoes and saves by chance and says so after each finished
action. Its parent kills it (SIGKILL) some milliseconds later, opens the project and compares it with what the child had
said: all finished actions have to be there; of one that was under way all of it, or nothing.

Two writers work at once on the same images, each on specimens of its own, and merge what the other one saved. With
``--skew`` they are on computers whose clocks differ by hours, in a folder whose locks say nothing, and sleep now and
then for so long that the other one takes them for gone and their journals over. All waiting is cut to a thousandth.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from fields import SET_UP
from PIL import Image

from napari_diatom.core.errors import DiatomError
from napari_diatom.core.mask_polygons import fill
from napari_diatom.project import clock, sessions
from napari_diatom.project.document import Document
from napari_diatom.project.edit_conflicts import ConflictError
from napari_diatom.project.journal import Journal
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import Specimen

IMAGES = ("first", "second")
HOURS = (-7.0, 5.0, 0.0)
"""How far the clocks of the writers and of who looks afterwards are ahead."""
QUICK = 1 / 1000
"""Of the times after which a window is taken for gone."""
ALONE = ("undo", "redo", "done")
"""Actions of one writer: the other one's merges end what can be undone, and say how far an image is."""

Content = dict[str, str]
"""Of each image a hash of what its specimens and proposals are, and of how far it is; of one of two writers its own."""


def main() -> int:
    """Kill a child again and again and print what was lost."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="kills.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=200, help="how often (%(default)s)")
    parser.add_argument("--longest", type=float, default=400.0, help="until a kill, in ms (%(default)s)")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="after which no further kill begins (none is too many)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all that chance decides (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--writers", type=int, choices=(1, 2), default=1, help="programs at once (%(default)s)")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep there what a kill after which something was lost left"
    )
    parser.add_argument("--skew", action="store_true", help="their clocks differ, locks say nothing, and they sleep")
    parser.add_argument("--child", type=Path, metavar="PROJECT", help=argparse.SUPPRESS)
    parser.add_argument("--writer", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.skew:
        skew(options.writer if options.child else len(HOURS) - 1)
    if options.child:
        annotate(options.child, options.seed, options.writer if options.writers == 2 else None, options.skew)
    with tempfile.TemporaryDirectory(prefix="napari-diatom-kills-") as folder:
        figures = killed(
            Path(folder),
            options.kills,
            options.longest / 1000,
            options.seed,
            options.writers,
            options.skew,
            options.keep,
            options.minutes,
        )
    for name, value in figures.items():
        print(f"{name:44}{value:12.3f}" if isinstance(value, float) else f"{name:44}{value:12d}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 1 if figures["kills after which something was lost"] or figures["projects that did not open"] else 0


def skew(number: int) -> None:
    """Be on a computer of one's own: with another clock, and locks that are not seen from there."""
    ahead = timedelta(hours=HOURS[number])
    clock.now = lambda timespec="seconds": (datetime.now(UTC) + ahead).isoformat(timespec=timespec)
    sessions.this_computer = lambda: (f"host {number}", f"machine {number}")
    sessions.Session.lock_state = lambda *_: "free"
    for name in ("SILENT_SECONDS", "LOOK_SECONDS", "BEAT_SECONDS"):
        setattr(sessions, name, getattr(sessions, name) * QUICK)


def killed(
    folder: Path,
    kills: int,
    longest: float,
    seed: int,
    writers: int = 1,
    skewed: bool = False,
    keep: Path | None = None,
    minutes: float = math.inf,
) -> dict[str, Any]:
    """Make a project in a folder, kill what works on it, and return what came of it.

    Parameters
    ----------
    folder : Path
        For the project and its images.
    kills : int
        How often.
    longest : float
        Until a kill, in seconds.
    seed : int
        Of all that chance decides.
    writers : int
        Programs that work on the project at once.
    skewed : bool
        Whether they are on computers of their own; the caller has to be, too (:func:`skew`).
    keep : Path, optional
        Folder to which what a kill left, and what was said before it, is copied where something was lost.
    minutes : float
        After which no further kill begins.
    """
    for name in IMAGES:
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (400, 600), dtype=np.uint8)).save(
            folder / f"{name}.png"
        )
    project = folder / "project"
    Project.create(project, [folder / f"{name}.png" for name in IMAGES], ["Navicula"]).close()
    rng = random.Random(seed)
    numbers: Counter[str] = Counter()
    seconds, done = 0.0, 0
    end = time.monotonic() + 60 * minutes
    for number in range(kills):
        if time.monotonic() > end:
            break
        done += 1
        waits = [rng.uniform(0, longest) for _ in range(writers)]
        records = work(project, seed + number, waits, skewed)
        if keep is not None:
            shutil.rmtree(keep / "last", ignore_errors=True)
            shutil.copytree(folder, keep / "last")
        start = time.perf_counter()
        try:
            with Project.open(project, "parent") as reopened:
                if skewed:
                    watch(reopened)
                found = [content(reopened, writer if writers == 2 else None) for writer in range(writers)]
                left, waiting = len(reopened.journals.leftovers()), len(reopened.journals.waiting())
        except DiatomError as error:
            print(f"kill {number}: {error}", file=sys.stderr)
            numbers["unopened"] += 1
            break
        seconds += time.perf_counter() - start
        numbers["left"] += left
        for writer, (finished, begun, taken, states) in enumerate(records):
            numbers["finished actions"] += finished
            numbers["under way"] += begun
            numbers["taken"] += taken
            if found[writer] == states[0]:
                continue
            if begun and found[writer] == states[1]:
                numbers["whole"] += 1
                continue
            print(
                f"kill {number}: after {finished} actions the project is another one; {waiting} journals wait for "
                f"windows that seem to be open, {left} could not be made again",
                file=sys.stderr,
            )
            if keep is not None:
                shutil.copytree(keep / "last", keep / f"kill {number}", dirs_exist_ok=True)
                shutil.copytree(folder, keep / f"kill {number} reopened", dirs_exist_ok=True)
            numbers["lost"] += 1
    return {
        "kills": done * writers,
        "finished actions": numbers["finished actions"],
        "kills in the middle of an action": numbers["under way"],
        "of which the action was kept": numbers["whole"],
        "journals taken from a writer that only slept": numbers["taken"],
        "kills after which something was lost": numbers["lost"],
        "projects that did not open": numbers["unopened"],
        "journals that could not be made again": numbers["left"],
        "seconds to open, mean": seconds / max(done, 1),
    }


def watch(project: Project) -> None:
    """Look at the other windows until it is known which of them are gone."""
    end = time.monotonic() + 2 * sessions.SILENT_SECONDS
    while time.monotonic() < end:
        project.session.others()
        time.sleep(sessions.LOOK_SECONDS / 3)


WriterRecord = tuple[int, bool, int, tuple[Content, Content]]
"""Finished actions, whether another one was under way, journals that were taken away, and the project after each."""


def work(project: Path, seed: int, waits: list[float], skewed: bool) -> list[WriterRecord]:
    """Let children annotate for a while, kill them one after the other, and return what each had said."""
    command = [sys.executable, __file__, "--child", str(project), "--writers", str(len(waits))]
    with ExitStack() as stack:
        children = []
        for writer in range(len(waits)):
            own = ["--seed", str(2 * seed + writer), "--writer", str(writer), *(["--skew"] if skewed else [])]
            # A file, not a pipe: the child never waits for its parent to read.
            heard = project.with_name(f"said{writer}.jsonl")
            stream = stack.enter_context(heard.open("wb"))
            children.append((stack.enter_context(subprocess.Popen([*command, *own], stdout=stream)), heard))
        for child, heard in children:
            while not heard.stat().st_size and child.poll() is None:
                time.sleep(0.005)
        for (child, _), seconds in zip(children, waits, strict=True):
            time.sleep(seconds)
            child.send_signal(signal.SIGKILL)
    return [read_record(heard) for _, heard in children]


def read_record(heard: Path) -> WriterRecord:
    """Return what a child had said."""
    # Of a line that was cut off nobody heard.
    said = [json.loads(line) for line in heard.read_bytes().split(b"\n")[:-1]]
    done = [index for index, line in enumerate(said) if "is" in line]
    last = said[done[-1]]
    begun = said[-1] if done[-1] < len(said) - 1 else None
    states = last["is"], last["is"] if begun is None else begun["will be"]
    return len(done) - 1, begun is not None, last["taken"], states


def annotate(folder: Path, seed: int, writer: int | None, sleeps: bool) -> None:
    """Annotate by chance until killed: say what will be before each action, and what is after it."""
    rng = random.Random(seed)
    # What is imported for the first mask is not to be all that is ever killed.
    warm = Document()
    warm.add([Specimen.of_mask(fill(((np.array([[0.0, 0], [30, 4], [20, 20]]),),)), "Navicula")])
    described(warm, None)
    taken = count_taken()
    project = Project.open(folder, "child" if writer is None else f"child {writer}")
    shadow = {name: Document(project.document(name).contents, project.annotator) for name in IMAGES}
    say({"is": content(project, writer), "taken": taken["journals"]})
    while True:
        name, action = rng.choice(IMAGES), rng.getrandbits(32)
        if writer is not None:
            # What the other one saved may have come in.
            shadow[name] = Document(project.document(name).contents, project.annotator)
        # The same action in memory first, so that the parent knows what it leads to.
        act(shadow[name], random.Random(action), writer)
        will_be = content(project, writer) | {name: described(shadow[name], writer)}
        say({"will be": will_be})
        act(project.document(name), random.Random(action), writer)
        say({"is": content(project, writer), "taken": taken["journals"]})
        if rng.random() < 0.2:
            save(project)
        if sleeps:
            project.session.beat()
            project.session.others()
            if rng.random() < 0.15:
                time.sleep(4 * sessions.SILENT_SECONDS)
            elif rng.random() < 0.5:
                # As on switching the image: what another window left is made again.
                save(project)
                with suppress(ConflictError):
                    project.release(name)


def save(project: Project) -> None:
    """Write the files; what another window wrote is merged, as often as it writes in between."""
    for _ in range(20):
        try:
            return project.flush()
        except ConflictError:
            for name in IMAGES:
                project.document(name).rebase()


def count_taken() -> Counter[str]:
    """Return a number that grows with every journal that is taken from this window."""
    counted: Counter[str] = Counter()
    forget = Journal._forget

    def noted(journal: Journal) -> None:
        counted["journals"] += 1
        forget(journal)

    Journal._forget = noted
    return counted


def act(document: Document, rng: random.Random, writer: int | None = None) -> None:
    """Do one thing that the numbers decide, as one of two writers with the own specimens."""
    ids = [id_ for id_ in document.specimens if is_of(id_, writer)]
    proposals = [id_ for id_ in document.proposals if is_of(id_, writer)]
    some = rng.sample(ids, min(len(ids), rng.randint(1, 3)))
    kind = rng.choice(
        ["add", "add", "class", "status", "reshape", "remove", "propose", "accept", "undo", "redo", "done"]
    )
    if kind == "add" or not ids or (writer is not None and kind in ALONE):
        document.add([drawn(rng, writer) for _ in range(rng.randint(1, 3))])
    elif kind == "class":
        document.set_class(some, rng.choice(["Navicula", "Nitzschia", "Übrige"]))
    elif kind == "status":
        document.set_status(some, rng.choice(["valve", "girdle", "broken"]))
    elif kind == "reshape":
        document.reshape({id_: drawn(rng, writer) for id_ in some})
    elif kind == "remove":
        document.remove(some)
    elif kind == "propose":
        document.propose([drawn(rng, writer) for _ in range(3)], f"model {rng.randint(1, 2)} of {writer}")
    elif kind == "accept" and proposals:
        document.accept(proposals[:2])
    elif kind == "undo":
        document.undo()
    elif kind == "redo":
        document.redo()
    else:
        document.set_done(document.state != "done")


def is_of(id_: str, writer: int | None) -> bool:
    """Return whether a specimen is a writer's own; all are the only one's."""
    return writer is None or id_.startswith(f"{writer}-")


def drawn(rng: random.Random, writer: int | None) -> Specimen:
    """Return a rectangle, a polygon or a mask."""
    x, y = rng.uniform(50, 550), rng.uniform(50, 350)
    known = {"id": f"{'' if writer is None else f'{writer}-'}{rng.getrandbits(64):016x}"}
    outline = ((np.array([[x, y], [x + 30.5, y + 4], [x + 24, y + 20.25], [x - 3, y + 15]]),),)
    kind = rng.choice(["rectangle", "polygon", "mask"])
    if kind == "rectangle":
        return Specimen.rectangle((x, y, 40, 9, rng.uniform(-1.5, 1.5)), "Navicula", **known)
    if kind == "polygon":
        return Specimen.polygon(outline, "Navicula", **known)
    return Specimen.of_mask(fill(outline), "Navicula", **known)


def content(project: Project, writer: int | None) -> Content:
    """Return what a project holds, of a writer."""
    return {name: described(project.document(name), writer) for name in IMAGES}


def described(document: Document, writer: int | None) -> str:
    """Return a hash of what a document holds of a writer, without the time and the order.

    After a crash a specimen that was removed, saved without and brought back by undo stands at the end.
    """
    lines = []
    for kind, specimens in (("specimen", document.specimens), ("proposal", document.proposals)):
        for item in specimens.values():
            if not is_of(item.id, writer):
                continue
            shape = [[ring.tolist() for ring in polygon] for polygon in item.polygons]
            facts = (item.id, item.name, item.status, item.shape, item.origin, item.reviewed, item.annotator, shape)
            lines.append(json.dumps([kind, *facts]))
    state = document.state if writer is None else ""
    return hashlib.sha256("\n".join([state, *sorted(lines)]).encode("utf-8")).hexdigest()


def say(what: dict[str, Any]) -> None:
    """Tell the parent."""
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
