"""Before a measurement: what a device says about its clock, heat, memory and load, and what speaks against measuring.

`facts()` looks, on the device, and needs only the standard library; `health_issues()` judges, anywhere, and is pure.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from nas.errors import Unmeasurable

_SYS = Path("/sys")
_STEADY_GOVERNORS = ("performance", "userspace")
_NEAR_TRIP_C = 5.0
_BUSY = 0.5
# A runtime holds the weights twice while it loads them, packs them once more, and needs itself.
_MEMORY_A_MODEL_BYTE = 4
_MEMORY_OF_A_RUNTIME = 256 * 2**20
# Bits of `vcgencmd get_throttled`; the documented meaning of each on a Raspberry Pi.
_PI_NOW = {
    0: "its supply voltage is too low",
    1: "its clock is capped",
    2: "it is throttled",
    3: "its soft temperature limit is active",
}
_PI_SINCE_BOOT = 0xF0000


@dataclass(frozen=True, slots=True)
class HealthIssue:
    """Something that speaks against measuring now.

    Attributes:
        level: `refusal` when a number would be wrong or the device could fail, `warning` when it may mislead.
        text: What, with its value, and what to do.
    """

    level: Literal["warning", "refusal"]
    text: str

    def to_dict(self) -> dict[str, str]:
        """Plain values for JSON."""
        return asdict(self)


def facts(sys: Path = _SYS) -> dict[str, Any]:
    """What the system tells; what it does not tell is None or absent.

    Args:
        sys: The sysfs root, for tests.

    Returns:
        `cpus`, `cpus_allowed`; `load_1m`; `memory_free_bytes`; `governors` (count of processors by governor); `zones`
        (name, temperature and passive trip in degrees Celsius); `throttle_events` since boot; `pi_throttled` (bits).
    """
    return {
        "cpus": os.cpu_count(),
        "cpus_allowed": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_1m": os.getloadavg()[0],
        "memory_free_bytes": _memory_free(),
        "governors": _governors(sys),
        "zones": list(_zones(sys)),
        "throttle_events": _throttle_events(sys),
        "pi_throttled": _pi_throttled(),
    }


def health_issues(found: Mapping[str, Any], model_bytes: int = 0) -> tuple[HealthIssue, ...]:
    """What speaks against measuring on a device with these facts.

    Args:
        found: What `facts()` returned there.
        model_bytes: Size of the largest model to be measured.
    """
    return (*_heat(found), *_memory(found, model_bytes), *_pi(found), *_clock(found), *_load(found))


def require(model_bytes: int = 0) -> None:
    """Look and judge, here and now.

    Raises:
        Unmeasurable: There is a refusal.
    """
    refusals = [one.text for one in health_issues(facts(), model_bytes) if one.level == "refusal"]
    if refusals:
        raise Unmeasurable(f"unmeasurable: {'; '.join(refusals)}")


def _heat(found: Mapping[str, Any]) -> Iterator[HealthIssue]:
    for zone in found["zones"]:
        now, trip = zone["celsius"], zone["passive_trip"]
        if trip is None:
            continue
        if now >= trip:
            yield HealthIssue(
                "refusal", f"too hot: {zone['name']} is at {now:g} °C and slows down from {trip:g} °C on; let it cool"
            )
        elif now > trip - _NEAR_TRIP_C:
            yield HealthIssue(
                "warning", f"{zone['name']} is at {now:g} °C, just below {trip:g} °C, where it slows down; cool it"
            )


def _memory(found: Mapping[str, Any], model_bytes: int) -> Iterator[HealthIssue]:
    free, needed = found["memory_free_bytes"], _MEMORY_A_MODEL_BYTE * model_bytes + _MEMORY_OF_A_RUNTIME
    if free is not None and free < needed:
        yield HealthIssue(
            "refusal",
            f"{free / 2**20:.0f} MiB of memory are free and about {needed / 2**20:.0f} MiB are needed; stop other "
            "programs there",
        )


def _pi(found: Mapping[str, Any]) -> Iterator[HealthIssue]:
    bits = found["pi_throttled"]
    if bits is None:
        return
    for bit, meaning in _PI_NOW.items():
        if bits >> bit & 1:
            yield HealthIssue("refusal", f"the Raspberry Pi reports that {meaning} (get_throttled=0x{bits:x})")
    if bits & _PI_SINCE_BOOT and not bits & 0xF:
        yield HealthIssue(
            "warning",
            f"the Raspberry Pi was throttled since it was started (get_throttled=0x{bits:x}); check its supply and "
            "cooling",
        )


def _clock(found: Mapping[str, Any]) -> Iterator[HealthIssue]:
    for governor, count in found["governors"].items():
        if governor not in _STEADY_GOVERNORS:
            yield HealthIssue(
                "warning",
                f"{count} of {sum(found['governors'].values())} processors run under the governor {governor}, which "
                "changes their clock; `cpupower frequency-set -g performance` there keeps it",
            )


def _load(found: Mapping[str, Any]) -> Iterator[HealthIssue]:
    load, cpus = found["load_1m"], found["cpus_allowed"]
    if load > _BUSY * cpus:
        yield HealthIssue(
            "warning", f"other programs keep it busy: a load of {load:.1f} on {cpus} processors; stop them there"
        )


def _memory_free() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    kilobytes = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
    return None if kilobytes is None else int(kilobytes) * 1024


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:  # many a sensor is listed and cannot be read
        return None


def _governors(sys: Path) -> dict[str, int]:
    counts: dict[str, int] = {}
    for path in sorted((sys / "devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")):
        governor = _read(path)
        if governor:
            counts[governor] = counts.get(governor, 0) + 1
    return counts


def _zones(sys: Path) -> Iterator[dict[str, Any]]:
    for zone in sorted((sys / "class/thermal").glob("thermal_zone[0-9]*")):
        now = _celsius(zone / "temp")
        if now is None:
            continue
        trips = (path.name.removesuffix("_type") for path in zone.glob("trip_point_*_type") if _read(path) == "passive")
        passive = [
            trip for trip in (_celsius(zone / f"{name}_temp") for name in trips) if trip is not None and trip > 0
        ]
        yield {
            "name": _read(zone / "type") or zone.name,
            "celsius": now,
            "passive_trip": min(passive, default=None),
        }


def _celsius(path: Path) -> float | None:
    text = _read(path)
    try:
        return None if text is None else int(text) / 1000
    except ValueError:
        return None


def _throttle_events(sys: Path) -> int | None:
    paths = (sys / "devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/core_throttle_count")
    counts = [int(text) for text in map(_read, paths) if text is not None and text.isdigit()]
    return sum(counts) if counts else None


def _pi_throttled() -> int | None:
    program = shutil.which("vcgencmd")
    if program is None:
        return None
    try:
        answer = subprocess.run([program, "get_throttled"], capture_output=True, text=True, timeout=5, check=True)
        return int(answer.stdout.strip().partition("=")[2], 16)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None  # a board of another make has a program of that name, or this user may not ask it
