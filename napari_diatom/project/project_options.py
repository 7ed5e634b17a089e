"""What a person chooses for a new project, an import and a split: the same in the window and in files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from napari_diatom.core.errors import InputError
from napari_diatom.formats.registry import by_name
from napari_diatom.project.splits import shares_of


class NewProjectOptions(BaseModel):
    """What a new project is made of.

    Attributes
    ----------
    images : Path
        Folder of the images, with its subfolders. Images stay where they are. Each folder is a slide.
    folder : Path
        Folder of the project, which is made. It may lie in the folder of the images.
    classes : Path or None
        Taxon list: a CSV file with a column name or species, and code, colour and key if it has them.
    annotations : bool
        Also import the annotations that were found beside the images.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: Annotated[Path, Field(title="Folder of images", json_schema_extra={"path": "folder"})]
    folder: Annotated[Path, Field(title="Project folder", json_schema_extra={"path": "folder"})]
    classes: Annotated[Path | None, Field(title="Taxon list", json_schema_extra={"path": "file"})] = None
    annotations: Annotated[bool, Field(title="Import annotations")] = True


class ImportOptions(BaseModel):
    """How annotations are imported.

    Attributes
    ----------
    source : str or None
        Format of the files. It is detected from their content.
    skip_absent : bool
        Leave out annotations of images that the project does not have. Otherwise nothing is imported if there are any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Annotated[str | None, Field(title="Format", json_schema_extra={"none": "detect"})] = None
    skip_absent: Annotated[bool, Field(title="Skip images that the project lacks")] = False

    @field_validator("source")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        try:
            return None if name is None else by_name(name).name
        except InputError as error:
            raise ValueError(str(error).rstrip(".")) from error


class SlideSplitOptions(BaseModel):
    """How slides are divided into parts.

    Attributes
    ----------
    by : str
        What stays together in one part.
    shares : str
        Percent of training, validation and test, or of training and test.
    folds : int or None
        Number of folds of a cross-validation, instead of shares.
    seed : int
        Change it for a different split.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: Annotated[Literal["slide", "sample"], Field(title="Keep together")] = "slide"
    shares: str = "70-15-15"
    folds: Annotated[int | None, Field(ge=2, le=1000, json_schema_extra={"none": "shares"})] = None
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0

    @field_validator("shares")
    @classmethod
    def _possible(cls, text: str) -> str:
        try:
            shares_of(text)
        except InputError as error:
            raise ValueError(str(error).rstrip(".")) from error
        return text
