"""Accuracy by class and size, and which detection found which object."""

import numpy as np
import pytest
from numpy.random import Generator

from nas.proxy.grouped_ap import SIZES, ap_by_class, ap_by_size, areas, partners
from nas.proxy.validation import Detected, matched, score_of


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


def test_a_size_is_scored_without_objects_and_detections_of_others(pictures: list[Detected]) -> None:
    found = ap_by_size(pictures)
    assert list(found) == [one.name for one in SIZES]
    for size in SIZES:  # as if the pictures held nothing of another size, and nothing of another size was detected
        alone = []
        for one in pictures:
            inside, own = (
                (areas(boxes) >= size.low) & (areas(boxes) < size.high) for boxes in (one.objects, one.boxes)
            )
            partner = partners(one, 0.5)
            kept = own & ((partner < 0) | inside[partner])
            alone.append(
                Detected(one.boxes[kept], one.confidence[kept], one.kinds[kept], one.objects[inside], one.truth[inside])
            )
        expected = score_of([matched(one) for one in alone]).map50_95
        assert found[size.name] == pytest.approx(expected, abs=0.03)
