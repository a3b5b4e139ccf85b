"""The rough work of a design goes up with what is counted of it, and with its latency."""

import csv
from pathlib import Path

import numpy as np
import pytest

from nas.architecture import from_key
from nas.surrogate.work import rough_work

MEASURED = Path(__file__).parents[2] / "results" / "reference" / "latency" / "predictor-onnxruntime.csv"


@pytest.mark.parametrize(("column", "least"), [("latency_ms", 0.95), ("gflops", 0.95)])
def test_rough_work_goes_up_with_what_was_measured_and_counted(column: str, least: float) -> None:
    with MEASURED.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row[column]]
    work = np.log([rough_work(from_key(row["key"])) for row in rows])
    assert len(rows) > 200
    assert np.corrcoef(work, np.log([float(row[column]) for row in rows]))[0, 1] > least


def test_more_pixels_are_as_much_more_work() -> None:
    key = (
        "i96 silu stem8 P2=ghost16x1-e2-k0p1-dconv P3=c3k232x1-dconv P4=c3k248x1-dghost "
        "P5=ghost64x1-e1.5-k3p2-se-dconv neck32 box32 cls32 reg8 c3k-deep"
    )
    small, large = (rough_work(from_key(key.replace("i96", f"i{size}"))) for size in (96, 192))
    assert large == pytest.approx(4 * small)
