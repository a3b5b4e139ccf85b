"""`ghostnas devices check`: which devices can be reached, and what works on them."""

import json
from typing import TYPE_CHECKING, Any

import typer

from nas.errors import LatencyError

if TYPE_CHECKING:
    from nas.latency import DeviceCheck


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    devices = typer.Typer(help="Devices that latency is measured on.", no_args_is_help=True)
    devices.command("check")(check)
    app.add_typer(devices, name="devices")


def check(
    devices: list[str] | None = typer.Argument(
        None,
        metavar="DEVICE",
        help="local, cuda:N, ssh://user@host[:port][?python=...], or a device profile; without any, local.",
    ),
    as_json: bool = typer.Option(False, "--json", help="Print a JSON list instead of a table."),
) -> None:
    """Connect to devices, show what they report, and run a small model there in every runtime."""
    from rich.console import Console

    from nas.latency import check_device, resolve_device

    places = [resolve_device(text) for text in devices or ["local"]]
    found = []
    progress = Console(stderr=True, markup=False)
    for place in places:
        with progress.status(f"Checking {place.name}"):
            found.append(check_device(place))
        if not as_json:
            _show(found[-1])
    if as_json:
        typer.echo(json.dumps([one.to_dict() for one in found], indent=2))
    away = [one for one in found if one.error is not None]
    if away:
        reasons = (f"  {one.device.name}: {one.error}" for one in away)
        raise LatencyError(f"{len(away)} of {len(found)} devices cannot be used:", *reasons)


def _show(checkup: "DeviceCheck") -> None:
    from rich.console import Console
    from rich.text import Text

    from nas.cli.columns import Row, columns, mark, show_table

    rows: list[Row] = []
    if checkup.error is not None:
        rows.append(["reachable", mark(False), checkup.error])
    else:
        hello = checkup.hello
        rows.append(["reachable", mark(True), f"Python {hello['python']}, {hello['platform']}"])
        rows.append([f"device {checkup.device.unit}", mark(True), hello["fingerprint"]])
        rows.append(["state", mark(True), _state(hello["facts"])])
        for one in checkup.health_issues:
            colour = "red" if one.level == "refusal" else "yellow"
            rows.append(["state", Text(one.level, colour), one.text])
        for tried in checkup.tried:
            what = ", ".join(filter(None, [f"runtime {tried.runtime}", tried.precision]))
            rows.append([what, mark(tried.works), tried.detail])
    show_table(
        Console(highlight=False),
        columns("check", "", "result"),
        rows,
        title=Text(checkup.device.name, "italic"),
        title_justify="left",
    )


def _state(facts: dict[str, Any]) -> str:
    parts = [f"{facts['cpus_allowed']} of {facts['cpus']} processors", f"load {facts['load_1m']:.1f}"]
    if facts["memory_free_bytes"] is not None:
        parts.append(f"{facts['memory_free_bytes'] / 2**30:.1f} GiB of memory free")
    parts.append(f"governor {', '.join(facts['governors'])}" if facts["governors"] else "no governor is known")
    hottest = max((zone["celsius"] for zone in facts["zones"]), default=None)
    parts.append("no temperature is known" if hottest is None else f"hottest sensor {hottest:g} °C")
    if facts["throttle_events"]:
        parts.append(f"slowed down {facts['throttle_events']} times for heat since it was started")
    return ", ".join(parts)
