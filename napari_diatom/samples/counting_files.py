"""What a project keeps of its count: the protocol and the facts of its samples, in two files of its folder.

A project that nobody has counted has neither file. Earlier versions of both are kept in ``.history``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from napari_diatom.project import backups
from napari_diatom.project.folder_lock import check_there
from napari_diatom.project.project import Project
from napari_diatom.project.settings import PROJECT_FILE
from napari_diatom.samples.image_samples import sample_of, samples_by_table
from napari_diatom.samples.protocol import SampleProtocol, read_protocol
from napari_diatom.samples.protocol_presets import plain
from napari_diatom.samples.sample_facts import SampleFacts, SampleTable, read_samples, texts_of_facts
from napari_diatom.samples.table_files import sheet_text, table_sheet

PROTOCOL_OF_PROJECT: Final = "diatom-protocol.yaml"
SAMPLES_OF_PROJECT: Final = "diatom-samples.csv"


def protocol_file(source: Path) -> Path | None:
    """Return the file of the protocol by which a project is counted, None where none was chosen or it is no project."""
    return _there(source, PROTOCOL_OF_PROJECT)


def samples_file(source: Path) -> Path | None:
    """Return the file of the facts of a project's samples, None where there are none or it is no project."""
    return _there(source, SAMPLES_OF_PROJECT)


def protocol_of_project(folder: Path) -> SampleProtocol:
    """Return the protocol by which a project is counted, the plain one where none was chosen.

    Raises
    ------
    InputError
        When its file is damaged.
    """
    path = protocol_file(folder)
    return plain() if path is None else read_protocol(path)


def keep_protocol(folder: Path, protocol: SampleProtocol) -> None:
    """Count a project by a protocol from now on. Raises OutputError when that cannot be written."""
    check_there(folder)
    backups.rewrite(folder, folder / PROTOCOL_OF_PROJECT, protocol.to_text())


def facts_of_project(folder: Path) -> dict[str, SampleFacts]:
    """Return what a project knows of its samples, by their codes.

    Raises
    ------
    InputError
        When its file is damaged.
    """
    path = samples_file(folder)
    return {} if path is None else dict(read_samples(path).samples)


def keep_facts(folder: Path, facts: Mapping[str, SampleFacts]) -> None:
    """Write what a project knows of its samples. Raises OutputError when that is not possible."""
    check_there(folder)
    backups.rewrite(folder, folder / SAMPLES_OF_PROJECT, facts_text(facts))


def facts_text(facts: Mapping[str, SampleFacts]) -> str:
    """Return facts of samples as the file of a project has them."""
    rows = [texts_of_facts(one) for one in facts.values()]
    columns = tuple((name, "") for name in dict.fromkeys(name for row in rows for name in row))
    return sheet_text(table_sheet("samples", columns, ([row.get(name, "") for name, _ in columns] for row in rows)))


def take_samples(project: Project, table: SampleTable) -> list[str]:
    """Take the facts of a table into a project; images that the table names join their samples.

    Samples that the table does not have keep their facts.

    Parameters
    ----------
    project : Project
        The open project.
    table : SampleTable
        The table.

    Returns
    -------
    list of str
        Codes of the table that no image belongs to.

    Raises
    ------
    InputError
        When the table and the images do not go together (every problem is named). Nothing is changed then.
    OutputError
        When the project cannot be written.
    """
    before = {image.id: sample_of(image) for image in project.images}
    after = samples_by_table(before, table.samples.values())
    # Images are named by the samples that they are in now: names in the table may stop to fit when images are renamed.
    facts = {code: one.model_copy(update={"images": ()}) for code, one in table.samples.items()}
    keep_facts(project.folder, facts_of_project(project.folder) | facts)
    by_sample: dict[str, list[str]] = {}
    for image_id, sample in after.items():
        if sample != before[image_id]:
            by_sample.setdefault(sample, []).append(image_id)
    for sample, ids in by_sample.items():
        project.facts.set(ids, sample=sample)
    there = set(after.values())
    return [code for code in table.samples if code not in there]


def change_facts(folder: Path, code: str, texts: Mapping[str, str]) -> None:
    """Change the facts of one sample of a project, as a person has written them.

    Parameters
    ----------
    folder : Path
        The project's folder.
    code : str
        The sample.
    texts : mapping of str to str
        Its facts by the headings of a table; empty text for what is not known.

    Raises
    ------
    InputError
        With everything that is wrong with them.
    OutputError
        When they cannot be written.
    """
    facts = facts_of_project(folder)
    facts[code] = SampleFacts.of_texts(code, texts)
    keep_facts(folder, facts)


def _there(source: Path, name: str) -> Path | None:
    path = source / name
    return path if (source / PROJECT_FILE).is_file() and path.is_file() else None
