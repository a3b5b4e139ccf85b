"""Accuracy by class and size, and which detection found which object."""

import numpy as np
import pytest
from numpy.random import Generator

from nas.proxy.grouped_ap import ap_by_class, ap_by_size, partners
from nas.proxy.validation import Detected, Matched, matched, score_of


def picture(random: Generator, objects: int = 6, classes: int = 2) -> Detected:
    """Objects of all sizes, each with a detection near it or none, and some detections of nothing."""
    corner, side = random.uniform(0, 200, (objects, 2)), random.choice([10, 50, 150], (objects, 1))
    truth_boxes = np.concatenate([corner, corner + side], axis=1)
    truth = random.integers(0, classes, objects)
    seen = random.random(objects) < 0.8
    near = truth_boxes[seen] + random.normal(0, 0.06, (int(seen.sum()), 4)) * side[seen]
    stray = random.uniform(0, 200, (3, 2))
    boxes = np.concatenate([near, near[:1], np.concatenate([stray, stray + 40], axis=1)])
    kinds = np.concatenate([truth[seen], truth[seen][:1], random.integers(0, classes, 3)])
    order = random.permutation(len(boxes))
    confidence = np.sort(random.random(len(boxes)))[::-1]
    values = (boxes[order], confidence, kinds[order], truth_boxes, truth)
    return Detected(*(np.ascontiguousarray(value, dtype=np.float32) for value in values))


@pytest.fixture
def pictures() -> list[Detected]:
    random = np.random.default_rng(0)
    return [picture(random) for _ in range(30)]


def test_objects_are_found_as_ultralytics_matches_them(pictures: list[Detected]) -> None:
    for place, iou in enumerate(np.linspace(0.5, 0.95, 10)):
        for one in pictures:
            found = partners(one, float(iou))
            assert np.array_equal(found >= 0, matched(one).right[:, place])
            taken = found[found >= 0].tolist()
            assert len(taken) == len(set(taken))  # each object by one detection


def test_classes_make_up_the_score(pictures: list[Detected]) -> None:
    by_class = ap_by_class(pictures)
    assert sorted(by_class) == [0, 1]
    assert np.mean(list(by_class.values())) == pytest.approx(score_of([matched(one) for one in pictures]).map50_95)
    nothing = Detected(*(np.zeros(shape, np.float32) for shape in ((0, 4), 0, 0, (0, 4), 0)))
    assert ap_by_class([nothing]) == {} and ap_by_size([nothing]) == {}


def seen(boxes: list[list[float]], objects: list[list[float]]) -> Detected:
    """A picture of one class with square boxes given by left, top and side; the most confident detection first."""
    made = [np.array([[x, y, x + side, y + side] for x, y, side in some], np.float32) for some in (boxes, objects)]
    confidence = np.linspace(0.9, 0.1, len(boxes), dtype=np.float32)
    return Detected(made[0], confidence, np.zeros(len(boxes), np.float32), made[1], np.zeros(len(objects), np.float32))


def test_a_detection_whose_nearest_object_is_taken_finds_the_next() -> None:
    near, next_to_it = [0, 0, 100], [0, 30, 100]
    one = seen([[0, 0, 100], [0, 12, 100]], [near, next_to_it])  # the second overlaps both, the first of them more
    assert partners(one, 0.5).tolist() == [0, 1]
    assert np.array_equal(partners(one, 0.5) >= 0, matched(one).right[:, 0])


def test_a_detection_of_another_size_is_left_out_at_the_ious_at_which_it_is_not_right() -> None:
    # Two small objects. The first detection is larger than small, and finds one of them up to an IoU of 0.8.
    small = [[0, 0, 30], [50, 50, 20]]
    large = [[200, 200, 120]]
    one = seen([[0, 0, 33], [50, 50, 20], [200, 200, 120], [400, 400, 120]], [*small, *large])
    found = ap_by_size([one])
    assert list(found) == ["small", "large"]

    def ap(right: list[bool]) -> float:
        zeros = np.zeros(len(right), np.float32)
        confidence = np.linspace(0.9, 0.1, len(right), dtype=np.float32)
        return score_of([Matched(np.array(right)[:, None], confidence, zeros, np.zeros(2, np.float32))]).map50_95

    assert found["small"] == pytest.approx((7 * ap([True, True]) + 3 * ap([True])) / 10)
    assert found["large"] == pytest.approx(0.995)  # found by the more sure of two detections, at every IoU
