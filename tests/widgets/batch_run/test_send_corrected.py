"""A results folder is sent to a project together with what was corrected in its open images."""

from __future__ import annotations

from helpers.window import child_of, click_row, dock_of
from napari_diatom.project.project import Project


def test_corrections_in_open_images_are_sent_with_the_folder(
    fields, search, widget, viewer, qtbot, tmp_path, fill_in, choose
):
    search(fields)
    table = child_of(widget, "image_list")
    states = table.images.states()
    for row in range(2):
        click_row(qtbot, table, row)
        number = states[row].specimens

        def shown(image=states[row].image, number=number):
            result = widget.result()
            return result is not None and result.facts.image == image and len(result.layer.data) == number

        qtbot.waitUntil(shown, timeout=10_000)
        if row == 0:
            corrected = widget.result()
            corrected.set_feature(2, "status", "broken")
            corrected.select([1])
            corrected.layer.remove_selected()

    def act(dialog):
        choose(tmp_path / "project")
        child_of(dialog, "send_new").click()
        assert child_of(dialog, "send_folder").isChecked()
        assert child_of(dialog, "send_folder").text().endswith("river-diatoms, with your corrections in 1 open image")

    total = sum(state.specimens for state in states)
    assert f"1 specimen and {total - 2} proposals of 5 images" in fill_in(widget, act)
    dock_of(viewer, "Annotate diatoms").close_project()
    with Project.open(tmp_path / "project") as project:
        images = {project.path(image.id).name: project.contents(image.id) for image in project.images}
    first, *others = (images[state.image.rpartition("/")[2]] for state in states)
    assert [item.status for item in first.specimens] == ["broken"]
    assert len(first.proposals) == states[0].specimens - 2
    assert [(len(item.specimens), len(item.proposals)) for item in others] == [
        (0, state.specimens) for state in states[1:]
    ]


def test_the_folder_is_not_chosen_at_first_when_something_else_was_corrected(
    fields, search, widget, viewer, image, run, qtbot, tmp_path, fill_in, choose
):
    run()
    widget.result().set_feature(int(widget.result().specimens()[0]), "status", "broken")
    search(fields)
    seen = []

    def act(dialog):
        choose(tmp_path / "project")
        child_of(dialog, "send_new").click()
        seen.append(child_of(dialog, "send_folder").isChecked())
        seen.append(child_of(dialog, "send_folder").text())
        child_of(dialog, "send_folder").click()

    fill_in(widget, act)
    assert seen[0] is False
    assert "corrections" not in seen[1]
