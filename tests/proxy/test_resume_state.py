"""A training that is broken off goes on from its file and ends with the same bits."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from nas.data import DetectionData
from nas.errors import StorageError
from nas.proxy import ProxySettings, train_proxy
from nas.proxy.resume_state import StateFile
from tests.proxy.conftest import MakeModel

FEW = ProxySettings(steps=5, batch=32, recalibration=16, precision="float32")


class _Stop(BaseException):
    """As Ctrl-C."""


def stop_after(step: int):  # type: ignore[no-untyped-def]
    def observe(done: int, _: nn.Module) -> None:
        if done == step:
            raise _Stop

    return observe


@pytest.mark.slow
@pytest.mark.parametrize("teach", [False, True], ids=["alone", "taught"])
def test_it_goes_on_where_it_stood(
    small_data: DetectionData, make_model: MakeModel, tmp_path: Path, teach: bool
) -> None:
    how = FEW
    if teach:
        torch.save({"model": make_model(seed=7), "epoch": -1, "train_args": {}}, tmp_path / "teacher.pt")
        how = replace(FEW, teacher=str(tmp_path / "teacher.pt"))
    whole, expected = train_proxy(make_model(seed=1), small_data, 64, how)
    file, seen = tmp_path / "state", list[int]()
    for step in (2, 3):
        with pytest.raises(_Stop):
            train_proxy(make_model(seed=1), small_data, 64, how, observe=stop_after(step), kept=StateFile(file, 0.0))
    again = StateFile(file, 0.0)
    result, found = train_proxy(
        make_model(seed=2), small_data, 64, how, observe=lambda done, _: seen.append(done), kept=again
    )
    assert seen == [4, 5]
    assert (result.score, result.train_loss) == (whole.score, whole.train_loss)
    assert all(torch.equal(value, expected.state_dict()[name]) for name, value in found.state_dict().items())
    again.drop()
    assert not file.exists()


@pytest.mark.parametrize("content", [None, b"", b"torn"])
def test_without_a_whole_file_it_begins_anew(
    small_data: DetectionData, make_model: MakeModel, tmp_path: Path, content: bytes | None
) -> None:
    file, seen = tmp_path / "state", list[int]()
    if content is not None:
        file.write_bytes(content)
    short = FEW.with_steps(2)
    train_proxy(make_model(), small_data, 64, short, observe=lambda done, _: seen.append(done), kept=StateFile(file))
    assert seen == [1, 2]


def test_the_state_is_kept_now_and_then(tmp_path: Path) -> None:
    times = iter([0.0, 1.0, 21.0, 21.0, 22.0])
    kept, written = StateFile(tmp_path / "state", 20.0, clock=lambda: next(times)), []

    class Fake:
        def state(self) -> dict[str, int]:
            written.append(1)
            return {}

    for step in range(1, 4):
        kept.save(step, Fake())  # type: ignore[arg-type]
    assert len(written) == 1


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    class Fake:
        def state(self) -> dict[str, int]:
            return {}

    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"cannot write .*state"):
        StateFile(tmp_path / "file" / "state", 0.0).save(1, Fake())  # type: ignore[arg-type]
