"""Passwords in the addresses of databases, which are shown and stored nowhere."""

import re

_SECRETS = ("password", "sslpassword", "oauth_client_secret")
_NAMES = "|".join(_SECRETS)
# Up to the last @: a password that is not percent-encoded, as it has to be, is hidden as well.
_USER = re.compile(r"(\w://[^:]*:).*@", re.DOTALL)
_PARAMETER = re.compile(rf"\b((?:{_NAMES})=)[^&]*")
_KEYWORD = re.compile(rf"\b((?:{_NAMES})\s*=\s*)(?:'(?:\\.|[^'\\])*'?|\S*)", re.DOTALL)
"""In a connection string such as `host=db password=secret`, which ghostnas refuses, but has to repeat."""


def masked(word: str) -> str:
    """A word of a command or message with `***` in the place of a database's password.

    Args:
        word: One word, such as `--storage=postgresql://me:secret@host/db`.
    """
    if "://" not in word:
        return _KEYWORD.sub(r"\1***", word)
    return _USER.sub(r"\1***@", _PARAMETER.sub(r"\1***", word))


def without_password(url: str) -> str:
    """The URL of a database without its password.

    Args:
        url: `postgresql://USER:PASSWORD@HOST/DATABASE?PARAMETERS`, its parts percent-encoded.
    """
    scheme, _, rest = url.partition("://")
    users, at, place = rest.rpartition("@")
    place, _, query = place.partition("?")
    kept = [one for one in query.split("&") if one and one.partition("=")[0] not in _SECRETS]
    return f"{scheme}://{users.partition(':')[0]}{at}{place}" + ("?" + "&".join(kept) if kept else "")
