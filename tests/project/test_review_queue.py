"""What is to be looked at first: disagreements of people and models, then low scores."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from napari_diatom.project.review_queue import ReviewQueue, doubts, unmatched
from napari_diatom.project.specimen import Specimen

FIRST, SECOND = "diatom-obb 1.0", "diatom-box 1.0"


def drawn(x: float = 100.0, name: str = "Navicula", **known: object) -> Specimen:
    """Return a specimen of 60 x 20 px."""
    return Specimen.rectangle((x, 100.0, 60.0, 20.0, 0.0), name, **known)


def proposed(x: float = 100.0, score: float = 0.9, origin: str = FIRST, name: str = "Navicula") -> Specimen:
    return drawn(x, name, score=score, origin=origin)


def by_id(*some: Specimen) -> dict[str, Specimen]:
    return {item.id: item for item in some}


def reasons(specimens: dict[str, Specimen], proposals: dict[str, Specimen]) -> dict[str, str]:
    return {doubt.specimen.id: doubt.reason for doubt in doubts(specimens, proposals)}


def test_without_others_the_lowest_score_comes_first():
    some = [proposed(100.0 * k, score) for k, score in enumerate((0.9, 0.3, 0.6))]
    found = doubts({}, by_id(*some))
    assert [doubt.specimen for doubt in found] == [some[1], some[2], some[0]]
    assert [doubt.text for doubt in found] == ["Score 0.30.", "Score 0.60.", "Score 0.90."]


def test_disagreements_come_before_low_scores():
    own = [drawn(100), drawn(300, "Nitzschia"), drawn(500), drawn(700)]
    agrees, other_class, in_part, new = proposed(102), proposed(301), proposed(525), proposed(900, score=0.1)
    found = doubts(by_id(*own), by_id(agrees, other_class, in_part, new))
    assert [(doubt.specimen.id, doubt.reason) for doubt in found] == [
        (other_class.id, "class"),
        (in_part.id, "outline"),
        (own[3].id, "missed"),
        (new.id, "score"),
        (agrees.id, "score"),
    ]
    assert found[0].text == "Navicula by diatom-obb 1.0, Nitzschia by the specimen."
    assert found[1].text == "diatom-obb 1.0 and the specimen overlap only partly."


def test_two_models_are_compared():
    same, alone = [proposed(100), proposed(101, origin=SECOND)], proposed(400)
    torn = [proposed(700), proposed(703, origin=SECOND, name="Nitzschia")]
    found = reasons({}, by_id(*same, alone, *torn))
    assert found == {
        same[0].id: "score",
        same[1].id: "score",
        alone.id: "alone",
        torn[0].id: "class",
        torn[1].id: "class",
    }
    # An accepted specimen tells that its model has looked at the image; proposals of one model are not compared.
    accepted = drawn(400, origin=SECOND, reviewed=True)
    assert reasons(by_id(accepted), by_id(proposed(100))).popitem()[1] == "alone"
    assert set(reasons({}, by_id(proposed(100), proposed(120))).values()) == {"score"}


def test_a_model_that_runs_again_is_compared_with_what_was_made_of_its_proposals():
    relabelled = drawn(100, "Nitzschia", origin=FIRST, reviewed=True)
    assert list(reasons(by_id(relabelled), by_id(proposed(101))).values()) == ["class"]


def test_a_neighbour_is_no_disagreement_where_there_is_a_counterpart():
    own, neighbour = drawn(100), drawn(135, "Nitzschia")
    found = reasons(by_id(own, neighbour), by_id(proposed(101), proposed(134, name="Nitzschia")))
    assert set(found.values()) == {"score"}


def test_a_needle_in_line_agrees_though_its_area_does_not():
    own = Specimen.rectangle((100.0, 100.0, 400.0, 4.0, 0.0), "Nitzschia")
    turned = Specimen.rectangle((100.0, 100.0, 400.0, 4.0, 0.012), "Nitzschia", origin=FIRST)
    assert list(reasons(by_id(own), by_id(turned)).values()) == ["score"]


def test_no_specimen_is_accepted_twice():
    own = by_id(drawn(100), drawn(300, "Nitzschia"))
    on_own, other_class, in_part = proposed(102), proposed(301), proposed(130)
    likelier, same = proposed(500, score=0.8, origin=SECOND), proposed(502, score=0.7)
    found = by_id(on_own, other_class, in_part, same, likelier)
    assert unmatched(own, found) == [in_part.id, likelier.id]
    assert unmatched({}, by_id(same)) == [same.id]
    assert unmatched(own, {}) == []


def test_nothing_is_doubtful_when_nothing_is_proposed():
    assert doubts(by_id(drawn()), {}) == []
    assert ReviewQueue().next(by_id(drawn()), {}) is None
    assert ReviewQueue().next({}, {}) is None


def test_a_round_shows_each_once_and_begins_anew():
    specimens, proposals = by_id(drawn(500)), by_id(*(proposed(100.0 * k, 0.2 + 0.1 * k) for k in range(3)))
    walk = ReviewQueue()
    first = [walk.next(specimens, proposals).specimen.id for _ in range(4)]
    assert first == [*specimens, *proposals]
    del proposals[first[1]]
    assert [walk.next(specimens, proposals).specimen.id for _ in range(3)] == [first[0], *first[2:]]


def test_a_specimen_whose_proposal_was_rejected_was_not_missed():
    own, copy, other = drawn(100), proposed(101), proposed(400)
    walk = ReviewQueue()
    walk.note(by_id(own), by_id(copy, other))
    found = [walk.next(by_id(own), by_id(other)) for _ in range(2)]
    assert [doubt.specimen.id for doubt in found] == [other.id, other.id]


places = st.tuples(st.floats(0, 400), st.sampled_from(["Navicula", "Nitzschia"]))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(places, max_size=8),
    st.lists(st.tuples(places, st.floats(0, 1), st.sampled_from([FIRST, SECOND])), min_size=1, max_size=12),
)
def test_every_proposal_is_looked_at_once_a_round(own, found):
    specimens = by_id(*(drawn(*place) for place in own))
    proposals = by_id(*(proposed(x, score, origin, name) for (x, name), score, origin in found))
    listed = doubts(specimens, proposals)
    ids = [doubt.specimen.id for doubt in listed]
    assert len(ids) == len(set(ids))
    assert proposals.keys() <= set(ids) <= proposals.keys() | specimens.keys()
    walk = ReviewQueue()
    assert [walk.next(specimens, proposals).specimen.id for _ in listed] == ids
    assert all(doubt.reason == "missed" for doubt in listed if doubt.specimen.id in specimens)
    calm = [doubt.specimen.score for doubt in listed if doubt.reason == "score"]
    assert calm == sorted(calm)
    assert [doubt.reason == "score" for doubt in listed] == [False] * (len(listed) - len(calm)) + [True] * len(calm)
