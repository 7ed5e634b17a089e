"""The result type: canonical, complete about what is wrong, and safe to cut and join."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_diatom.core.detections import CUT_BY_EDGE, STATUSES, CroppedMask, Detections
from napari_diatom.core.errors import InputError

SOME = Detections.of(
    [[10, 20, 30, 5, 0.5], [50, 60, 5, 40, 0.1], [5, 5, 10, 10, 1.0]],
    class_ids=[0, 1, 1],
    scores=[0.9, 0.3, 0.6],
    classes=("needle", "disc"),
    cut=[0, CUT_BY_EDGE, 0],
    status=[0, STATUSES.index("broken"), 1],
)


def test_dtypes_and_canonical_form() -> None:
    assert [SOME.boxes.dtype, SOME.class_ids.dtype, SOME.scores.dtype] == [np.float32, np.int32, np.float32]
    assert [SOME.cut.dtype, SOME.status.dtype] == [np.uint8, np.uint8]
    assert SOME.boxes[1] == pytest.approx([50, 60, 40, 5, 0.1 - np.pi / 2])
    assert SOME.boxes[2, 4] == 0


def test_defaults_are_a_persons_annotation() -> None:
    one = Detections.of([[1, 2, 3, 2, 0]])
    assert (one.scores[0], one.cut[0], one.status[0], one.classes) == (1, 0, 0, ("diatom",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": [[1, 2, 3]]}, "shape"),
        ({"boxes": [[1, 2, np.nan, 4, 0]]}, "NaN"),
        ({"boxes": [[1, 2, 0, 4, 0]]}, "above 0"),
        ({"scores": [1.5]}, "within 0 and 1"),
        ({"scores": [np.nan]}, "within 0 and 1"),
        ({"scores": [0.5, 0.5]}, "scores must have shape"),
        ({"class_ids": [1]}, "class_ids must index the 1 classes"),
        ({"class_ids": [np.nan]}, "class_ids hold NaN"),
        ({"classes": ()}, "0 classes"),
        ({"cut": [4]}, "flags 0 to 3"),
        ({"status": [6]}, "statuses"),
        ({"masks": []}, "0 masks for 1 boxes"),
    ],
)
def test_bad_values_are_named(change: dict[str, object], message: str) -> None:
    given: dict[str, object] = {"boxes": [[1, 2, 3, 2, 0]]} | change
    with pytest.raises(InputError, match=message):
        Detections.of(**given)  # type: ignore[arg-type]


def test_every_problem_at_once() -> None:
    with pytest.raises(InputError, match=r"NaN.*scores.*class_ids.*status"):
        Detections.of([[np.inf, 0, 1, 1, 0]], scores=[-1], class_ids=[3], status=[9])


def test_selection_always_gives_detections() -> None:
    assert len(SOME[1]) == 1
    assert SOME[-1].scores.tolist() == SOME[[2]].scores.tolist()
    assert SOME[SOME.scores > 0.5].class_ids.tolist() == [0, 1]
    assert SOME[1:].status.tolist() == [3, 1]
    assert len(SOME[[]]) == 0
    assert SOME.above(0.6).scores.tolist() == pytest.approx([0.9, 0.6])


def test_joining_what_was_parted() -> None:
    again = Detections.concatenate([SOME[:1], SOME[1:]])
    for name in ("boxes", "class_ids", "scores", "cut", "status"):
        np.testing.assert_array_equal(getattr(again, name), getattr(SOME, name))
    assert len(Detections.concatenate([], classes=("a",))) == 0
    assert Detections.concatenate([], classes=("a",)).classes == ("a",)


def test_what_cannot_be_joined() -> None:
    with pytest.raises(InputError, match="class lists"):
        Detections.concatenate([SOME, Detections.empty()])
    with pytest.raises(InputError, match="without masks"):
        Detections.concatenate([Detections.empty(), Detections.empty(with_masks=True)])


def test_masks_go_with_their_specimens() -> None:
    masks = [CroppedMask(np.ones((2, k + 1), dtype=bool), k, 0) for k in range(3)]
    some = Detections.of(SOME.boxes, masks=masks)
    assert [mask.x0 for mask in some[[2, 0]].masks or ()] == [2, 0]
    moved = some.moved(10, -1)
    assert [(mask.x0, mask.y0, mask.area) for mask in moved.masks or ()] == [(10, -1, 2), (11, -1, 4), (12, -1, 6)]
    larger = some.moved(6, 2, scale=0.25)
    assert [(mask.x0, mask.y0, mask.area) for mask in larger.masks or ()] == [(6, 2, 32), (10, 2, 64), (14, 2, 96)]
    with pytest.raises(InputError, match="2-D bool"):
        CroppedMask(np.ones((2, 2), dtype=np.uint8), 0, 0)  # type: ignore[arg-type]


@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4), st.sampled_from([0.25, 0.5, 1.0, 2.0]))
def test_moving_there_and_back(dx: float, dy: float, scale: float) -> None:
    there = SOME.moved(dx, dy, scale)
    back = there.moved(-dx * scale, -dy * scale, 1 / scale)
    np.testing.assert_allclose(back.boxes, SOME.boxes, atol=0.02)
