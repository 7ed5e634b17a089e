"""``diatom-second-count.yaml``: that a project is the second count of another one, and who counts in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from napari_diatom.core.errors import InputError
from napari_diatom.core.text_files import read_yaml
from napari_diatom.project.image_identity import relative
from napari_diatom.project.settings import Name, checked

SECOND_COUNT_FILE: Final = "diatom-second-count.yaml"
FORMAT: Final = 1
"""Version of the file that this program writes."""


class SecondCountRecord(BaseModel):
    """What a project knows of the count that it is the second one of. Names of the first person are not in it.

    Attributes
    ----------
    format : int
        Version of the file.
    first : str
        The folder of the first count, from that of the second one, with ``/`` on every system.
    person : str
        Who counts. Specimens that are named in the project are of this person, whoever is logged in.
    samples : tuple of str
        The samples that are counted again.
    started : str
        When it was made, ISO 8601 in UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = FORMAT
    first: Name
    person: Annotated[Name, Field(max_length=200)]
    samples: tuple[str, ...] = ()
    started: str = ""

    @classmethod
    def of(cls, first: Path, second: Path, person: str, samples: tuple[str, ...], started: str) -> SecondCountRecord:
        """Return the record for two folders. Raises InputError for a name that is none."""
        data = {"first": relative(second, first), "person": person, "samples": samples, "started": started}
        return checked(cls, data, "The second count")

    def first_folder(self, second: Path) -> Path:
        """Return the folder of the first count by that of the second one."""
        return Path(os.path.normpath(second / self.first))

    def to_text(self) -> str:
        """Return it as YAML."""
        data = self.model_dump(mode="json")
        return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120))


def read_record(folder: Path) -> SecondCountRecord | None:
    """Return what the project in a folder says of its first count, None where it is no second one.

    Raises
    ------
    InputError
        When the file is damaged, or of a newer version.
    """
    path = folder / SECOND_COUNT_FILE
    if not path.is_file():
        return None
    data = read_yaml(path, "the record of a second count")
    if not isinstance(data, dict):
        raise InputError(f"{path} is not the record of a second count.")
    version = data.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise InputError(f"{path} was written by a newer version of napari-diatom (format {version}): update it.")
    return checked(SecondCountRecord, data, str(path))
