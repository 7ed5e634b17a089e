"""Changes to the list of classes, each made on the list as it is at that moment.

Two windows may change one list: each change says what it does to which class, so that both are made, one after the
other, and one whose class is gone says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from napari_diatom.core.errors import InputError
from napari_diatom.core.text import quoted
from napari_diatom.project.settings import KEYS, ProjectClass, Settings, class_of
from napari_diatom.project.taxon_codes import CODE_SCHEMES, code_clashes


def with_new_class(settings: Settings, name: str, code: str = "", colour: str = "", key: str | None = None) -> Settings:
    """Return settings with one more class at the end of the list.

    Parameters
    ----------
    settings : Settings
        Those of the moment.
    name, code : str
        Of the class; the code may be empty.
    colour : str
        ``#rrggbb``; empty for the colour of its place in the list.
    key : str, optional
        ``1`` to ``9``, empty for none; by default the first free one.

    Raises
    ------
    InputError
        When the name is blank or in use, or the code or key is that of another class.
    """
    name = name.strip()
    require_free(settings, name)
    taken = {item.key for item in settings.classes}
    free = next((digit for digit in KEYS if digit not in taken), "")
    new = class_of(name, len(settings.classes), free if key is None else key, code.strip())
    if colour:
        new = new.replace(colour=colour.strip().lower())
    _require_apart(settings, new)
    renamed = {old: now for old, now in settings.renamed.items() if old != name}
    return settings.replace(classes=(*settings.classes, new), renamed=renamed)


def with_class_changed(settings: Settings, name: str, **changes: str) -> Settings:
    """Return settings with another ``code``, ``colour`` or ``key`` of a class.

    A class that has the key already gets the other one's in exchange.

    Raises
    ------
    InputError
        When there is no such class, the code is that of another one, or a value is impossible.
    """
    old = class_named(settings, name)
    if "colour" in changes:
        changes["colour"] = changes["colour"].strip().lower()
    if "code" in changes:
        changes["code"] = changes["code"].strip()
    new = old.replace(**changes)
    owner = next((item for item in settings.classes if new.key and item.key == new.key and item.name != name), None)
    swapped = {} if owner is None else {owner.name: owner.replace(key=old.key)}
    rest = settings.replace(classes=tuple(swapped.get(item.name, item) for item in settings.classes if item != old))
    _require_apart(rest, new)
    return settings.replace(
        classes=tuple(new if item == old else swapped.get(item.name, item) for item in settings.classes)
    )


def with_class_renamed(settings: Settings, name: str, new_name: str) -> Settings:
    """Return settings in which a class is called otherwise; its specimens are read under the new name.

    Raises
    ------
    InputError
        When there is no such class, or the new name is blank or that of another class.
    """
    new_name = new_name.strip()
    old = class_named(settings, name)
    if not new_name:
        raise InputError("A class needs a name.")
    if new_name == name:
        return settings
    if any(item.name == new_name for item in settings.classes):
        raise InputError(f"The project already has a class {new_name!r}: merge {name!r} into it.")
    classes = tuple(item.replace(name=new_name) if item == old else item for item in settings.classes)
    renamed = _former(settings, [name], new_name)
    return _naming_it(settings.replace(classes=classes, renamed=renamed), [name], new_name)


def with_classes_merged(settings: Settings, names: Iterable[str], into: str) -> Settings:
    """Return settings in which several classes are one; names that only specimens have may be merged, too.

    A key or code of theirs goes to the class that stays, where it has none.

    Raises
    ------
    InputError
        When the class that stays is not there or is one of the others, or none is named.
    """
    listed = list(dict.fromkeys(names))
    kept = class_named(settings, into)
    if not listed:
        raise InputError(f"Name at least one class to merge into {into!r}.")
    if into in listed:
        raise InputError(f"{into!r} cannot be merged into itself: choose another class.")
    gone = [item for item in settings.classes if item.name in listed]
    inherited = {
        name: next((value for item in gone if (value := getattr(item, name))), "")
        for name in ("key", "code", *CODE_SCHEMES)
        if not getattr(kept, name)
    }
    grown = kept.replace(**inherited)
    classes = tuple(grown if item == kept else item for item in settings.classes if item not in gone)
    # The class that stays is a taxon as before, whatever is merged into it.
    no_taxon = tuple(name for name in settings.no_taxon if name not in listed)
    renamed = _former(settings, listed, into)
    return _naming_it(settings.replace(classes=classes, renamed=renamed, no_taxon=no_taxon), listed, into)


def with_no_taxon(settings: Settings, names: Iterable[str]) -> Settings:
    """Return settings in which these classes, and no others but those that never do, say no taxon."""
    return settings.replace(no_taxon=tuple(dict.fromkeys(name.strip() for name in names)))


def with_class_moved(settings: Settings, name: str, place: int) -> Settings:
    """Return settings with a class at another place of the list, counted from 1; one beyond the end means the end.

    Raises
    ------
    InputError
        When there is no such class.
    """
    moved = class_named(settings, name)
    others = [item for item in settings.classes if item != moved]
    others.insert(min(max(place, 1), len(others) + 1) - 1, moved)
    return settings.replace(classes=tuple(others))


def without_class(settings: Settings, name: str) -> Settings:
    """Return settings without a class; raises InputError where there is no such class."""
    gone = class_named(settings, name)
    renamed = {old: now for old, now in settings.renamed.items() if now != name}
    return settings.replace(classes=tuple(item for item in settings.classes if item != gone), renamed=renamed)


def with_taxa(settings: Settings, taxa: Sequence[ProjectClass], given: Iterable[str] = ("code",)) -> Settings:
    """Return settings with the classes of a list: new ones are added, and those that are there get what it gives.

    No class is removed or renamed. Keys of classes that are there stay, and new classes get the keys that are free.

    Parameters
    ----------
    settings : Settings
        Those of the moment.
    taxa : sequence of ProjectClass
        As :func:`~napari_diatom.project.taxon_list.read_taxa` gives them.
    given : iterable of str
        What the list gives, see :attr:`~napari_diatom.project.taxon_list.TaxonList.given`.

    Raises
    ------
    InputError
        When two classes would have one code.
    """
    wanted = set(given)
    listed = {item.name: item for item in taxa}
    changed: list[ProjectClass] = []
    for item in settings.classes:
        taxon = listed.pop(item.name, None)
        news = {} if taxon is None else {name: getattr(taxon, name) for name in wanted - {"key"}}
        changed.append(item.replace(**{name: value for name, value in news.items() if value or value is False}))
    owners = {item.code: item.name for item in changed if item.code}
    if clashes := [item for item in listed.values() if item.code in owners]:
        raise InputError(
            "Nothing was imported. "
            + " ".join(f"The code {item.code} of {item.name} is that of {owners[item.code]}." for item in clashes[:5])
        )
    taken = {item.key for item in changed}
    for taxon in listed.values():
        asked = taxon.key if "key" in wanted else ""
        free = [key for key in KEYS if key not in taken]
        key = asked if asked in free else next(iter(free), "") if "key" not in wanted else ""
        taken.add(key)
        fresh = class_of(taxon.name, len(changed), key, taxon.code)
        changed.append(fresh.replace(**{name: getattr(taxon, name) for name in wanted - {"key", "code"}}))
    if shared := code_clashes(changed):
        raise InputError(f"Nothing was imported: {'; '.join(shared)}.")
    renamed = {old: new for old, new in settings.renamed.items() if old not in listed}
    return settings.replace(classes=tuple(changed), renamed=renamed)


def class_named(settings: Settings, name: str) -> ProjectClass:
    """Return the class of a name.

    Raises
    ------
    InputError
        When there is none, with the present name of a class that was called so.
    """
    for item in settings.classes:
        if item.name == name:
            return item
    now = settings.former_names.get(name)
    raise InputError(
        f"The class {quoted(name)} is now called {now!r}: somebody renamed or merged it."
        if now
        else f"The project has no class {quoted(name)}."
    )


def require_free(settings: Settings, name: str) -> None:
    """Raise InputError where a name is blank, or that of a class."""
    if not name.strip():
        raise InputError("A class needs a name.")
    if any(item.name == name for item in settings.classes):
        raise InputError(f"The project already has a class {name!r}.")


def _require_apart(settings: Settings, new: ProjectClass) -> None:
    """Raise InputError where another class has the code or the key of a new one, and name it."""
    for item in settings.classes:
        if new.code and item.code == new.code:
            raise InputError(f"The code {new.code} is that of {item.name}: give {new.name} another one.")
        if new.key and item.key == new.key:
            raise InputError(f"The key {new.key} is that of {item.name}: choose another one for {new.name}.")


def _naming_it(settings: Settings, names: Iterable[str], now: str) -> Settings:
    """Return settings that call classes by another name wherever they name them."""
    gone = set(names)
    classes = tuple(
        item.replace(synonym_of="" if item.name == now else now) if item.synonym_of in gone else item
        for item in settings.classes
    )
    no_taxon = tuple(dict.fromkeys(now if name in gone else name for name in settings.no_taxon))
    return settings.replace(classes=classes, no_taxon=no_taxon)


def _former(settings: Settings, names: Iterable[str], now: str) -> dict[str, str]:
    """Return former names with some more; those that led to them lead on, and none leads away from the present one."""
    gone = set(names)
    renamed: dict[str, Any] = {old: now if to in gone else to for old, to in settings.renamed.items()}
    renamed |= dict.fromkeys(sorted(gone), now)
    renamed.pop(now, None)
    return renamed
