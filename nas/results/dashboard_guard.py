"""Which requests the dashboard answers: those that name it by its own address, come from its own page, and only read.

A web page that a user happens to visit can make his browser ask for addresses of his own machine, also under a name
of its own (DNS rebinding). Such a request has a foreign `Host` or `Origin`.
"""

import ipaddress
import json
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_READING = ("GET", "HEAD")
_LOCALHOST = "localhost"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    address = _address(host)
    return host.lower() == _LOCALHOST if address is None else address.is_loopback


def guarded(app: "WSGIApplication", host: str) -> "WSGIApplication":
    """The same web application, with every request refused that is foreign or could change something.

    Args:
        app: The application.
        host: The address that it listens on, as the user named it.
    """

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        why = refused(environ["REQUEST_METHOD"], environ.get("HTTP_HOST", ""), environ.get("HTTP_ORIGIN"), host)
        if why is None:
            return app(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "application/json")])
        return [json.dumps({"reason": why}).encode()]

    return answer


def refused(method: str, asked: str, origin: str | None, host: str) -> str | None:
    """Why a request is refused; None where it is answered.

    Args:
        method: `GET`, ...
        asked: Its header `Host`.
        origin: Its header `Origin`, where it has one.
        host: The address that the dashboard listens on.
    """
    if not _is_own(_name_in(f"//{asked}"), host):
        return f"the request asks for the host {asked!r:.80}, and this dashboard is at {host}"
    if origin is not None and not _is_own(_name_in(origin), host):
        return f"the request comes from the page of another origin, {origin!r:.80}"
    if method not in _READING:
        return "ghostnas serves the study read-only; to change it, run optuna-dashboard yourself"
    return None


def _is_own(name: str | None, host: str) -> bool:
    """Whether a name leads to this dashboard and to nothing else.

    On the loopback address these are the names of that. On an address that the user named, it is any address, as no
    other machine's name can be made to lead here, and this machine's name.
    """
    if name is None:
        return False
    if name == host.lower() or is_loopback(name):
        return True
    return not is_loopback(host) and (_address(name) is not None or name == socket.gethostname().lower())


def _name_in(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:  # a bracket that is not closed
        return None


def _address(host: str) -> "ipaddress.IPv4Address | ipaddress.IPv6Address | None":
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
