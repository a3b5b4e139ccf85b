# Every target does its own set-up: `make search` and `make test` work in a fresh clone.
PYTHON ?= python3
VENV ?= .venv
READY := $(VENV)/.ready

.PHONY: setup search test lint slow proxy-report clean

search: $(READY)
	$(VENV)/bin/ghostnas search --budget 50 --target-latency 2.5ms

# What times real models runs afterwards, alone: beside another test the machine is too busy to be measured.
test: $(READY)
	$(VENV)/bin/pytest -m "not slow and not device and not measures" --durations 15
	$(VENV)/bin/pytest -m "measures and not slow and not device" -n 0 tests/latency

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

slow: $(READY)
	$(VENV)/bin/pytest -m "slow and not measures"
	$(VENV)/bin/pytest -m "slow and measures" -n 0 tests/latency

# How well proxies rank the architectures that were trained long (docs/development/proxy-figures.md); from tables, in seconds.
proxy-report: $(READY)
	$(VENV)/bin/python -m benchmarks.proxies.quality
	$(VENV)/bin/python -m benchmarks.proxies.quality --held-out

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --constraint constraints.txt --editable ".[openvino,ncnn,dashboard,postgres,dev]"
	touch $(READY)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
