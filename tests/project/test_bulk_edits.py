"""Names for specimens of many images: one step back, whatever was closed, edited or killed meanwhile."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from helpers.projects import box, crashed, new_project
from napari_diatom.core.errors import InputError
from napari_diatom.project.bulk_edits import BulkEdits
from napari_diatom.project.project import Project

ACTIONS = int(os.environ.get("NAPARI_DIATOM_TEST_EDITS", "20"))
"""Random actions; NAPARI_DIATOM_TEST_EDITS=200 has more of them."""
EXAMPLES = 3
"""Sequences of so many actions."""
NAMES = ("Navicula", "Nitzschia")
IDS = (*range(6), "p0", "p1")
MANY = 12
"""Images among which a process is killed."""


def filled_project(folder, fields=3):
    """Make a project of images, of which each has six specimens and two proposals."""
    made = new_project(folder, fields=fields)
    for image in made.images:
        document = made.document(image.id)
        document.add([box(n, "diatom", id=f"{image.id}-{n}") for n in range(6)])
        document.propose([box(n, "diatom", id=f"{image.id}-p{n}", score=0.2) for n in range(2)], "finder 1")
        made.release(image.id)
    return made


@pytest.fixture
def project(tmp_path):
    """Three images."""
    with filled_project(tmp_path) as made:
        yield made


def everything(project):
    """Return all that is in memory or in the files."""
    return {
        image.id: (
            sorted((item.id, item.name, item.annotator, item.changed, item.reviewed) for item in contents.specimens),
            sorted(item.id for item in contents.proposals),
            contents.state,
        )
        for image in project.images
        for contents in [project.contents(image.id)]
    }


def called(project):
    return {id_: name for specimens, _, _ in everything(project).values() for id_, name, *_ in specimens}


def assert_counts_are_what_the_files_say(project):
    project.flush()
    now = everything(project)
    for tally in project.summary():
        specimens, proposals, _ = now[tally.image.id]
        assert (sum(tally.by_class().values()), tally.proposals) == (len(specimens), len(proposals))


def by_image(project, ids=None):
    return {image.id: [f"{image.id}-{n}" for n in (ids or (0, 1, "p0"))] for image in project.images}


def test_a_step_names_specimens_and_proposals_of_all_images_and_is_undone_at_once(project):
    before, bulk = everything(project), BulkEdits(project)
    step = bulk.name("Navicula", by_image(project))
    assert step.image_ids == ["s0f0", "s0f1", "s0f2"]
    assert sorted(id_ for id_, name in called(project).items() if name == "Navicula") == sorted(
        id_ for ids in by_image(project).values() for id_ in ids
    )
    assert not any(project.is_open(image.id) for image in project.images)
    after = everything(project)
    bulk.undo()
    assert everything(project) == before
    bulk.redo()
    assert everything(project) == after
    assert bulk.undo() is not None
    assert bulk.undo() is None
    assert everything(project) == before


def test_what_was_changed_since_stays(project):
    bulk = BulkEdits(project)
    bulk.name("Navicula", by_image(project))
    project.document("s0f0").set_class(["s0f0-0"], "Nitzschia")
    project.document("s0f1").remove(["s0f1-1"])
    back = bulk.undo()
    assert back.kept == 2
    names = called(project)
    assert names["s0f0-0"] == "Nitzschia"
    assert "s0f1-1" not in names
    assert [name for id_, name in names.items() if id_ != "s0f0-0"] == ["diatom"] * 16


def test_undo_in_an_image_finds_the_step_of_its_last_edit(project):
    bulk = BulkEdits(project)
    document = project.document("s0f0")
    first = bulk.name("Navicula", by_image(project))
    assert bulk.next_undo(document) is first
    bulk.name("Nitzschia", {"s0f1": ["s0f1-5"]})
    assert bulk.next_undo(document) is first
    bulk.undo(first)
    assert bulk.next_redo(document) is bulk.undone[-1]
    assert called(project)["s0f1-5"] == "Nitzschia"
    document.set_class(["s0f0-0"], "Nitzschia")
    assert bulk.next_undo(document) is None
    assert bulk.next_undo(None) is None


def test_an_image_that_cannot_be_read_is_told_and_the_others_are_named(project):
    bulk = BulkEdits(project)
    with pytest.raises(InputError, match="gone"):
        bulk.name("Navicula", {"gone": ["x"], **by_image(project)})
    assert list(called(project).values()).count("Navicula") == 9
    bulk.undo()
    assert set(called(project).values()) == {"diatom"}


def test_a_done_image_stays_done(project):
    bulk = BulkEdits(project)
    bulk.name("Navicula", by_image(project))
    project.document("s0f0").set_done(True)
    bulk.undo()
    assert project.document("s0f0").state == "done"


def test_a_kill_loses_nothing(tmp_path, project):
    for item in project.images[:2]:
        # The journal alone has the edits of images that are open.
        project.document(item.id)
    BulkEdits(project).name("Navicula", by_image(project))
    now = everything(project)
    with Project.open(crashed(project), "Ada") as again:
        assert everything(again) == now


class BulkNaming(RuleBasedStateMachine):
    """Names in bulk, undone and done again while images are opened and closed: the state of each step comes back."""

    def __init__(self):
        super().__init__()
        self.scratch = TemporaryDirectory()
        self.project = filled_project(Path(self.scratch.name))
        self.bulk = BulkEdits(self.project)
        self.first = everything(self.project)
        self.past, self.future = [], []

    @rule(taxa=st.lists(st.sampled_from((*NAMES, "")), min_size=24, max_size=24))
    def name(self, taxa):
        """Name some specimens and proposals, perhaps of all images, each as it comes."""
        before, given = everything(self.project), {}
        for place, taxon in enumerate(taxa):
            image_id = f"s0f{place % 3}"
            if taxon:
                given.setdefault(image_id, {})[f"{image_id}-{IDS[place // 3]}"] = taxon
        step = self.bulk.name_each(given)
        self.future.clear()
        if step.edits:
            self.past.append(before)
        else:
            assert everything(self.project) == before
        names = called(self.project)
        assert all(names[id_] == taxon for part in given.values() for id_, taxon in part.items())

    @precondition(lambda self: self.bulk.done)
    @rule()
    def undo(self):
        """Undo the last step."""
        self.future.append(everything(self.project))
        assert self.bulk.undo().kept == 0
        assert everything(self.project) == self.past.pop()

    @precondition(lambda self: self.bulk.undone)
    @rule()
    def redo(self):
        """Do the step again that was undone last."""
        self.past.append(everything(self.project))
        assert self.bulk.redo().kept == 0
        assert everything(self.project) == self.future.pop()

    @rule(number=st.integers(0, 2))
    def open_or_close(self, number):
        """Open an image, or close it."""
        image_id = f"s0f{number}"
        _ = self.project.release(image_id) if self.project.is_open(image_id) else self.project.document(image_id)

    @rule()
    def crash(self):
        """Find everything in what a window that dies now leaves."""
        with TemporaryDirectory() as folder:
            left = shutil.copytree(self.project.folder, Path(folder) / "project")
            with Project.open(left, "Eve") as again:
                assert everything(again) == everything(self.project)

    @invariant()
    def has_as_many_steps(self):
        """Have a state for each step."""
        assert (len(self.bulk.done), len(self.bulk.undone)) == (len(self.past), len(self.future))

    def teardown(self):
        """Undo all steps; the counts are what the files say."""
        with self.project, self.scratch:
            while self.bulk.done:
                self.bulk.undo()
                assert everything(self.project) == self.past.pop()
            assert everything(self.project) == self.first
            assert_counts_are_what_the_files_say(self.project)


def test_random_actions_are_undone_to_the_first_state():
    found = settings(max_examples=EXAMPLES, stateful_step_count=ACTIONS, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(BulkNaming, settings=found)


DYING = """
import os, signal, sys
from pathlib import Path
from napari_diatom.project.bulk_edits import BulkEdits
from napari_diatom.project.project import Project

folder, are_open, left, real = Path(sys.argv[1]), sys.argv[2] == "True", int(sys.argv[3]), os.write
project = Project.open(folder, "Ada")
if are_open:
    for image in project.images:
        project.document(image.id)

def write(file, data):
    global left
    left -= 1
    if left == 0:
        real(file, data[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    return real(file, data)

os.write = write
ids = (0, 1, "p0")
BulkEdits(project).name("Navicula", {image.id: [f"{image.id}-{n}" for n in ids] for image in project.images})
"""
"""Names specimens of all images, and is killed when a half of an edit is in a journal."""


@pytest.mark.parametrize(("are_open", "written"), [(True, 14), (True, 15), (False, 15)])
def test_a_process_that_is_killed_within_a_step_loses_no_edit_that_it_wrote(tmp_path, are_open, written):
    with filled_project(tmp_path, fields=MANY) as made:
        every = by_image(made)
    command = [sys.executable, "-c", DYING, str(made.folder), str(are_open), str(written + 1)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    # Of each image first the specimens are named, then the proposals accepted; of the last edit a half is in a file.
    edits = [part for ids in every.values() for part in (ids[:2], ids[2:])]
    wanted = sorted(id_ for part in edits[:written] for id_ in part)
    with Project.open(made.folder, "Eve") as project:
        now = everything(project)
        names = called(project)
        assert sorted(id_ for id_, name in names.items() if name == "Navicula") == wanted
        assert {name for id_, name in names.items() if id_ not in wanted} == {"diatom"}
        assert len(names) + sum(len(proposals) for _, proposals, _ in now.values()) == 8 * MANY
        assert not project.journals.leftovers()
        assert_counts_are_what_the_files_say(project)
        # The rest can be named, and that be undone.
        bulk = BulkEdits(project)
        bulk.name("Navicula", every)
        assert list(called(project).values()).count("Navicula") == 3 * MANY
        bulk.undo()
        assert everything(project) == now
    with Project.open(made.folder, "Max") as project:
        assert everything(project) == now
