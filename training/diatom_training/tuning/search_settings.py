"""What a search is to do: one frozen, checked description, and its YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from diatom_training.finetune.config import TrainConfig
from diatom_training.tuning.ranges import SearchRange
from diatom_training.tuning.search_space import checked_ranges
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError
from napari_diatom.core.text_files import read_yaml
from napari_diatom.core.validation_messages import faults


class SearchSettings(BaseModel):
    """A search.

    Attributes
    ----------
    training : TrainConfig
        What each trial trains, but for the settings that are searched.
    ranges : dict of str to Span or Choices
        The settings that are searched, by their dotted names, each with its values.
    trials : int
        Number of trials.
    folds : int
        Folds of a cross-validated trial, made of training and validation slides; 0 validates on the validation part.
    seed : int
        Random seed of the search; that of the training stays as it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    training: TrainConfig
    ranges: dict[str, SearchRange]
    trials: int = Field(default=20, ge=1)
    folds: int = Field(default=0, ge=0, json_schema_extra={"unit": "folds"})
    seed: int = Field(default=0, ge=0)

    @classmethod
    def of(cls, **entries: Any) -> Self:
        """Build settings, with paths that do not depend on the working folder.

        Raises
        ------
        InputError
            With every problem found.
        """
        try:
            made = cls.model_validate(entries)
        except ValidationError as error:
            raise InputError(
                f"The search cannot be set up with these settings: {'; '.join(faults(error, cls))}."
            ) from None
        if made.folds == 1:
            raise InputError(
                "folds: 1 fold leaves nothing to learn from; give 2 or more, or 0 for the validation part."
            )
        checked_ranges(made.training, made.ranges)
        return made.model_copy(update={"training": made.training.absolute()})

    def to_text(self) -> str:
        """Return the text of a YAML file."""
        plain = self.model_dump(mode="json", exclude={"training"}) | {"training": self.training.to_plain()}
        return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a YAML file.

        Raises
        ------
        InputError
            When it cannot be read, or with every problem found in it.
        """
        data = read_yaml(path, "the settings of a search")
        if not isinstance(data, Mapping):
            raise InputError(f"{path} does not have the settings of a search.")
        return cls.of(**{str(name): value for name, value in data.items()})

    def write(self, path: Path) -> None:
        """Write a YAML file. Raises OutputError when it cannot be written."""
        write_atomically(path, self.to_text())
