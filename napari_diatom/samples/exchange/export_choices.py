"""What a person may choose for exports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from napari_diatom.core.errors import InputError
from napari_diatom.core.text import quoted
from napari_diatom.project.taxon_codes import CODE_SCHEMES, CodeScheme

ExportFormat = Literal["diathor", "darleq3", "seee", "generic", "plankton-toolbox", "darwin-core"]
EXPORT_FORMATS: Final[tuple[ExportFormat, ...]] = get_args(ExportFormat)
Darleq3Codes = Literal["nbs", "diatcode"]
DARLEQ3_CODES: Final[tuple[Darleq3Codes, ...]] = get_args(Darleq3Codes)
Separator = Literal["tab", "semicolon", "comma"]
SEPARATORS: Final[dict[Separator, str]] = {"tab": "\t", "semicolon": ";", "comma": ","}


@dataclass(frozen=True)
class ExportChoices:
    """The choices; wrong ones are refused with an InputError.

    Attributes
    ----------
    darleq3_codes : {"nbs", "diatcode"}
        The codes of darleq3.
    generic_codes : {"omnidia", "diatcode", "nbs", "sandre", "dv", "aphiaid"}
        The scheme of the codes of the generic export.
    seee_separator : {"tab", "semicolon", "comma"}
        What stands between the columns of SEEE.
    leave_out_incomplete : bool
        Whether taxa without a code, and samples without a fact, that a format needs are left out. They are an error
        otherwise.
    dataset_title, dataset_owner : str
        Title of a Darwin Core archive, and the person or institution that it is of. Both are needed there.
    dataset_licence : str
        The licence of the archive, such as ``CC BY 4.0``; nothing is said of it where it is empty.
    """

    darleq3_codes: Darleq3Codes = "nbs"
    generic_codes: CodeScheme = "omnidia"
    seee_separator: Separator = "tab"
    leave_out_incomplete: bool = False
    dataset_title: str = ""
    dataset_owner: str = ""
    dataset_licence: str = ""

    def __post_init__(self) -> None:
        for value, choices, what in (
            (self.darleq3_codes, DARLEQ3_CODES, "darleq3_codes"),
            (self.generic_codes, CODE_SCHEMES, "generic_codes"),
            (self.seee_separator, tuple(SEPARATORS), "seee_separator"),
        ):
            if value not in choices:
                raise InputError(f"{what} is {quoted(value)}; give one of {', '.join(choices)}.")
        for text, what in (
            (self.dataset_title, "dataset_title"),
            (self.dataset_owner, "dataset_owner"),
            (self.dataset_licence, "dataset_licence"),
        ):
            if not isinstance(text, str):
                raise InputError(f"{what} is {quoted(text)}; give text.")


def checked_formats(formats: object) -> tuple[ExportFormat, ...]:
    """Return formats, each once.

    Raises
    ------
    InputError
        When one of them is unknown, with those there are.
    """
    given = [formats] if isinstance(formats, str) else formats
    if not isinstance(given, list | tuple | set | frozenset):
        raise InputError(f"formats is {quoted(formats)}; give a list of {', '.join(EXPORT_FORMATS)}.")
    unknown = [name for name in given if name not in EXPORT_FORMATS]
    if unknown:
        raise InputError(f"There is no export {quoted(unknown[0])}; give some of {', '.join(EXPORT_FORMATS)}.")
    return tuple(name for name in EXPORT_FORMATS if name in given)
