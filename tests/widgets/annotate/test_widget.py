"""The annotation of a project in the viewer: drawing, changing, undoing, proposals, and what is on disk afterwards."""

import cv2
import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtCore import Qt

from helpers.window import FakeAnalysis, child_of, detections, model
from napari_diatom.core import geometry
from napari_diatom.core.errors import InputError
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.napari_layers import shapes_layer
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import Specimen

HEIGHT, WIDTH = 300, 400


@pytest.fixture
def folder(tmp_path):
    """A project of three slides with two classes."""
    images = []
    for number in range(3):
        path = tmp_path / f"slide_{number}.png"
        cv2.imwrite(str(path), np.full((HEIGHT, WIDTH), 90 + 40 * number, np.uint8))
        images.append(path)
    Project.create(tmp_path / "project", images, ("Navicula", "Nitzschia"), "Ada").close()
    return tmp_path / "project"


@pytest.fixture
def analysis():
    return FakeAnalysis(found=detections(6))


@pytest.fixture
def annotate(viewer, models, analysis, folder):
    from napari_diatom.widgets.annotate.widget import AnnotateWidget

    widget = AnnotateWidget(viewer, analysis)
    viewer.window.add_dock_widget(widget, name="Annotate diatoms")
    widget.open_project(folder)
    yield widget
    widget.close_project()


def box(annotate, x=120.0, y=100.0):
    """Draw a rotated box in three clicks and return its specimen."""
    annotate.use_tool("three-clicks")
    before = set(annotate.document().specimens)
    for point in ((x - 40, y - 30), (x + 40, y + 30), (x - 6, y + 8)):
        annotate.canvas().three_clicks.click(np.array(point))
    [new] = set(annotate.document().specimens) - before
    return annotate.document().specimens[new]


def drag(annotate, row, by, qtbot):
    """Move a shape as napari's own tool does."""
    layer = annotate.canvas().specimens.layer
    layer.selected_data = {row}
    layer._data_view.shift(row, np.asarray(by))
    layer.events.data(value=layer.data, action="changed", data_indices=(row,), vertex_indices=((),))
    annotate.canvas().flush()


def saved(folder, stem="slide_0"):
    return geojson.read(folder / "annotations" / f"{stem}.geojson")


def test_models_that_find_no_specimens_propose_none(viewer, models, analysis):
    from napari_diatom.widgets.annotate.widget import AnnotateWidget

    models += [model("names", "classes"), model("outlines", "outlines")]
    chooser = child_of(AnnotateWidget(viewer, analysis), "model")
    assert [chooser.itemData(row) for row in range(chooser.count())] == ["diatom-obb", "diatom-box"]


def test_three_clicks_give_a_box_along_the_apical_axis(annotate):
    specimen = box(annotate)
    np.testing.assert_allclose(specimen.box, geometry.along_axis((80, 70), (160, 130), (114, 108)), rtol=1e-6)
    assert specimen.name == "Navicula"
    assert specimen.reviewed
    layer = annotate.canvas().specimens.layer
    np.testing.assert_allclose(shapes_layer.to_boxes(layer.data)[0], specimen.box, atol=1e-3)
    assert annotate.canvas().selection() == (specimen.id,)


def test_a_click_can_be_taken_back_and_a_box_given_up(annotate):
    annotate.use_tool("three-clicks")
    tool = annotate.canvas().three_clicks
    tool.click(np.array([50.0, 50.0]))
    tool.click(np.array([90.0, 60.0]))
    assert child_of(annotate, "size").text() != ""
    annotate.undo()
    assert tool.clicks == 1
    annotate.cancel()
    assert tool.clicks == 0
    assert not annotate.document().specimens
    assert child_of(annotate, "size").text() == ""


def test_what_is_dragged_is_on_disk_and_can_be_undone(annotate, folder, qtbot):
    specimen = box(annotate)
    drag(annotate, 0, (12, -7), qtbot)
    moved = annotate.document().specimens[specimen.id]
    np.testing.assert_allclose(np.subtract(moved.box, specimen.box), [-7, 12, 0, 0, 0], atol=1e-3)
    annotate.flush()
    np.testing.assert_allclose(saved(folder).detections.boxes[0], moved.box, atol=1e-4)
    annotate.undo()
    layer = annotate.canvas().specimens.layer
    np.testing.assert_allclose(shapes_layer.to_boxes(layer.data)[0], specimen.box, atol=1e-3)
    annotate.undo()
    assert not annotate.document().specimens
    assert layer.nshapes == 0
    annotate.redo()
    annotate.redo()
    np.testing.assert_allclose(shapes_layer.to_boxes(layer.data)[0], moved.box, atol=1e-3)


def test_a_sheared_box_becomes_a_rectangle_again(annotate, qtbot):
    specimen = box(annotate)
    layer = annotate.canvas().specimens.layer
    corners = np.array(layer.data[0])
    corners[0] += (9, 4)
    layer._data_view.edit(0, corners, new_type="polygon")
    layer.events.data(value=layer.data, action="changed", data_indices=(0,), vertex_indices=((0,),))
    annotate.canvas().flush()
    assert layer.shape_type == ["rectangle"]
    assert shapes_layer.is_rectangle(layer.data[0])
    assert annotate.document().specimens[specimen.id].shape == "rectangle"
    assert annotate.document().history.undo_label == "reshape"


def test_shapes_of_naparis_own_tools_become_specimens(annotate):
    layer = annotate.canvas().specimens.layer
    layer.add(np.array([[20, 20], [20, 80], [50, 80], [50, 20]]), shape_type="rectangle")
    annotate.canvas().flush()
    layer.add(np.array([[120, 120], [180, 150], [150, 200]]), shape_type="polygon")
    layer.add(np.array([[5.0, 5.0], [5, 5.5], [5.5, 5.5], [5.5, 5]]), shape_type="rectangle")
    annotate.canvas().flush()
    found = list(annotate.document().specimens.values())
    assert [item.shape for item in found] == ["rectangle", "polygon"]
    assert layer.nshapes == 2
    assert found[0].box[2:4] == pytest.approx((60, 30))
    assert found[1].mask.area > 1000


def test_a_class_chosen_in_the_middle_of_a_box_is_that_boxs(annotate):
    first = box(annotate)
    tool = annotate.canvas().three_clicks
    tool.click(np.array([200.0, 150.0]))
    annotate.use_class("2")
    tool.click(np.array([260.0, 160.0]))
    tool.click(np.array([230.0, 175.0]))
    found = dict(annotate.document().specimens)
    assert found.pop(first.id).name == "Navicula"
    [second] = found.values()
    assert second.name == "Nitzschia"


def test_class_and_status_by_key_of_one_and_of_many(annotate, folder):
    first, second = box(annotate, 100, 80), box(annotate, 250, 200)
    annotate.canvas().select([first.id, second.id])
    annotate.use_class("2")
    annotate.set_status("girdle")
    found = annotate.document().specimens
    assert {item.name for item in found.values()} == {"Nitzschia"}
    assert {item.status for item in found.values()} == {"girdle"}
    layer = annotate.canvas().specimens.layer
    assert list(layer.features["class"]) == ["Nitzschia", "Nitzschia"]
    assert np.ptp(np.asarray(layer.edge_color), axis=0).max() == 0
    annotate.undo()
    annotate.undo()
    assert {item.name for item in annotate.document().specimens.values()} == {"Navicula"}
    assert box(annotate, 60, 240).name == "Nitzschia"
    annotate.flush()
    assert saved(folder).detections.classes[:2] == ("Navicula", "Nitzschia")


def test_deleted_rows_do_not_mix_up_the_others(annotate):
    items = [box(annotate, 80 + 60 * k, 150) for k in range(4)]
    layer = annotate.canvas().specimens.layer
    layer.remove([1])
    assert [item.id for item in annotate.document().specimens.values()] == [items[k].id for k in (0, 2, 3)]
    annotate.canvas().select([items[2].id])
    annotate.delete()
    assert list(annotate.document().specimens) == [items[0].id, items[3].id]
    annotate.undo()
    annotate.undo()
    assert sorted(annotate.document().specimens) == sorted(item.id for item in items)
    by_row = dict(zip(annotate.canvas().specimens.ids, shapes_layer.to_boxes(layer.data), strict=True))
    for item in items:
        np.testing.assert_allclose(by_row[item.id], item.box, atol=1e-3)


def test_a_mask_is_painted_and_becomes_a_box(annotate, viewer):
    specimen = box(annotate)
    annotate.canvas().select([specimen.id])
    annotate.use_tool("paint")
    [layer] = [layer for layer in viewer.layers if isinstance(layer, Labels)]
    assert int((np.asarray(layer.data) > 0).sum()) == pytest.approx(specimen.box[2] * specimen.box[3], rel=0.05)
    layer.data[:4, :4] = 1
    annotate.use_tool("paint")
    painted = annotate.document().specimens[specimen.id]
    assert painted.shape == "polygon"
    assert painted.mask.bounds[:2] == (0, 0)
    assert not any(isinstance(layer, Labels) for layer in viewer.layers)
    annotate.canvas().select([specimen.id])
    annotate.to_boxes()
    assert annotate.document().specimens[specimen.id].shape == "rectangle"
    annotate.to_polygons()
    assert annotate.document().specimens[specimen.id].mask.area > 0


def test_proposals_are_kept_apart_until_they_are_accepted(annotate, analysis, folder, qtbot):
    own = box(annotate)
    annotate.propose()
    qtbot.waitUntil(lambda: len(annotate.document().proposals) > 0, timeout=10_000)
    assert list(annotate.document().specimens) == [own.id]
    least = min(annotate.document().proposals.values(), key=lambda item: item.score)
    annotate.next_uncertain()
    assert annotate.canvas().selection() == (own.id,)
    assert child_of(annotate, "message").text() == "No model found this specimen."
    annotate.next_uncertain()
    assert annotate.canvas().proposals.selection() == (least.id,)
    number = len(annotate.document().proposals)
    annotate.accept()
    accepted = annotate.document().specimens[least.id]
    assert accepted.reviewed
    assert accepted.origin == "diatom-obb 1.0.0"
    annotate.reject()
    assert len(annotate.document().proposals) == number - 2
    annotate.undo()
    annotate.undo()
    assert len(annotate.document().proposals) == number
    annotate.accept_all()
    assert len(annotate.document().specimens) == number + 1
    assert not annotate.document().proposals
    annotate.propose()
    qtbot.waitUntil(lambda: len(annotate.document().proposals) == number, timeout=10_000)
    annotate.accept_all()
    assert len(annotate.document().proposals) == number
    assert "there already" in child_of(annotate, "message").text()
    annotate.flush()
    assert len(saved(folder)) == number + 1


def test_a_proposal_is_accepted_with_a_class_by_its_key(annotate, analysis, qtbot):
    own = box(annotate)
    annotate.propose()
    qtbot.waitUntil(lambda: len(annotate.document().proposals) > 0, timeout=10_000)
    # The model does not show what was drawn: that comes first.
    annotate.next_uncertain()
    assert annotate.canvas().selection() == (own.id,)
    annotate.next_uncertain()
    [least] = annotate.canvas().proposals.selection()
    annotate.use_class("2")
    found = annotate.document().specimens
    assert (found[least].name, found[least].reviewed, found[own.id].name) == ("Nitzschia", True, "Navicula")
    [following] = annotate.canvas().proposals.selection()
    annotate.use_tool("three-clicks")
    annotate.use_class("1")
    assert following in annotate.document().proposals
    annotate.undo()
    assert least in annotate.document().proposals


def test_next_uncertain_goes_through_disagreements_first(annotate, analysis, qtbot):
    known = detections(6).boxes.astype(float)
    annotate.document().add([Specimen.rectangle(known[0], "Nitzschia")])
    annotate.propose()
    qtbot.waitUntil(lambda: len(annotate.document().proposals) > 0, timeout=10_000)
    proposals = list(annotate.document().proposals.values())
    other_class = proposals[0]
    annotate.next_uncertain()
    assert annotate.canvas().proposals.selection() == (other_class.id,)
    assert "Nitzschia by the specimen" in child_of(annotate, "message").text()
    seen = [other_class.id]
    for _ in range(len(proposals) - 1):
        annotate.next_uncertain()
        seen += annotate.canvas().proposals.selection()
    assert sorted(seen) == sorted(item.id for item in proposals)
    annotate.next_uncertain()
    annotate.reject()
    assert other_class.id not in annotate.document().proposals
    assert annotate.canvas().proposals.selection() == (seen[1],)


def test_all_untouched_images_get_proposals(annotate, qtbot):
    box(annotate)
    annotate.propose(all_untouched=True)
    qtbot.waitUntil(lambda: not annotate.proposer().is_running, timeout=60_000)
    states = {tally.image.id: (tally.state, tally.proposals) for tally in annotate.browser().tallies()}
    assert states["slide_0"] == ("work", 0)
    assert states["slide_1"][0] == states["slide_2"][0] == "machine"
    assert states["slide_1"][1] > 0


def test_a_failing_model_is_told_and_loses_nothing(annotate, analysis, qtbot):
    box(annotate)
    analysis.error = InputError("The model is broken.")
    annotate.propose()
    qtbot.waitUntil(lambda: "broken" in child_of(annotate, "message").text(), timeout=10_000)
    assert len(annotate.document().specimens) == 1


def test_images_are_stepped_through_and_come_back_as_they_were(annotate, viewer, folder):
    specimen = box(annotate)
    annotate.toggle_done()
    annotate.next_image()
    assert annotate.browser().current() == "slide_1"
    assert not annotate.document().specimens
    assert len(saved(folder)) == 1
    box(annotate)
    annotate.browser().next_unfinished()
    assert annotate.browser().current() == "slide_2"
    annotate.open_image("slide_0")
    np.testing.assert_allclose(annotate.document().specimens[specimen.id].box, specimen.box, atol=1e-4)
    assert annotate.document().state == "done"
    names = [layer.name for layer in viewer.layers]
    assert names == ["slide_0", "proposals", "specimens", "new box"]


def test_two_windows_do_not_overwrite_each_other(annotate, folder):
    own = box(annotate)
    with Project.open(folder, "Grace") as other:
        theirs = Specimen.rectangle((300, 200, 60, 20, 0.2), "Nitzschia")
        other.document("slide_0").add([theirs])
    annotate.flush()
    annotate.flush()
    assert set(annotate.document().specimens) == {own.id, theirs.id}
    assert set(annotate.canvas().specimens.ids) == {own.id, theirs.id}
    assert len(saved(folder)) == 2


def test_keys_reach_the_widget(annotate, viewer, qtbot):
    first = box(annotate)
    annotate.canvas().select([first.id])
    layer = annotate.canvas().specimens.layer
    by_name = {str(key): action for key, action in layer.keymap.items()}
    for key, expected in (("2", "Nitzschia"), ("1", "Navicula")):
        by_name[key](layer)
        assert annotate.document().specimens[first.id].name == expected
    by_name["K"](layer)
    assert annotate.document().specimens[first.id].status == "broken"
    annotate.show_keys()
    assert "set the status to broken" in child_of(annotate, "keys_table").text()


def test_the_gallery_shows_and_relabels(annotate, qtbot):
    items = [box(annotate, 80 + 60 * k, 150) for k in range(3)]
    annotate.next_image()
    box(annotate)
    annotate.show_gallery()
    gallery = annotate.gallery()
    qtbot.waitUntil(lambda: len(gallery.entries()) == 4, timeout=5000)
    view = child_of(gallery, "gallery")
    icon = view.model().index(0, 0).data(Qt.ItemDataRole.DecorationRole)
    assert not icon.isNull()
    gallery.select_all()
    gallery.set_class("Nitzschia")
    assert {entry.name for entry in gallery.entries()} == {"Nitzschia"}
    annotate.go_to("slide_0", items[1].id)
    assert annotate.browser().current() == "slide_0"
    assert annotate.canvas().selection() == (items[1].id,)
    assert {item.name for item in annotate.document().specimens.values()} == {"Nitzschia"}
    gallery.select_all()
    gallery.delete()
    assert not annotate.document().specimens
    assert annotate.canvas().specimens.layer.nshapes == 0
