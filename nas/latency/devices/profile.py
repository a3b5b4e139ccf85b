"""Which device `--device` names: this machine, an ssh:// address, or a profile file with its defaults."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nas
from nas.errors import UsageError
from nas.latency.devices.profile_file import LOCAL, ProfileFile, read_profile
from nas.latency.remote.ssh import parse_address
from nas.latency.types import DEFAULT_RUNTIME, RUNTIMES, LatencySettings
from nas.util.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class DevicePlace:
    """A device and what is used there when nothing else is asked for.

    Attributes:
        name: What messages call it.
        place: `local`, or an ssh:// address, for `connect`.
        unit: What of it is measured: `cpu` or `cuda:N`.
        runtimes: Those that may be used there, the default first.
        precision: Default precision.
        threads: Default number of threads.
    """

    name: str
    place: str = LOCAL
    unit: str = "cpu"
    runtimes: tuple[str, ...] = (DEFAULT_RUNTIME, *(name for name in RUNTIMES if name != DEFAULT_RUNTIME))
    precision: str = "float32"
    threads: int = 1

    def settings(
        self, runtime: str | None = None, precision: str | None = None, threads: int | None = None, **more: Any
    ) -> LatencySettings:
        """How to measure there: what is asked for, and the device's defaults for what is not.

        Args:
            runtime: A runtime's name; None or `auto` takes the device's first.
            precision: A precision; None takes the device's.
            threads: Threads; None takes the device's.
            more: Other fields of `LatencySettings`.

        Raises:
            UsageError: The runtime may not be used there, or cannot do what is asked for.
        """
        chosen = self.runtimes[0] if runtime in (None, "auto") else str(runtime)
        if chosen in RUNTIMES and chosen not in self.runtimes:
            raise UsageError(f"device {self.name} allows the runtimes {', '.join(self.runtimes)}, got {chosen}")
        return LatencySettings(
            runtime=chosen,
            precision=precision or self.precision,
            threads=self.threads if threads is None else threads,
            device=self.unit,
            place=self.place,
            **more,
        )


def resolve_device(text: str) -> DevicePlace:
    """The device that a user's word names.

    Args:
        text: `local`, `cpu`, `cuda:N`, an ssh:// address, the path of a profile, or the name of a shipped one.

    Raises:
        UsageError: It is none of these, or its profile breaks a rule.
    """
    if text in (LOCAL, "cpu"):
        return DevicePlace(LOCAL)
    if text.startswith("cuda"):
        _, _, index = text.partition(":")
        if not index.isdecimal():
            raise UsageError(f"a GPU of this machine is named cuda:N, such as cuda:0; got {text!r}")
        return DevicePlace(text, unit=text)
    if text.startswith("ssh:"):
        address = parse_address(text)
        return DevicePlace(address.label, address.url)
    path = _find(text)
    return _place(path, read_profile(path))


def pooled(places: Sequence[DevicePlace]) -> DevicePlace:
    """Several boards as one place, with the defaults of the first.

    Args:
        places: At least one.

    Raises:
        UsageError: One is named twice, or what of them is measured is not the same.
    """
    first = places[0]
    if len({one.place.partition("?")[0] for one in places}) < len(places):
        raise UsageError(
            f"several --device make a pool of boards, each named once; got {', '.join(one.name for one in places)}"
        )
    for one in places:
        if one.unit != first.unit:
            raise UsageError(
                f"the devices of a pool must be measured alike: {first.name} on {first.unit}, {one.name} on {one.unit}"
            )
    return replace(first, name=", ".join(one.name for one in places), place=" ".join(one.place for one in places))


def shipped_profiles() -> dict[str, Path]:
    """The profiles that come with ghostnas, by name."""
    package = Path(nas.__file__).parent
    # Installed, the folder lies inside the package; in a checkout, beside it.
    folder = package / "devices"
    if not folder.is_dir():
        folder = package.parent / "devices"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def _find(text: str) -> Path:
    path = Path(text)
    try:
        if path.expanduser().is_file():
            return path.expanduser()
    except (OSError, ValueError, RuntimeError):
        pass  # a name too long, with a NUL or of an unknown user is no file
    shipped = shipped_profiles()
    if text in shipped:
        return shipped[text]
    words = (LOCAL, "cpu", *shipped)
    raise UsageError(
        f"{text!r} is no device: give {LOCAL}, cuda:N, ssh://user@host, the path of a profile (a YAML file), or the "
        f"name of a shipped one ({', '.join(shipped)}){did_you_mean(text, words)}"
    )


def _place(path: Path, file: ProfileFile) -> DevicePlace:
    plain = DevicePlace(file.name or path.stem, unit=file.device)
    plain = plain if file.runtimes is None else replace(plain, runtimes=tuple(dict.fromkeys(file.runtimes)))
    plain = plain if file.threads is None else replace(plain, threads=file.threads)
    plain = plain if file.precision is None else replace(plain, precision=file.precision)
    if file.host == LOCAL:
        return plain
    address = parse_address(file.host)
    if file.python is not None:
        address = replace(address, python=file.python)
    if file.ssh_config is not None:
        # A path in a file is meant from the file's own folder.
        config = path.absolute().parent / Path(file.ssh_config).expanduser()
        address = replace(address, ssh_config=str(config))
    return replace(plain, place=address.url)
