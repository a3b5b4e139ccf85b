"""Ctrl-C outside of what a command does about it itself."""

import sys

import pytest

from nas.cli import main


def test_an_interrupted_command_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nas.results.list_runs", interrupt, raising=False)
    monkeypatch.setattr(sys, "argv", ["ghostnas", "status"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 130
    assert capsys.readouterr().err == "ghostnas: interrupted\n"
