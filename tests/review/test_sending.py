"""Results that are sent to a project: once, whole, and without a change to what is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from helpers.projects import box, crashed, picture, polygon
from napari_diatom.cli import app as cli
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.core.taxa import UNKNOWN, Name
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.images.planes import PAGES
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import to_annotations
from napari_diatom.review.sending import SendOptions, send
from napari_diatom.review.sent_image import SentImage


def found(*boxes, reviewed=(), height=60, width=80, names=(), pixel_size_um=0.2) -> Annotations:
    """Return what a model found in an image."""
    detections = Detections.of(np.array(boxes, dtype=float), [0] * len(boxes), [0.5] * len(boxes), ("diatom",))
    seen = [i in reviewed for i in range(len(boxes))]
    bare = Annotations.of(detections, "net 1.0", seen, None, None, "field", height, width, pixel_size_um)
    return replace(bare, names=tuple(names), orientation=1)


def of(path: Path, annotations: Annotations, **known) -> SentImage:
    return SentImage("field", path, lambda: annotations, pixel_size_um=annotations.pixel_size_um, **known)


ONE, TWO, THREE = (20, 20, 12, 5, 0.3), (50, 40, 15, 6, -0.4), (30, 45, 9, 4, 0.1)


@pytest.fixture
def project(tmp_path: Path):
    with Project.create(tmp_path / "project", classes=["Navicula"], annotator="Ada") as made:
        yield made


def test_named_specimens_keep_their_taxa_and_unsure_ones_are_unknown(project, tmp_path):
    names = (Name("Navicula gregaria", 0.9, "Navicula", by="namer 1"), Name(UNKNOWN, 0.3, ""))
    report = send(project, [of(picture(tmp_path / "a.png", 1), found(ONE, TWO, names=names, reviewed=[0]))])
    (image,) = project.images
    document = project.document(image.id)
    assert [item.name for item in document.specimens.values()] == ["Navicula gregaria"]
    assert [item.name for item in document.proposals.values()] == ["unknown"]
    assert report.classes_added == ["Navicula gregaria", "unknown"]
    assert project.settings.classes[0].name == "Navicula"


def test_what_was_accepted_or_reshaped_in_the_project_is_not_sent_again(project, tmp_path):
    path = picture(tmp_path / "a.png", 1)
    send(project, [of(path, found(ONE, TWO))])
    document = project.document(project.images[0].id)
    first, second = document.proposals
    document.accept([first])
    document.reshape({first: box(7)})
    document.accept([second])
    # As a layer and a file round it.
    near = tuple(np.add(TWO, (0.01, -0.01, 0.02, 0.0, 1e-4)))
    report = send(project, [of(path, found(ONE, near))])
    assert [(item.specimens, item.proposals, item.known) for item in report.images] == [(0, 0, 2)]
    assert set(document.specimens) == {first, second}


def sent_counts(report):
    return [(item.specimens, item.proposals, item.known, item.rejected) for item in report.images]


def test_what_was_rejected_or_deleted_in_the_project_is_left_out_the_next_time(project, tmp_path):
    path = picture(tmp_path / "a.png", 1)
    send(project, [of(path, found(ONE, TWO, THREE))])
    document = project.document(project.images[0].id)
    first, second, _ = document.proposals
    document.reject([first])
    document.accept([second])
    document.reshape({second: box(7)})
    document.remove([second])
    document.add([box(3, id="own")])
    document.remove(["own"])
    assert list(document.rejected) == [first, second]
    project.close()
    # Whatever writes the files of the image keeps it.
    assert cli.main(["project", "classes", str(project.folder), "--rename", "diatom", "Nitzschia"]) == 0
    near = tuple(np.add(ONE, (0.01, -0.01, 0.02, 0.0, 1e-4)))
    with Project.open(project.folder, "Ben") as other:
        report = send(other, [of(path, found(near, TWO, THREE))])
        assert sent_counts(report) == [(0, 0, 1, 2)]
        assert "2 proposals that you rejected or deleted before were left out" in report.text()
        # What another model finds at the place is something else, and so is what a person has looked at.
        others = replace(found(ONE), origins=("other 1.0",))
        assert sent_counts(send(other, [of(path, others)])) == [(0, 1, 0, 0)]
        assert sent_counts(send(other, [of(path, found(TWO, reviewed=[0]))])) == [(1, 0, 0, 0)]
        assert list(other.document(other.images[0].id).rejected) == [first]
        report = send(other, [of(path, found(ONE))], SendOptions(skip_rejected=False))
        assert sent_counts(report)[0][3] == 0


def test_a_rejection_is_undone_done_again_and_survives_a_crash(project, tmp_path):
    path = picture(tmp_path / "a.png", 1)
    send(project, [of(path, found(ONE, TWO))])
    (image,) = project.images
    document = project.document(image.id)
    first, second = document.proposals
    document.reject([first, second])
    document.undo()
    assert not document.rejected
    assert sent_counts(send(project, [of(path, found(ONE, TWO))])) == [(0, 0, 2, 0)]
    document.redo()
    project.release(image.id)
    document = project.document(image.id)
    assert list(document.rejected) == [first, second]
    send(project, [of(path, found(ONE, TWO, reviewed=[1]))])
    assert list(document.rejected) == [first]
    document.undo()
    assert list(document.rejected) == [first, second]
    document.add([box(3)])
    with Project.open(crashed(project), "Ben") as other:
        assert sent_counts(send(other, [of(path, found(ONE, TWO))])) == [(0, 0, 0, 2)]


def test_what_two_windows_reject_is_rejected_and_what_one_accepts_is_there(project, tmp_path):
    path = picture(tmp_path / "a.png", 1)
    send(project, [of(path, found(ONE, TWO, THREE))])
    (image,) = project.images
    project.release(image.id)
    document = project.document(image.id)
    first, second, third = document.proposals
    with Project.open(project.folder, "Ben") as other:
        theirs = other.document(image.id)
        theirs.reject([first])
        theirs.accept([second])
        other.flush()
    document.reject([second, third])
    document.rebase()
    assert list(document.specimens) == [second]
    assert set(document.rejected) == {first, third}
    project.flush()
    assert set(project.contents(image.id).rejected) == {document.rejected[first], document.rejected[third]}


def test_an_image_that_was_moved_is_the_one_that_the_project_has(project, tmp_path):
    path = picture(tmp_path / "a.png", 1)
    send(project, [of(path, found(ONE))])
    moved = path.rename(tmp_path / "b.png")
    report = send(project, [of(moved, found(ONE, TWO))])
    assert (len(project.images), report.images_added) == (1, 0)
    assert [(item.proposals, item.known) for item in report.images] == [(1, 1)]


def test_a_plane_of_a_stack_is_an_image_of_its_own(project, tmp_path):
    stack = tmp_path / "stack.tif"
    planes = np.random.default_rng(0).integers(0, 255, (5, 60, 80), dtype=np.uint8)
    tifffile.imwrite(stack, planes, metadata={"axes": "ZYX"}, imagej=True)
    report = send(project, [of(stack, found(ONE), page=4, z=PAGES), of(stack, found(TWO), page=2, z=PAGES)])
    assert report.images_added == 2
    assert [(image.page, image.division, image.id) for image in project.images] == [
        (4, "pages", "stack-page4"),
        (2, "pages", "stack-page2"),
    ]
    assert all(len(project.contents(image.id).proposals) == 1 for image in project.images)
    with pytest.raises(InputError, match="no image 9"):
        send(project, [of(stack, found(ONE), page=9, z=PAGES)])


def test_images_of_one_folder_with_other_pixel_sizes_keep_them(project, tmp_path):
    paths = [picture(tmp_path / "april" / f"{number}.png", number) for number in range(3)]
    sizes = (0.2, 0.4, None)
    send(project, [of(path, found(ONE, pixel_size_um=size)) for path, size in zip(paths, sizes, strict=True)])
    own = [project.settings.pixel_sizes_um.get(image.slide) for image in project.images]
    assert own == list(sizes)
    assert {image.sample for image in project.images} == {"april"}
    report = send(project, [of(paths[0], found(TWO, pixel_size_um=0.3))])
    assert "0.2 µm per pixel in the project and 0.3 µm in the results" in report.remarks[0]
    assert project.settings.pixel_sizes_um[project.images[0].slide] == 0.2


def test_outlines_go_through_a_file_and_back_and_are_sent_once(project, tmp_path):
    path = picture(tmp_path / "a.png", 1)
    drawn = to_annotations([polygon(), box(1, origin="net 1.0")], "a.png", 60, 80, 0.2)
    send(project, [of(path, drawn)], SendOptions(as_specimens="all"))
    geojson.write(tmp_path / "a.geojson", drawn)
    report = send(project, [of(path, geojson.read(tmp_path / "a.geojson"))], SendOptions(as_specimens="all"))
    assert [(item.specimens, item.proposals, item.known) for item in report.images] == [(0, 0, 2)]


def test_an_image_of_another_size_and_a_missing_one_are_left_out_with_the_reason(project, tmp_path):
    good, other = picture(tmp_path / "a.png", 1), picture(tmp_path / "b.png", 2)
    images = [
        of(good, found(ONE)),
        SentImage("other", other, lambda: found(ONE, height=70)),
        SentImage("gone", tmp_path / "c.png", lambda: found(ONE)),
    ]
    report = send(project, images)
    assert {item.image: item.reason for item in report.left_out}.keys() == {"other", "gone"}
    assert "80 x 70 px, and b has 80 x 60 px" in next(i.reason for i in report.left_out if i.image == "other")
    assert "2 images left out" in report.text()


def test_specimens_that_another_window_has_added_stay(project, tmp_path):
    path = picture(tmp_path / "a.png", 1)
    project.add_images([path])
    (image,) = project.images
    with Project.open(project.folder, "Ben") as other:
        other.document(image.id).add([box(3, id="bens")])
        send(project, [of(path, found(ONE, TWO, reviewed=[1]))], SendOptions(as_specimens="reviewed"))
        document = project.document(image.id)
        other.document(image.id).rebase()
        other.flush()
    document.rebase()
    assert len(document.specimens) == 2
    assert len(document.proposals) == 1
    assert "bens" in document.specimens


def test_a_project_that_cannot_be_written_gets_nothing(project, tmp_path, monkeypatch):
    from napari_diatom.project.folder_lock import FolderLock

    path = picture(tmp_path / "a.png", 1)
    with monkeypatch.context() as patch:

        def refuse(lock):
            raise PermissionError(30, "Read-only file system")

        patch.setattr(FolderLock, "_acquire", refuse)
        with pytest.raises(OutputError, match="cannot be written"):
            send(project, [of(path, found(ONE))])
    assert project.images == ()
