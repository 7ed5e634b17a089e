"""What a taxon is called elsewhere: its codes in other schemes and its synonyms, and search by any of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, get_args

from napari_diatom.project.settings import ProjectClass

CodeScheme = Literal["omnidia", "diatcode", "nbs", "sandre", "dv", "aphiaid"]
"""The schemes, as a class calls them."""
CODE_SCHEMES: Final[tuple[CodeScheme, ...]] = get_args(CodeScheme)
SCHEME_NAMES: Final[Mapping[str, str]] = {
    "omnidia": "OMNIDIA",
    "diatcode": "DiatCode",
    "nbs": "NBS",
    "sandre": "SANDRE",
    "dv": "DV",
    "aphiaid": "AphiaID",
}
"""What their users call them."""


def code_in(item: ProjectClass, scheme: CodeScheme) -> str:
    """Return the code of a taxon in a scheme, empty where it has none; that of OMNIDIA is its short code by default."""
    code = str(getattr(item, scheme))
    return code or (item.code if scheme == "omnidia" else "")


def code_clashes(classes: Iterable[ProjectClass]) -> list[str]:
    """Return which taxa have one code in a scheme between them, each in words.

    A synonym may have the code of its accepted name: they are one taxon. Short codes are not looked at here, because
    no two classes of a project have the same.
    """
    listed = tuple(classes)
    found: list[str] = []
    for scheme in CODE_SCHEMES:
        owners: dict[str, ProjectClass] = {}
        for item in listed:
            code = getattr(item, scheme)
            owner = owners.setdefault(code, item) if code else item
            if (owner.synonym_of or owner.name) != (item.synonym_of or item.name):
                found.append(f"{owner.name} and {item.name} share the {SCHEME_NAMES[scheme]} code {code}")
    return found


def search_words(item: ProjectClass) -> tuple[str, ...]:
    """Return all by which a taxon is found: name, codes, synonyms, authors and growth form, without empty ones."""
    codes = (item.code, *(getattr(item, scheme) for scheme in CODE_SCHEMES))
    words = (item.name, *codes, *item.synonyms, item.authors, item.growth_form)
    return tuple(dict.fromkeys(word for word in words if word))


def is_like(item: ProjectClass, text: str) -> bool:
    """Return whether some text, in capitals or small letters, is a part of what a taxon is called anywhere."""
    small = text.strip().casefold()
    return any(small in word.casefold() for word in search_words(item))


def taxa_meant(classes: Sequence[ProjectClass], text: str) -> list[str]:
    """Return the names of the taxa that are meant by what somebody types, in capitals or small letters.

    These are the taxa of that name; without any, those that have it as a code or synonym; without any, those of which
    it is a part of what they are called anywhere.
    """
    small = text.strip().casefold()
    if not small:
        return []
    return (
        [item.name for item in classes if item.name.casefold() == small]
        or [item.name for item in classes if small in _exact_words(item)]
        or [item.name for item in classes if is_like(item, small)]
    )


def taxa_called(classes: Sequence[ProjectClass], text: str) -> list[str]:
    """Return the names of the taxa that have some text as a code or synonym, in capitals or small letters."""
    small = text.strip().casefold()
    return [item.name for item in classes if small and small in _exact_words(item)]


def _exact_words(item: ProjectClass) -> set[str]:
    """Return the codes and synonyms of a taxon in small letters."""
    codes = (item.code, *(getattr(item, scheme) for scheme in CODE_SCHEMES))
    return {word.casefold() for word in (*codes, *item.synonyms) if word}
