"""A program that dies after any operation on files: what it had told as done is there, of the rest all or nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from helpers.projects import blob, box, new_project, polygon
from napari_diatom.project import clock
from napari_diatom.project.document import Document
from napari_diatom.project.edit_conflicts import ConflictError
from napari_diatom.project.project import Project

IMAGES = ("s0f0", "s0f1")
OPERATIONS = ("open", "write", "ftruncate", "fsync", "replace", "rename", "unlink", "mkdir", "rmdir")

Content = frozenset[tuple[Any, ...]]
"""All facts of what a project holds, or of what one of its windows made."""
Told = dict[str, Content]
"""By what the ids of a window's specimens begin with; of a single window everything, under an empty text."""
Step = tuple[str, Callable[[Project], object]]
"""The window that acts, and what it does."""


@dataclass
class Crash:
    """The files as a killed program leaves them."""

    folder: Path
    after: str
    may_be: tuple[Told, ...]
    """What had been told as done, and where an action was under way what that leads to."""


@dataclass
class Crashes:
    """Copies of a project, one for each operation on its files."""

    project: Path
    copies: Path
    may_be: tuple[Told, ...]
    found: list[Crash] = field(default_factory=list)
    is_copying: bool = False

    def note(self, after: str) -> None:
        """Copy the files as they are now."""
        folder = self.copies / str(len(self.found)) / "project"
        self.is_copying = True
        shutil.copytree(self.project, folder)
        self.is_copying = False
        self.found.append(Crash(folder, after, self.may_be))

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Note what each operation leaves; of what is to be written only a half is, as a system may do."""
        with pytest.MonkeyPatch.context() as patch:
            for name in OPERATIONS:
                patch.setattr(os, name, self._watch(name, getattr(os, name)))
            yield

    def _watch(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*arguments: Any, **options: Any) -> Any:
            if self.is_copying or (name == "open" and not arguments[1] & (os.O_CREAT | os.O_TRUNC)):
                return real(*arguments, **options)
            if name == "write" and len(arguments[1]) > 1:
                arguments = arguments[0], arguments[1][: len(arguments[1]) // 2]
            done = real(*arguments, **options)
            self.note(f"{name} {arguments[0]}")
            return done

        return operation


def content(project: Project, whose: str) -> Content:
    """Return what a project holds, of one of two windows what it made."""
    facts: list[tuple[Any, ...]] = []
    for image in IMAGES:
        document = project.document(image)
        for kind, items in (("specimen", document.specimens), ("proposal", document.proposals)):
            for item in items.values():
                if item.id.startswith(whose):
                    outline = tuple(tuple(ring.tobytes() for ring in polygon) for polygon in item.polygons)
                    plain = item.id, item.name, item.status, item.shape, item.origin, item.reviewed, item.annotator
                    facts.append((image, kind, *plain, item.changed, outline))
        # Of two windows the last one to write says how far an image is.
        facts += [] if whose else [(image, "state", document.state)]
    return frozenset(facts)


def actions(own: str) -> list[Callable[[Project], object]]:
    """Return what a window does, one after the other; the ids of what it makes begin with its ``own`` letter."""
    new = [item.replace(id=f"{own}{number}") for number, item in enumerate([box(1), polygon(), blob(), box(2)])]
    found = [box(number, id=f"{own}m{number}", score=0.5) for number in range(5)]

    def first(project: Project) -> Document:
        return project.document(IMAGES[0])

    def second(project: Project) -> Document:
        return project.document(IMAGES[1])

    return [
        lambda project: first(project).add(new[:2]),
        lambda project: first(project).set_class([f"{own}0"], "Nitzschia"),
        flush,
        lambda project: first(project).add(new[2:3]),
        lambda project: first(project).propose(found[:3], f"model {own}"),
        lambda project: first(project).accept([f"{own}m0", f"{own}m1"]),
        flush,
        lambda project: first(project).undo(),
        lambda project: first(project).set_status([f"{own}1"], "girdle"),
        lambda project: second(project).propose(found[3:], f"model {own}"),
        flush,
        lambda project: second(project).add(new[3:]),
        lambda project: second(project).set_done(True),
        lambda project: first(project).undo(),
        lambda project: first(project).redo(),
        lambda project: first(project).reshape({f"{own}1": box(5)}),
        flush,
        lambda project: first(project).remove([f"{own}0"]),
        lambda project: first(project).undo(),
        lambda project: second(project).set_done(False),
        flush,
        lambda project: project.release(IMAGES[1]),
    ]


def flush(project: Project) -> None:
    """Write the files; what another window wrote is merged first."""
    try:
        project.flush()
    except ConflictError:
        for image in IMAGES:
            project.document(image).rebase()
        project.flush()


def play(folder: Path, steps: list[Step], whose: tuple[str, ...]) -> Iterator[Told]:
    """Take the steps in windows that open with their first one; yield what is told before them and after each."""
    told: Told = dict.fromkeys(whose, frozenset())
    if whose == ("",):
        told = {"": frozenset((image, "state", "untouched") for image in IMAGES)}
    with ExitStack() as stack:
        windows: dict[str, Project] = {}
        yield dict(told)
        for name, act in steps:
            if name not in windows:
                windows[name] = stack.enter_context(Project.open(folder, f"window {name}"))
            act(windows[name])
            told[name] = content(windows[name], name)
            yield dict(told)


def crashes(tmp_path: Path, steps: Callable[[], list[Step]], whose: tuple[str, ...]) -> list[Crash]:
    """Return what a crash after each operation leaves."""
    folder = new_project(tmp_path).folder
    rehearsed = list(play(shutil.copytree(folder, tmp_path / "rehearsal" / "project"), steps(), whose))
    found = Crashes(folder, tmp_path / "crashes", (rehearsed[0], rehearsed[0]))
    with found.watched():
        for number, told in enumerate(play(folder, steps(), whose)):
            assert told == rehearsed[number]
            found.may_be = (told,)
            found.note("an action")
            found.may_be = tuple(rehearsed[number : number + 2])
    return found.found


def check(crash: Crash) -> None:
    """Open what a crash left twice, and find what was told both times."""
    for annotator in ("Eve", "Max"):
        with Project.open(crash.folder, annotator) as project:
            assert {name: content(project, name) for name in crash.may_be[0]} in crash.may_be, crash.after
            assert not project.journals.leftovers()


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no time pass: the rehearsal is to be the same to the second."""
    monkeypatch.setattr(clock, "now", lambda timespec="seconds": "2030-01-01T00:00:00+00:00")


def one() -> list[Step]:
    """Return the steps of one window."""
    return [("", act) for act in actions("")]


def two() -> list[Step]:
    """Return the steps of two windows, of which the second one opens when the first one has written, and not all."""
    first, second = ([(own, act) for act in actions(own)] for own in "ab")
    turns = [step for pair in zip(first[4:], second, strict=False) for step in pair]
    return [*first[:4], *turns, *second[len(first) - 4 :]]


def test_a_crash_after_any_operation_loses_nothing_that_was_told(tmp_path: Path) -> None:
    found = crashes(tmp_path, one, ("",))
    assert len(found) > 100
    for crash in found:
        check(crash)


def test_a_crash_of_two_windows_after_any_operation_loses_nothing_that_was_told(tmp_path: Path) -> None:
    found = crashes(tmp_path, two, ("a", "b"))
    assert len(found) > 200
    for crash in found[::3]:
        check(crash)


@pytest.mark.parametrize(("steps", "whose", "every"), [(one, ("",), 29), (two, ("a", "b"), 61)])
def test_a_second_crash_while_a_project_is_opened_again_loses_nothing(
    tmp_path: Path, steps: Callable[[], list[Step]], whose: tuple[str, ...], every: int
) -> None:
    for number, crash in enumerate(crashes(tmp_path, steps, whose)[::every]):
        again = Crashes(crash.folder, tmp_path / f"again{number}", crash.may_be)
        with again.watched(), Project.open(crash.folder, "Eve") as project:
            for image in IMAGES:
                project.document(image)
        for second in again.found[::3]:
            check(second)
