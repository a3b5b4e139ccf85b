"""What the clock covers, with a session that notes what is done to it."""

import io
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from nas.errors import LatencyError
from nas.latency.runtimes.clock_scope import scoped
from nas.latency.runtimes.session import Session, image


class Noted:
    """A session of a detector for one class that sees the boxes it is told to."""

    def __init__(self, detections: int = 0) -> None:
        self.done: list[str] = []
        self.fed: list[NDArray[np.float32]] = []
        self.answer = np.zeros((1, 5, 64), dtype=np.float32)
        for slot in range(detections):
            self.answer[0, :, slot] = (10 + slot, 10, 8, 8, 0.9)

    def session(self) -> Session:
        return Session(run=lambda: self.done.append("run"), outputs=self._outputs, feed=self._feed)

    def _outputs(self) -> list[NDArray[np.float32]]:
        self.done.append("outputs")
        return [self.answer]

    def _feed(self, picture: NDArray[np.float32]) -> None:
        self.done.append("feed")
        self.fed.append(picture)


def _npy(pictures: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, pictures)
    return buffer.getvalue()


def test_compute_is_the_run_alone() -> None:
    noted = Noted()
    scoped(noted.session(), 64, "compute")()
    assert noted.done == ["run"]


def test_copies_are_into_the_input_and_out_of_the_outputs() -> None:
    noted = Noted()
    run = scoped(noted.session(), 64, "+copies")
    assert noted.done == []
    run()
    assert noted.done == ["feed", "run", "outputs"]
    assert (noted.fed[0] == image(64)).all()


def test_nms_detects_in_one_picture_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    from ultralytics.utils import nms

    seen: list[tuple[int, ...]] = []
    real = nms.non_max_suppression

    def noted_nms(prediction: object, *arguments: object) -> object:
        found = real(prediction, *arguments)
        seen.append(tuple(len(one) for one in found))
        return found

    monkeypatch.setattr(nms, "non_max_suppression", noted_nms)
    noted = Noted(detections=30)
    pictures = np.random.default_rng(0).random((3, 3, 64, 64), dtype=np.float32)
    run = scoped(noted.session(), 64, "+nms", _npy(pictures))
    for _ in range(4):
        run()
    assert noted.done == ["feed", "run", "outputs"] * 4
    for fed, expected in zip(noted.fed, [0, 1, 2, 0], strict=True):
        assert fed.shape == (1, 3, 64, 64) and (fed[0] == pictures[expected]).all()
    assert len(seen) == 4 and all(0 < count < 30 for (count,) in seen)  # boxes of one object are merged


def test_nms_without_pictures_or_without_ultralytics(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LatencyError, match=r"\+nms needs pictures"):
        scoped(Noted().session(), 64, "+nms")
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(LatencyError, match=r"runs Ultralytics' NMS, and torchvision is not installed there"):
        scoped(Noted().session(), 64, "+nms", _npy(np.zeros((1, 3, 64, 64), dtype=np.float32)))


def test_pictures_with_pickled_objects_are_refused() -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        scoped(Noted().session(), 64, "+nms", buffer.getvalue())
