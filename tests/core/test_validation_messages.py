"""What a person wrote and may not be is told in words, never as a regular expression."""

import pytest
import yaml

from helpers.projects import new_project
from napari_diatom import cli
from napari_diatom.project.settings import PROJECT_FILE


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("classes", 0, "colour"), "red", "classes.0.colour: must be '#' and six digits of 0 to 9 and a to f"),
        (("classes", 0, "key"), "x", "classes.0.key: must be a digit from 1 to 9, or empty"),
        (("classes", 0, "name"), " ", "classes.0.name: must not be blank"),
        (("images", 0, "id"), "a/b", "images.0.id: must be a valid file name: without < > :"),
        (("images", 0, "sha256"), "12", "images.0.sha256: must be 64 hexadecimal digits"),
    ],
)
def test_settings_of_a_project_that_are_misspelt(tmp_path, capsys, place, value, said):
    with new_project(tmp_path) as project:
        path = project.folder / PROJECT_FILE
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    at = settings
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    assert cli.main(["project", "check", str(path.parent)]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert "^" not in printed
    assert "[" not in printed


def test_the_name_on_the_card_of_a_model_that_is_misspelt(tmp_path, capsys):
    (tmp_path / "model.yaml").write_text("name: my model!\n", encoding="utf-8")
    (tmp_path / "a.png").write_bytes(b"")
    assert cli.main(["count", str(tmp_path), "-o", str(tmp_path / "out"), "--model", str(tmp_path)]) == 2
    printed = capsys.readouterr().err
    assert "name: letters (A to Z, a to z), digits, '.', '_' and '-' are allowed" in printed
    assert "^" not in printed
