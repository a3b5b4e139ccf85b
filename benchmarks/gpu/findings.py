"""What all parts share: their arguments, and rows of findings that say by themselves where they were found."""

import argparse
import json
import subprocess
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

ROWS = "results.jsonl"


@dataclass(frozen=True)
class Check:
    """One part of the check.

    Attributes:
        part: Its number.
        out: Folder of the results.
        dry: Whether everything runs on the CPU at small sizes, to try the script itself.
    """

    part: int
    out: Path
    dry: bool

    @property
    def device(self) -> str:
        """Where the part computes, as torch names it."""
        return "cpu" if self.dry else "cuda:0"

    @property
    def unit(self) -> str:
        """Where a latency is measured, as `--device` names it."""
        return "local" if self.dry else "cuda:0"

    @cached_property
    def origin(self) -> dict[str, Any]:
        """The device and the versions that a row was found with."""
        if self.dry:
            return {"device": "cpu", "torch": torch.__version__, "cudnn": None, "driver": None}
        name, cudnn = torch.cuda.get_device_name(0), torch.backends.cudnn.version()
        return {"device": name, "torch": torch.__version__, "cudnn": cudnn, "driver": driver()}

    def note(self, what: str, value: Any, unit: str = "", **more: Any) -> None:
        """Print a finding, and append it to the results as one row."""
        at = time.strftime("%Y/%m/%d %H:%M:%S")  # as nvidia-smi writes it beside the clocks
        row = {"part": self.part, "what": what, "value": value, "unit": unit, **more, "at": at, **self.origin}
        print(f"FOUND {what}: {value} {unit} {more or ''}", flush=True)
        with (self.out / ROWS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, default=str) + "\n")


def driver() -> str:
    """The version of NVIDIA's driver, as its own tool says it."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        return f"not told: {error}"


def started(part: int) -> Check:
    """The part as the command line asks for it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--dry-run", action="store_true")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    return Check(part, asked.out.absolute(), asked.dry_run)
