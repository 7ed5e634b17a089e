"""Named examples as a model: their vectors and names in one file, without any picture."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError, ModelError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.core.taxa import genus_of
from napari_diatom.measurement.shape_columns import NAMING_COLUMNS
from napari_diatom.models.card import MOST_CLASSES, NAMING_TASK, WEIGHTS_FILE, ModelCard
from napari_diatom.models.example_facts import EXAMPLES_ARCHITECTURE, ExampleFacts, ExampleGroup
from napari_diatom.models.library import ModelFolder
from napari_diatom.naming.logistic_rule import fit_logistic
from napari_diatom.naming.method_choice import GroupChoice, Method, choose_methods
from napari_diatom.naming.named_vectors import NamedVectors
from napari_diatom.naming.pair_learner import PairLearner

SURE: Final = 0.5
"""Share under which a name is not given: it is more likely right than wrong."""


@dataclass(frozen=True, eq=False)
class ExampleSet:
    """N named specimens with their vectors.

    Attributes
    ----------
    pairs : ndarray of float32, shape (N, 2, D)
        Vectors of the specimens and of their mirror images.
    sizes : ndarray, shape (N, 2)
        As :func:`~napari_diatom.measurement.shape_columns.box_columns` gives them; NaN where they are not known.
    taxa, groups, slides : tuple of str
        What each is called, what it may be compared with, and where it lies.
    genera : Mapping of str to str
        The genus of a taxon where its name begins with another word.
    handed : frozenset of str
        Taxa whose mirror image is another taxon.
    people : tuple of str
        Who named them.
    """

    pairs: NDArray[np.float32]
    sizes: NDArray[np.float64]
    taxa: tuple[str, ...]
    groups: tuple[str, ...]
    slides: tuple[str, ...]
    genera: Mapping[str, str] = field(default_factory=dict)
    handed: frozenset[str] = frozenset()
    people: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.taxa)

    @classmethod
    def joined(cls, sets: Sequence[ExampleSet]) -> ExampleSet:
        """Return the examples of several sets, at least one, as one; what is there twice is there once.

        They are sorted, so that the order of the sets does not matter.
        """
        pairs = np.concatenate([one.pairs for one in sets])
        sizes = np.concatenate([one.sizes for one in sets])
        texts = [
            (taxon, group, slide)
            for one in sets
            for taxon, group, slide in zip(one.taxa, one.groups, one.slides, strict=True)
        ]
        # The same picture from two projects may be of two slides, as these call it.
        first: dict[tuple[str, bytes], tuple[tuple[str, str, str], bytes, int]] = {}
        for row, text in enumerate(texts):
            data = pairs[row].tobytes()
            found = (text, data, row)
            known = first.setdefault((text[0], data), found)
            if found[:2] < known[:2]:
                first[text[0], data] = found
        kept = [row for _, _, row in sorted(first.values(), key=lambda item: item[:2])]
        taxa, groups, slides = zip(*(texts[row] for row in kept), strict=True) if kept else ((), (), ())
        return cls(
            pairs[kept],
            sizes[kept],
            taxa,
            groups,
            slides,
            {taxon: genus for one in sets for taxon, genus in one.genera.items()},
            frozenset().union(*(one.handed for one in sets)),
            tuple(sorted({name for one in sets for name in one.people if name})),
        )

    def called(self, accepted: Callable[[str], str]) -> ExampleSet:
        """Return them under accepted names, which ``accepted`` gives by the names that they have."""
        genera = {accepted(taxon): genus for taxon, genus in self.genera.items()}
        own = {taxon: genus for taxon, genus in self.genera.items() if accepted(taxon) == taxon}
        return replace(
            self,
            taxa=tuple(map(accepted, self.taxa)),
            genera=genera | own,
            handed=frozenset(map(accepted, self.handed)),
        )

    def named(self) -> NamedVectors:
        """Return them with the means of their vectors. Raises InputError where a vector is not finite."""
        keys = [str(row) for row in range(len(self))]
        return NamedVectors.of(
            self.pairs.mean(axis=1), self.taxa, keys=keys, sizes=self.sizes, groups=self.groups, slides=self.slides
        )


def write_examples(
    folder: Path,
    examples: ExampleSet,
    embedder: ModelCard,
    name: str,
    version: str = "1",
    licence: str = "",
    monitor: ProgressMonitor = UNWATCHED,
) -> ModelFolder:
    """Choose how to name by examples, and write them as the folder of a model; the same examples give the same bytes.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    examples : ExampleSet
        At least one.
    embedder : ModelCard
        Of what made the vectors.
    name, version, licence : str
        For the card.
    monitor : ProgressMonitor
        Gets a step for each part of the work.

    Raises
    ------
    InputError
        When there is no example, or the name is not one of a model.
    OutputError
        When the folder cannot be written.
    """
    from safetensors.numpy import save

    if not len(examples):
        raise InputError("There is no named specimen with a vector, so nothing can be learnt: name some specimens.")
    if len(set(examples.taxa)) > MOST_CLASSES:
        raise InputError(f"{len(set(examples.taxa)):,} taxa are more than the {MOST_CLASSES:,} that a model can have.")
    named = examples.named()
    choices = choose_methods(named, monitor)
    groups, slides = sorted(set(examples.groups)), sorted(set(examples.slides))
    is_sized = np.asarray(np.isfinite(examples.sizes).all(axis=1), dtype=np.uint8)
    tensors: dict[str, NDArray[Any]] = {
        "pairs": np.ascontiguousarray(examples.pairs, dtype=np.float32),
        # Weights are finite numbers, so what is not known is told beside.
        "sizes": np.where(is_sized[:, None] > 0, examples.sizes, 0.0),
        "is_sized": is_sized,
        "taxa": named.taxon_ids.astype(np.int32),
        "groups": np.array([groups.index(one) for one in examples.groups], dtype=np.int32),
        "slides": np.array([slides.index(one) for one in examples.slides], dtype=np.int32),
    }
    data = save(tensors)
    taxa = named.known_taxa
    facts = ExampleFacts(
        embedder=embedder.name,
        embedder_version=embedder.version,
        embedder_sha256=embedder.sha256,
        dimensions=examples.pairs.shape[2],
        groups={group: _group_facts(choices[group]) for group in groups},
        slides=tuple(slides),
        people=examples.people,
        specimens={taxon: examples.taxa.count(taxon) for taxon in taxa},
        genera={
            taxon: genus for taxon in taxa if (genus := examples.genera.get(taxon, genus_of(taxon))) != genus_of(taxon)
        },
        handed=tuple(sorted(examples.handed & set(taxa))),
    )
    card = ModelCard.model_validate(
        {
            "name": name,
            "version": version,
            "task": NAMING_TASK,
            "engine": "examples",
            "architecture": EXAMPLES_ARCHITECTURE,
            "classes": taxa,
            "tile_size": embedder.tile_size,
            "thresholds": dict.fromkeys(taxa, SURE),
            "examples": facts,
            "summary": f"Names specimens by {len(examples):,} examples of {len(taxa):,} taxa; it holds no pictures.",
            "licence": licence,
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    )
    write_atomically(folder / WEIGHTS_FILE, data)
    card.write(folder)
    return ModelFolder(card, folder)


def read_examples(model: ModelFolder) -> ExampleSet:
    """Return the examples that a model holds.

    Raises
    ------
    ModelError
        When the file is damaged, does not match its card, or holds what are no numbers.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    facts = _facts(model.card)
    model.verify()
    try:
        tensors = load_file(model.weights)
    except (OSError, SafetensorError, TypeError, AttributeError) as error:
        # The last two where NumPy lacks a kind of numbers that safetensors have.
        raise ModelError(f"{model.weights} does not hold examples: {' '.join(str(error).split())[:200]}") from error
    if any(values.dtype.kind == "f" and not np.isfinite(values).all() for values in tensors.values()):
        raise ModelError(
            f"The examples of model {model.card.name} hold values that are infinite or not numbers: learn from the "
            "pictures again with `napari-diatom names learn`."
        )
    groups, number = tuple(facts.groups), tensors["taxa"].size if "taxa" in tensors else 0
    shapes = {
        "pairs": (number, 2, facts.dimensions),
        "sizes": (number, len(NAMING_COLUMNS)),
        **dict.fromkeys(("is_sized", "taxa", "groups", "slides"), (number,)),
    }
    texts = {"taxa": model.card.classes, "groups": groups, "slides": facts.slides}
    fits = number > 0 and all(name in tensors and tensors[name].shape == shape for name, shape in shapes.items())
    if not fits or not all(_are_places(tensors[name], len(names)) for name, names in texts.items()):
        raise ModelError(f"The examples of model {model.card.name} do not match its card. Install the model again.")
    picked = {name: tuple(names[k] for k in tensors[name].tolist()) for name, names in texts.items()}
    sizes = np.where(tensors["is_sized"][:, None] != 0, tensors["sizes"], np.nan).astype(np.float64)
    pairs = tensors["pairs"].astype(np.float32)
    return ExampleSet(pairs, sizes, **picked, genera=facts.genera, handed=frozenset(facts.handed), people=facts.people)


def learner_of(model: ModelFolder) -> PairLearner:
    """Return what has learnt from the examples of a model, by the methods of its card. Raises as `read_examples`."""
    examples = read_examples(model)
    named = examples.named()
    learner = PairLearner.of(examples.pairs, named, examples.handed)
    facts = _facts(model.card).groups
    try:
        learner.choose({group: _choice(facts[group], part) for group, part in named.by_group().items()})
    except ValueError:
        known = ", ".join(Method)
        raise ModelError(
            f"The card of model {model.card.name} names by an unknown method; known are {known}."
        ) from None
    return learner


def _facts(card: ModelCard) -> ExampleFacts:
    if card.examples is None:
        raise ModelError(f"Model {card.name} holds no examples.")
    return card.examples


def _are_places(numbers: NDArray[Any], of: int) -> bool:
    return bool(numbers.dtype.kind in "iu" and numbers.min(initial=0) >= 0 and numbers.max(initial=0) < of)


def _group_facts(choice: GroupChoice) -> ExampleGroup:
    error, beyond = choice.calibration_error, choice.unlike_beyond
    return ExampleGroup(
        method=choice.method.value,
        temperature=choice.temperatures.get(choice.method),
        asked=choice.asked,
        right=choice.right.get(choice.method),
        by_slide=choice.by_slide,
        calibration_error=error if math.isfinite(error) else None,
        unlike_beyond=beyond if math.isfinite(beyond) else None,
    )


def _choice(facts: ExampleGroup, named: NamedVectors) -> GroupChoice:
    """Return how a group is named. Raises ValueError where the method is unknown."""
    method = Method(facts.method)
    return GroupChoice(
        method,
        right={} if facts.right is None else {method: facts.right},
        asked=facts.asked,
        by_slide=facts.by_slide,
        temperatures={} if facts.temperature is None else {method: facts.temperature},
        unlike_beyond=math.inf if facts.unlike_beyond is None else facts.unlike_beyond,
        logistic=fit_logistic(named) if method is Method.LOGISTIC else None,
    )
