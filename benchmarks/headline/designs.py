"""A design that an arm came to, and its file that is measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.headline.plan import Plan
from nas.latency import Comparison, Device, Latency, SizedModel, open_device, prepare, retry_while_disturbed
from nas.model import build
from nas.util.atomic_files import write_whole


@dataclass(frozen=True, slots=True)
class Design:
    """A design.

    Attributes:
        arm: Name of its arm.
        search: Seed of the search that found it; 0 where the arm has one way only.
        key: What tables call it.
        imgsz: Side of the square input in pixels.
        yaml: Text of its model YAML.
    """

    arm: str
    search: int
    key: str
    imgsz: int
    yaml: str

    @property
    def name(self) -> str:
        """Stem of its files."""
        return f"{self.arm}-{self.search}"


def keep_yaml(design: Design, plan: Plan) -> None:
    """Write a design's YAML beside the tables."""
    write_whole(yaml_file(plan.kept, design.name), design.yaml.encode())


def yaml_file(kept: Path, name: str) -> Path:
    """Where a design's YAML is kept."""
    return kept / "designs" / f"{name}.yaml"


def exported(yaml: str, imgsz: int, plan: Plan) -> SizedModel:
    """A design's file as it is measured, with fresh weights.

    Raises:
        ModelError: It cannot be built or exported.
    """
    return SizedModel(prepare(build(yaml, plan.data.nc, seed=0), imgsz, plan.latency), imgsz)


def opened(plan: Plan) -> Device:
    """The device on which everything is measured, calibrated."""
    device: Device = retry_while_disturbed(open_device(plan.latency).calibrated, notice=print)
    return device


def measured_together(files: Sequence[SizedModel], device: Device) -> tuple[Latency, ...]:
    """Latencies in fresh processes, all files in the same slices; equal files are measured once.

    Args:
        files: The files.
        device: Where.

    Raises:
        LatencyError: A file does not run, or the device stays disturbed.
    """
    unique = {file.model.digest + f"/{file.imgsz}": file for file in files}

    def compare() -> Comparison:
        return device.compare(list(unique.values()))

    found = dict(zip(unique, retry_while_disturbed(compare, notice=print).latencies, strict=True))
    return tuple(found[file.model.digest + f"/{file.imgsz}"] for file in files)


def first_meeting(designs: Sequence[Design], count: int, plan: Plan, device: Device) -> list[Design]:
    """The first designs of a ranking that meet the target in fresh processes.

    Args:
        designs: The best first.
        count: So many at most.
        plan: The comparison.
        device: Where they are measured, `_TOGETHER` at a time.

    Raises:
        SystemExit: None meets it.
    """
    found: list[Design] = []
    for some in (designs[start : start + _TOGETHER] for start in range(0, len(designs), _TOGETHER)):
        latencies = measured_together([exported(one.yaml, one.imgsz, plan) for one in some], device)
        found += [one for one, latency in zip(some, latencies, strict=True) if latency.meets(plan.target_ms)]
        if len(found) >= count:
            break
    if not found:
        raise SystemExit(
            f"none of the {len(designs)} designs of {designs[0].arm if designs else 'the arm'} meets "
            f"{plan.target} in fresh processes; take a higher --target-latency"
        )
    return found[:count]


_TOGETHER = 4
