"""Windows of one project on several computers: whatever their clocks say, and whoever slept, no edit is lost."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers import TESTS
from helpers.projects import box, names, new_project
from napari_diatom.cli import main
from napari_diatom.core.errors import OutputError
from napari_diatom.project import clock, journal, sessions
from napari_diatom.project.edit_conflicts import ConflictError
from napari_diatom.project.folder_lock import HIDDEN
from napari_diatom.project.journal import Journal
from napari_diatom.project.project import Project
from napari_diatom.project.sessions import SILENT_SECONDS, Session


class Share:
    """A folder of a network that knows no locks across computers, and their clocks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 1000.0
        self.hours = 0.0
        self.host = "lab"
        monkeypatch.setattr(clock, "running", lambda: self.seconds)
        monkeypatch.setattr(clock, "now", self._now)
        monkeypatch.setattr(sessions, "this_computer", lambda: (self.host, f"machine of {self.host}"))
        monkeypatch.setattr(Session, "lock_state", lambda *_: "free")

    def open(self, host: str, folder: Path, annotator: str, hours: float = 0) -> Project:
        """Open a project on another computer, whose clock is so many hours ahead."""
        self.host, self.hours = host, hours
        return Project.open(folder, annotator)

    def watch(self, project: Project, seconds: float = 2 * SILENT_SECONDS, *alive: Project) -> None:
        """Leave a window open for a while beside others that go on."""
        for _ in range(int(seconds / 30) + 1):
            self.seconds += 30
            for other in alive:
                other.session.beat()
            project.session.others()

    def _now(self, timespec: str = "seconds") -> str:
        return (datetime.now(UTC) + timedelta(hours=self.hours)).isoformat(timespec=timespec)


@pytest.fixture
def share(monkeypatch: pytest.MonkeyPatch) -> Iterator[Share]:
    return Share(monkeypatch)


def journals(folder: Path) -> list[Path]:
    return sorted((folder / HIDDEN / "journals").glob("*"))


@pytest.mark.parametrize("hours", [-26.0, -0.5, 0.5, 26.0])
def test_a_window_whose_clock_differs_is_not_taken_for_dead(tmp_path, share, hours):
    mine = new_project(tmp_path)
    mine.document("s0f0").add([box(1)])
    theirs = share.open("laptop", mine.folder, "Bob", hours)
    assert [there.annotator for there in theirs.session.others()] == ["Ada"]
    assert not theirs.document("s0f0").specimens
    share.watch(theirs, 10 * SILENT_SECONDS, mine)
    assert len(theirs.session.others()) == len(mine.session.others()) == 1
    assert not theirs.contents("s0f1").specimens
    assert len(journals(mine.folder)) == 1
    mine.close()
    theirs.document("s0f0").rebase()
    assert len(theirs.document("s0f0").specimens) == 1
    theirs.close()


def test_a_window_elsewhere_is_gone_when_it_was_watched_and_said_nothing(tmp_path, share):
    gone = new_project(tmp_path)
    gone.document("s0f0").add([box(1)])
    again = share.open("laptop", gone.folder, "Bob")
    # However old it is by the clock: this window has not watched it yet.
    said = gone.folder / HIDDEN / "sessions" / f"{gone.session.presence.session}.json"
    said.write_text(json.dumps(json.loads(said.read_text()) | {"heartbeat": "2020-01-01T00:00:00+00:00"}))
    assert again.summary()[0].total == 0
    assert [left.annotator for left in again.journals.waiting()] == ["Ada"]
    share.watch(again)
    assert again.session.others() == again.journals.waiting() == []
    assert again.summary()[0].total == 1
    assert not journals(gone.folder)
    assert not said.exists()
    again.close()


def test_a_watcher_that_slept_itself_has_not_watched(tmp_path, share):
    mine = new_project(tmp_path)
    theirs = share.open("laptop", mine.folder, "Bob")
    theirs.session.others()
    share.seconds += 7200
    assert len(theirs.session.others()) == 1
    mine.close()
    theirs.close()


def test_what_a_window_elsewhere_left_damaged_is_watched_too(tmp_path, share):
    mine = new_project(tmp_path)
    folder = mine.folder / HIDDEN / "sessions"
    for number, text in enumerate(["{damaged", "[" * 5000, '{"session": 1, "pid": {}}', "\0" * 99]):
        (folder / f"{number}.json").write_text(text)
    (folder / "folder.json").mkdir()
    assert mine.session.others() == []
    share.watch(mine)
    assert mine.session.others() == []
    assert sorted(path.name for path in folder.glob("?.json")) == []
    mine.close()


def test_computers_of_one_name_are_told_apart(tmp_path, share, monkeypatch):
    mine = new_project(tmp_path)
    mine.document("s0f0").add([box(1)])
    monkeypatch.setattr(sessions, "this_computer", lambda: ("lab", "another machine"))
    with Project.open(mine.folder, "Bob") as theirs:
        assert len(theirs.session.others()) == 1
        assert theirs.summary()[0].total == 0
    mine.close()


def test_a_lock_that_is_held_across_the_share_shows_that_a_window_lives(tmp_path, share, monkeypatch):
    mine = new_project(tmp_path)
    monkeypatch.setattr(Session, "lock_state", lambda *_: "held")
    theirs = share.open("laptop", mine.folder, "Bob")
    share.watch(theirs)
    assert len(theirs.session.others()) == 1
    theirs.close()
    mine.close()


def sleeping(share: Share, folder: Path) -> tuple[Project, Project]:
    """Return a window with an edit that slept, and another one that took it for gone and its journal over."""
    slept = new_project(folder)
    slept.document("s0f0").add([box(1, id="one"), box(2, id="two")])
    awake = share.open("desk", slept.folder, "Bob")
    share.watch(awake)
    assert set(names(awake, "s0f0")) == {"one", "two"}
    assert not journals(slept.folder)
    return slept, awake


def test_an_edit_after_the_journal_was_adopted_survives(tmp_path, share):
    slept, awake = sleeping(share, tmp_path)
    awake.document("s0f0").set_class(["two"], "Eunotia")
    awake.close()
    doc = slept.document("s0f0")
    # Reported as done: whatever comes now, it is on disk.
    doc.set_class(["one"], "Nitzschia")
    doc.add([box(3, id="three")])
    assert doc.is_stored
    del slept, doc
    with Project.open(tmp_path / "project") as again:
        share.watch(again)
        assert names(again, "s0f0") == {"one": "Nitzschia", "two": "Eunotia", "three": "Navicula"}
        assert again.journals.leftovers() == []


def test_an_edit_after_the_journal_was_adopted_is_merged_by_its_own_window(tmp_path, share):
    slept, awake = sleeping(share, tmp_path)
    awake.document("s0f0").remove(["two"])
    awake.close()
    doc = slept.document("s0f0")
    doc.set_class(["one"], "Nitzschia")
    assert slept.session.others() == []
    with pytest.raises(ConflictError):
        slept.flush()
    # Nobody is asked: the other window has made the first edits, and this one's later ones go on from there.
    doc.rebase()
    slept.close()
    with Project.open(tmp_path / "project") as again:
        # What Bob removed after he took the edits over does not come back with them.
        assert names(again, "s0f0") == {"one": "Nitzschia"}


def test_a_window_whose_edits_were_all_adopted_closes_without_a_word(tmp_path, share):
    slept, awake = sleeping(share, tmp_path)
    awake.document("s0f0").set_class(["two"], "Eunotia")
    awake.close()
    slept.close()
    with share.open("third", slept.folder, "Eve") as again:
        assert names(again, "s0f0") == {"one": "Navicula", "two": "Eunotia"}


def test_a_conflict_says_who_changed_what_and_where(tmp_path, share, capsys):
    mine = new_project(tmp_path)
    mine.document("s0f0").add([box(number, id=str(number)) for number in range(4)])
    mine.flush()
    theirs = share.open("desk", mine.folder, "Bob", hours=2)
    doc = theirs.document("s0f0")
    doc.set_class(["0"], "Eunotia")
    doc.set_status(["1"], "broken")
    doc.remove(["2"])
    doc.reshape({"3": box(30)})
    theirs.close()
    share.hours = 0
    doc = mine.document("s0f0")
    doc.reshape({id_: box(20) for id_ in "0123"})
    with pytest.raises(ConflictError) as error:
        doc.rebase()
    clashes = {clash.id: clash for clash in error.value.clashes}
    assert [clashes[id_].changed_there for id_ in "0123"] == [
        (("class", "Navicula", "Eunotia"),),
        (("status", "valve", "broken"),),
        (("removed", "", ""),),
        (("outline", "", ""),),
    ]
    assert all(clash.changed_here == (("outline", "", ""),) for clash in clashes.values())
    assert {(clash.by.annotator, clash.by.host) for clash in clashes.values()} == {("Bob", "desk")}
    assert clashes["2"].theirs is None
    first = "you changed the outline; Bob on desk changed the class from Navicula to Eunotia (20"
    assert f"4 specimens were changed here and by somebody else. Navicula at x 10, y 21: {first}" in str(error.value)
    assert "And 1 more. Choose whose version stays." in str(error.value)
    with pytest.raises(ConflictError):
        mine.close()
    assert main(["project", "check", str(mine.folder)]) == 1
    assert "changed by Ada and by somebody else. Navicula at x 10, y 21: Ada changed" in capsys.readouterr().out


@pytest.mark.parametrize("moment", ["write", "fsync"])
def test_an_edit_that_is_written_while_its_journal_is_adopted_is_made_once(tmp_path, share, monkeypatch, moment):
    mine = new_project(tmp_path)
    doc = mine.document("s0f0")
    doc.add([box(1, id="one")])
    awake = share.open("desk", mine.folder, "Bob")
    share.watch(awake)
    call = getattr(os, moment)

    def late(descriptor: int, *data: bytes) -> object:
        monkeypatch.setattr(os, moment, call)
        if moment == "write":
            awake.document("s0f0")
            return call(descriptor, *data)
        call(descriptor, *data)
        awake.document("s0f0")

    monkeypatch.setattr(os, moment, late)
    doc.add([box(2, id="two"), box(3, id="three")])
    assert doc.is_stored
    adopted = set(names(awake, "s0f0"))
    assert adopted == ({"one"} if moment == "write" else {"one", "two", "three"})
    awake.document("s0f0").remove(["two"] if "two" in adopted else ["one"])
    awake.close()
    with share.open("third", mine.folder, "Eve") as again:
        share.watch(again)
        assert set(names(again, "s0f0")) == ({"two", "three"} if moment == "write" else {"one", "three"})
        assert again.journals.leftovers() == []


def test_a_window_that_was_taken_for_gone_is_seen_again(tmp_path, share):
    slept, awake = sleeping(share, tmp_path)
    assert awake.session.others() == []
    slept.document("s0f0").set_class(["one"], "Nitzschia")
    assert [there.annotator for there in awake.session.others()] == ["Ada"]
    awake.close()
    with pytest.raises(ConflictError):
        slept.close()


def test_a_journal_that_was_removed_is_written_anew(tmp_path):
    project = new_project(tmp_path)
    doc = project.document("s0f0")
    doc.add([box(1, id="one")])
    for path in journals(project.folder):
        path.unlink()
    doc.add([box(2, id="two")])
    assert doc.is_stored
    project.session.let_go()
    with Project.open(project.folder) as again:
        assert set(names(again, "s0f0")) == {"one", "two"}


def test_a_line_that_is_written_while_its_journal_is_taken_is_kept_once(tmp_path, monkeypatch):
    mine = Journal(tmp_path / "j" / "a.0123.jsonl", "Ada", "0123")
    mine.append('{"n": 1}')
    write, taken = os.write, []

    def late(descriptor: int, data: bytes) -> int:
        # The other window is just that much faster.
        if not taken:
            taken.append(journal.claim(mine.path))
        return write(descriptor, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", late)
        mine.append('{"n": 2}')
    mine.close()
    lines = [json.loads(line) for path in (taken[0], mine.path) for line in path.read_text().splitlines()]
    assert {line["n"] for line in lines if "n" in line} == {1, 2}
    assert [line["n"] for line in map(json.loads, mine.path.read_text().splitlines()[1:])] == [1, 2]


def test_a_journal_that_is_always_removed_is_no_finished_edit(tmp_path, monkeypatch):
    project = new_project(tmp_path)
    doc = project.document("s0f0")
    real = os.open

    def gone(path: str | Path, flags: int, *args: int) -> int:
        """Look for a journal that another program has just removed."""
        if Path(path).suffix == ".jsonl" and not flags & (os.O_RDWR | os.O_CREAT):
            raise FileNotFoundError(path)
        return real(path, flags, *args)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", gone)
        with pytest.raises(OutputError, match="removed by another program"):
            doc.add([box(1)])
    assert not doc.is_stored
    doc.add([box(2)])
    assert doc.is_stored
    project.close()


def test_a_journal_closed_after_a_merge_and_then_taken_is_written_anew(tmp_path):
    path = tmp_path / "j" / "a.0123.jsonl"
    mine = Journal(path, "Ada", "0123")
    mine.append('{"n": 1}')
    mine.restart('{"n": 2}')
    journal.claim(path)
    mine.append('{"n": 3}')
    mine.close()
    assert [json.loads(line).get("n") for line in path.read_text().splitlines()] == [None, 2, 3]


def test_journals_that_build_on_each_other_are_made_again_whatever_their_clocks_say(tmp_path, share):
    folder = new_project(tmp_path).folder
    share.hours = 5
    first = Project.open(folder, "Ada")
    first.document("s0f0").add([box(1, id="one")])
    line = journals(folder)[0].read_bytes()
    first.close()
    share.hours = -5
    second = Project.open(folder, "Bob")
    second.document("s0f0").set_class(["one"], "Eunotia")
    # Both were killed, the first before its edits were in the files.
    (folder / HIDDEN / "journals" / "s0f0.0123456789ab.jsonl").write_bytes(line)
    (folder / "annotations" / "s0f0.geojson").unlink()
    (folder / HIDDEN / "sessions" / f"{second.session.presence.session}.json").unlink()
    with Project.open(folder) as again:
        assert names(again, "s0f0") == {"one": "Eunotia"}
        assert again.journals.leftovers() == []


def test_a_window_that_died_while_it_took_a_journal_over_makes_no_edit_twice(tmp_path, share):
    slept = new_project(tmp_path)
    doc = slept.document("s0f0")
    doc.add([box(1, id="one"), box(2, id="two")])
    journal.claim(journals(slept.folder)[0])
    doc.set_class(["one"], "Nitzschia")
    doc.remove(["two"])
    assert len(journals(slept.folder)) == 2
    with share.open("desk", slept.folder, "Bob") as again:
        share.watch(again)
        assert names(again, "s0f0") == {"one": "Nitzschia"}
        assert again.journals.leftovers() == []
    assert not journals(slept.folder)


def test_edits_that_are_in_the_files_are_not_made_a_second_time(tmp_path):
    """A program that was killed after it had written the files, and before it had emptied its journal."""
    project = new_project(tmp_path)
    doc = project.document("s0f0")
    doc.add([box(1, id="one"), box(2, id="two")])
    (path,) = journals(project.folder)
    kept = path.read_bytes()
    project.close()
    with Project.open(project.folder, "Bob") as other:
        other.document("s0f0").remove(["one"])
    path.write_bytes(kept)
    with Project.open(project.folder) as again:
        assert set(names(again, "s0f0")) == {"two"}
        assert not journals(project.folder)


def test_journals_of_the_version_before_are_made_again(tmp_path):
    project = new_project(tmp_path)
    project.document("s0f0").add([box(1, id="one")])
    (path,) = journals(project.folder)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    project.document("s0f0").undo()
    project.close()
    del lines[1]["n"], lines[0]["session"], lines[0]["host"]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with Project.open(project.folder) as again:
        assert set(names(again, "s0f0")) == {"one"}


def test_a_check_names_edits_that_are_not_in_the_files_yet(tmp_path, share, capsys):
    mine = new_project(tmp_path)
    mine.document("s0f0").add([box(1)])
    share.host = "laptop"
    assert main(["project", "check", str(mine.folder)]) == 0
    out = capsys.readouterr().out
    assert "Edits by Ada on lab" in out
    assert "1 warning\n" in out
    assert main(["project", "stats", str(mine.folder)]) == 0
    assert "edits that are not in the files yet, of s0f0" in capsys.readouterr().out
    mine.close()


SLEEPER = """
import sys
from pathlib import Path
from helpers.projects import box
from napari_diatom.project import clock, sessions
from napari_diatom.project.project import Project
from datetime import UTC, datetime, timedelta

sessions.this_computer = lambda: ("laptop", "laptop")
clock.now = lambda timespec="seconds": (datetime.now(UTC) - timedelta(hours=3)).isoformat(timespec=timespec)
project = Project.open(Path(sys.argv[1]), "Eve")
document = project.document("s0f0")
for number in range(100):
    document.add([box(number, id=str(number))])
    print(number, flush=True)
    sys.stdin.readline()
"""


def test_a_process_that_was_stopped_for_an_hour_loses_nothing(tmp_path, monkeypatch):
    """The same with two processes; only that hour is not waited for."""
    with new_project(tmp_path) as project:
        folder = project.folder
    here = TESTS
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SLEEPER), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(here), str(here.parent)])},
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "0\n"
        child.send_signal(signal.SIGSTOP)
        share = Share(monkeypatch)
        awake = Project.open(folder, "Bob")
        assert len(awake.session.others()) == 1
        share.watch(awake)
        assert awake.summary()[0].total == 1
        child.send_signal(signal.SIGCONT)
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline() == "1\n"
        child.kill()
    awake.document("s0f0").remove(["0"])
    awake.close()
    with Project.open(folder) as again:
        share.watch(again)
        assert set(names(again, "s0f0")) == {"1"}


steps = st.lists(
    st.tuples(st.sampled_from(["edit", "edit", "sleep", "flush", "killed"]), st.integers(0, 1), st.integers(0, 9)),
    min_size=3,
    max_size=14,
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_any_order_of_edits_sleep_and_death_keeps_every_edit(tmp_path_factory, sequence):
    with pytest.MonkeyPatch.context() as patch:
        share = Share(patch)
        new_project(folder := tmp_path_factory.mktemp("any"), fields=1).close()
        numbers = itertools.count()
        done: dict[str, str] = {}

        def window(number: int) -> Project:
            return share.open(f"host{number}", folder / "project", f"A{number}", 7.0 * number - 3)

        windows = [window(0), window(1)]
        for kind, who, what in sequence:
            project = windows[who]
            if kind == "edit":
                doc = project.document("s0f0")
                mine = [id_ for id_ in doc.specimens if id_.startswith(f"{who}-")]
                if what < 6 or not mine:
                    new = box(what, id=f"{who}-{next(numbers)}")
                    doc.add([new])
                    done[new.id] = new.name
                else:
                    doc.set_class([mine[what % len(mine)]], f"class {what}")
                    done[mine[what % len(mine)]] = f"class {what}"
            elif kind == "sleep":
                share.watch(windows[1 - who])
                windows[1 - who].contents("s0f0")
            elif kind == "flush":
                merged(project)
            else:
                project.documents.forget()
                windows[who] = window(who)
                share.watch(windows[who], 2 * SILENT_SECONDS, windows[1 - who])
                windows[who].contents("s0f0")
        for project in windows:
            merged(project)
            project.close()
        with Project.open(folder / "project") as again:
            share.watch(again)
            assert names(again, "s0f0") == done
            assert again.journals.leftovers() == []


def merged(project: Project) -> None:
    """Save as the window does."""
    for _ in range(3):
        try:
            return project.flush()
        except ConflictError:
            project.document("s0f0").rebase()
    raise AssertionError("it cannot be saved")
