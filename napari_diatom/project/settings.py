"""``diatom-project.yaml``: the classes, the images and all else that a project has agreed on."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Self, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from napari_diatom.core.colours import class_colour
from napari_diatom.core.detections import STATUSES
from napari_diatom.core.errors import InputError
from napari_diatom.core.taxa import genus_of
from napari_diatom.core.text_files import parse_yaml
from napari_diatom.core.validation_messages import Digest, faults, spelt
from napari_diatom.measurement.counting_protocol import DEFAULT_COUNTED
from napari_diatom.project.edits import State

PROJECT_FILE: Final = "diatom-project.yaml"
FORMAT: Final = 1
"""Version of the project's files that this program writes."""
TARGET: Final = 400
"""Valves to be counted of a sample, as EN 14407 has it."""

KEYS: Final = "123456789"
"""Keys that choose a class."""

Name = Annotated[
    str,
    Field(min_length=1, max_length=4096),
    spelt(r"[^\x00]*[^\s\x00][^\x00]*", "must not be blank, or contain a NUL character"),
]
FileStem = Annotated[
    str,
    spelt(
        r"[^<>:\"/\\|?*\x00-\x1f]*[^<>:\"/\\|?*\x00-\x1f. ]",
        'must be a valid file name: without < > : " / \\ | ? * and control characters, and with neither a '
        "dot nor a blank at its end",
    ),
]
Whole = Annotated[int, Field(ge=1, le=2**53)]
Model = TypeVar("Model", bound=BaseModel)


def _known(status: str) -> str:
    if status not in STATUSES:
        raise ValueError(f"unknown status {status!r} (known: {', '.join(STATUSES)})")
    return status


Status = Annotated[str, AfterValidator(_known)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def replace(self, **changes: Any) -> Self:
        """Return a checked copy with some entries exchanged.

        Raises
        ------
        InputError
            With every problem found.
        """
        data = {name: getattr(self, name) for name in type(self).model_fields}
        return checked(type(self), data | changes, "The change")


class ProjectClass(_Frozen):
    """A class that specimens may have.

    Attributes
    ----------
    name : str
        As in tables and files.
    code : str
        Short name, as of OMNIDIA; empty where there is none.
    colour : str
        ``#rrggbb``.
    key : str
        The key ``1`` to ``9`` that chooses it, empty for none.
    genus : str
        Its genus, where it is not the one that the name begins with; empty otherwise.
    handed : bool
        Whether its mirror image is another taxon.
    synonym_of : str
        The name under which its specimens are counted as examples; empty where that is its own.
    omnidia, diatcode, nbs, sandre, dv, aphiaid : str
        Its codes in these schemes; empty where there is none. ``omnidia`` is empty, too, where it is ``code``.
    authors : str
        Of its name.
    synonyms : tuple of str
        Other names that mean this class.
    growth_form : str
        How it lives, in words.
    planktic : {"", "yes", "no"}
        Whether it lives in open water; empty where that is not known.
    """

    name: Name
    code: str = ""
    colour: Annotated[str, spelt(r"#[0-9a-f]{6}", "must be '#' and six digits of 0 to 9 and a to f")] = "#e69f00"
    key: Annotated[str, spelt(r"[1-9]?", "must be a digit from 1 to 9, or empty")] = ""
    genus: str = ""
    handed: bool = False
    synonym_of: str = ""
    omnidia: str = ""
    diatcode: str = ""
    nbs: str = ""
    sandre: str = ""
    dv: str = ""
    aphiaid: str = ""
    authors: str = ""
    synonyms: tuple[Name, ...] = ()
    growth_form: str = ""
    planktic: Literal["", "yes", "no"] = ""

    @property
    def own_genus(self) -> str:
        """Its genus: the stated one, or that of its name; empty where it has none."""
        return self.genus or genus_of(self.name)


_LATER: Final = tuple(name for name in ProjectClass.model_fields if name not in ("name", "code", "colour", "key"))
"""Entries of classes that are written only where they say something, so that earlier versions read the others."""

Division = Literal["pages", "fields"]


class ProjectImage(_Frozen):
    """An image of the project, which stays where it is.

    Attributes
    ----------
    id : str
        Names the image and its files in the project.
    path : str
        From the project's folder, with ``/`` on every system.
    page : int
        Of a file of several, from 1.
    division : str
        What the pages are: all that the file has (``pages``), or its fields as ``count`` tells them apart (``fields``),
        where these are others, as in a focus series or a file of several channels.
    sha256, size : str, int
        Hash and length in bytes of the file.
    height, width : int
        In pixels.
    slide, sample : str
        What the image is a part of.
    state : State
        How far its annotations are, as they were written last.
    """

    id: FileStem
    path: Name
    page: Whole = 1
    division: Division = "pages"
    sha256: Digest
    size: Whole
    height: Whole
    width: Whole
    slide: str = ""
    sample: str = ""
    state: State = "untouched"


class Counting(_Frozen):
    """The counting protocol.

    Attributes
    ----------
    counted : tuple of str
        Statuses that count.
    target : int
        How many specimens of a sample to count.
    """

    counted: tuple[Status, ...] = Field(default=DEFAULT_COUNTED, min_length=1)
    target: Whole = TARGET


class Split(_Frozen):
    """Which slides, or samples, training, validation and test have, or the folds of a cross-validation.

    Attributes
    ----------
    by : {"slide", "sample"}
        What stays together.
    seed : int
        Of what chance decided.
    shares : tuple of int
        In percent, in the order of the parts; empty for folds.
    parts : dict of str to tuple of str
        Slides or samples of each part.
    """

    by: Literal["slide", "sample"] = "slide"
    seed: int = 0
    shares: tuple[int, ...] = ()
    parts: dict[str, tuple[str, ...]] = Field(min_length=2)

    @model_validator(mode="after")
    def _apart(self) -> Self:
        _unique("in two parts", [group for groups in self.parts.values() for group in groups])
        return self


class Settings(_Frozen):
    """What ``diatom-project.yaml`` holds.

    Attributes
    ----------
    format : int
        Version of the file.
    classes : tuple of ProjectClass
        In their order.
    statuses : tuple of str
        Those that are offered, of :data:`~napari_diatom.core.detections.STATUSES`.
    counting : Counting
        The counting protocol.
    pixel_sizes_um : dict of str to float
        Micrometres per pixel by slide, where known.
    images : tuple of ProjectImage
        In their order.
    split : Split or None
        Where one was made.
    renamed : dict of str to str
        Present names of classes by their former ones. Specimens that are read under a former name get the present one.
    no_taxon : tuple of str
        Classes that do not say of which taxon a specimen is, beside those that never do (``diatom``).
    """

    format: Literal[1] = FORMAT
    classes: tuple[ProjectClass, ...] = ()
    statuses: tuple[Status, ...] = Field(default=STATUSES, min_length=1)
    counting: Counting = Counting()
    pixel_sizes_um: dict[str, Annotated[float, Field(gt=0, le=1000)]] = Field(default_factory=dict)
    images: tuple[ProjectImage, ...] = ()
    split: Split | None = None
    renamed: dict[Name, Name] = Field(default_factory=dict)
    no_taxon: tuple[Name, ...] = ()

    @field_validator("classes")
    @classmethod
    def _classes_apart(cls, classes: tuple[ProjectClass, ...]) -> tuple[ProjectClass, ...]:
        _unique("the name of two classes", [item.name for item in classes])
        _unique("the code of two classes", [item.code for item in classes])
        _unique("the key of two classes", [item.key for item in classes])
        return classes

    @field_validator("images")
    @classmethod
    def _images_apart(cls, images: tuple[ProjectImage, ...]) -> tuple[ProjectImage, ...]:
        # The files of images must not meet on systems that do not tell capitals from small letters either.
        _unique("the id of two images", [item.id.casefold() for item in images])
        return images

    @property
    def former_names(self) -> dict[str, str]:
        """Present names of classes by their former ones; a class of the list has its own name."""
        present = {item.name for item in self.classes}
        return {old: new for old, new in self.renamed.items() if old not in present}

    def image(self, image_id: str) -> ProjectImage:
        """Return the image of an id.

        Raises
        ------
        InputError
            When there is none.
        """
        for item in self.images:
            if item.id == image_id:
                return item
        raise InputError(f"The project has no image {image_id!r}.")

    def with_image(self, image_id: str, **changes: Any) -> Settings:
        """Return the settings with some entries of one image exchanged; raises as :meth:`image`."""
        changed = self.image(image_id).replace(**changes)
        return self.replace(images=tuple(changed if item.id == image_id else item for item in self.images))

    def with_classes(self, names: Iterable[str]) -> Settings:
        """Return the settings with classes for those of the names that have none yet. Raises as :func:`classes_of`.

        Former names have a class: the one that is called otherwise now.
        """
        known = {item.name for item in self.classes} | self.renamed.keys()
        new = [name for name in dict.fromkeys(names) if name not in known]
        return self.replace(classes=(*self.classes, *classes_of(new, self.classes))) if new else self

    def to_text(self) -> str:
        """Return the settings as YAML."""
        # A thousand images take the library's own code a second.
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        data = self.model_dump(
            mode="json", exclude={name for name in ("renamed", "no_taxon") if not getattr(self, name)}
        )
        for item in data["classes"]:
            for name in _LATER:
                if not item[name]:
                    del item[name]
        text = yaml.dump(data, Dumper=dumper, sort_keys=False, allow_unicode=True, width=120)
        return str(text)

    @classmethod
    def of_text(cls, text: bytes, source: str) -> Settings:
        """Read settings; ``source`` names them in errors.

        Raises
        ------
        InputError
            When the text is no YAML, is of a newer version, or holds wrong or unknown entries (all are named).
        """
        data = parse_yaml(text, source, "a project file")
        if not isinstance(data, dict):
            raise InputError(f"{source} is not a project file.")
        version = data.get("format")
        if isinstance(version, int) and version > FORMAT:
            raise InputError(f"{source} was written by a newer version of napari-diatom (format {version}): update it.")
        return checked(cls, data, source)


def classes_of(names: Sequence[str], others: Sequence[ProjectClass] = ()) -> tuple[ProjectClass, ...]:
    """Return classes of these names with colours and keys that the ``others`` before them leave.

    Raises
    ------
    InputError
        When a name cannot be that of a class.
    """
    free = [key for key in KEYS if key not in {item.key for item in others}]
    keys = (*free, *[""] * len(names))
    return tuple(class_of(name, len(others) + i, keys[i]) for i, name in enumerate(names))


def class_of(name: str, number: int, key: str = "", code: str = "") -> ProjectClass:
    """Return a class with the colour of its number. Raises as :func:`classes_of`."""
    data = {"name": name, "code": code, "colour": hexadecimal(number), "key": key}
    return checked(ProjectClass, data, f"The class {name[:40]!r}")


def hexadecimal(number: int) -> str:
    """Return the colour of a class by its number as ``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*class_colour(number))


def rgb(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue (0..255) of ``#rrggbb``."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def free_id(name: str, taken: Iterable[str]) -> str:
    """Return an id for an image of this name that differs from those taken, also without regard to capitals."""
    stem = re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", unicodedata.normalize("NFC", name))
    # Names of files may have 255 bytes, those of journals are longer than an image's own.
    stem = stem.encode("utf-8")[:200].decode("utf-8", "ignore").rstrip(". ") or "image"
    used = {item.casefold() for item in taken}
    number = 1
    found = stem
    while found.casefold() in used:
        number += 1
        found = f"{stem}-{number}"
    return found


def checked(kind: type[Model], data: Mapping[str, Any], source: str) -> Model:
    """Return a model of the data; an error names every problem."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise InputError(f"{source} is not valid: {'; '.join(faults(error, kind))}.") from error


def _unique(what: str, values: Sequence[str]) -> None:
    """Refuse values, other than empty ones, that occur twice."""
    twice = [value for value, number in Counter(values).items() if number > 1 and value]
    if twice:
        raise ValueError(f"{', '.join(twice)} is {what}")
