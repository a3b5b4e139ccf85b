"""A report tells how well its proxies rank, or that nobody measured it."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from nas.data import load
from nas.data.synthetic.embedded import SET_NAME
from nas.results import proxy_quality
from nas.results.proxy_quality import Ranking, measured, quality_sentences
from nas.study.settings import SearchSettings
from tests.search.conftest import changed

KNOWN = Ranking("ghostv2-n", "0", "cells", "c", 10, 32, "1200 steps and 2 seeds", 0.41, 0.3, 0.52, 0.55, 0.2, 0.7, 0.8)


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ranking.json"
    file.write_text(json.dumps([asdict(KNOWN)]))
    monkeypatch.setattr(proxy_quality, "MEASURED", file)


@pytest.mark.usefixtures("known")
def test_what_was_measured_is_told_with_its_conditions(settings: SearchSettings) -> None:
    (sentence,) = quality_sentences(changed(settings, data_digest="c"), settings.proxy.steps)
    for text in ("32 designs of ghostv2-n", "cells", "10 steps", "tau 0.41 (95% 0.30 to 0.52)", "0.55", "allows 0.80"):
        assert text in sentence
    of_the_same_name = quality_sentences(changed(settings, data="cells", data_digest="d"), settings.proxy.steps)
    assert of_the_same_name == [sentence, "On the data of this search (cells) it was not measured."]


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    "change",
    [
        {"steps": 11},
        {"space_digest": "1"},
        {"source": "a.pt (0)"},
        {"fraction": 0.5},
        {"class_loss": "focal"},
        {"teacher": "b.pt (0)"},
    ],
)
def test_what_was_not_measured_is_told_too(settings: SearchSettings, change: dict[str, object]) -> None:
    asked = changed(settings, **change)  # type: ignore[arg-type]
    (sentence,) = quality_sentences(asked, asked.proxy.steps)
    assert "was not measured" in sentence and "Kendall" not in sentence


def test_what_is_shipped_can_be_read() -> None:
    for one in measured():
        assert -1 <= one.within_low <= one.within <= one.within_high <= 1
    digests = {one.data: one.data_digest for one in measured()}
    assert digests["embedded"] == SET_NAME


def test_what_is_shipped_was_measured_on_these_pictures(bccd: Path) -> None:
    assert load(str(bccd)).digest in {one.data_digest for one in measured() if one.data == "bccd"}
