"""Passwords in the addresses of databases, which are shown and stored nowhere."""

import re

_SECRETS = ("password", "sslpassword")
# Up to the last @: a password that is not percent-encoded, as it has to be, is hidden as well.
_USER = re.compile(r"(\w://[^:/?#@\s]*:).*@", re.DOTALL)
_PARAMETER = re.compile(rf"\b((?:{'|'.join(_SECRETS)})=)[^&#\s]*")


def masked(word: str) -> str:
    """A word of a command or message with `***` in the place of a database's password.

    Args:
        word: One word, such as `--storage=postgresql://me:secret@host/db`.
    """
    hidden = _USER.sub(r"\1***@", word)
    return _PARAMETER.sub(r"\1***", hidden) if "://" in word else hidden


def without_password(url: str) -> str:
    """The URL of a database without its password.

    Args:
        url: `postgresql://USER:PASSWORD@HOST/DATABASE?PARAMETERS`, its parts percent-encoded.
    """
    address, _, query = url.partition("?")
    scheme, _, rest = address.partition("://")
    users, at, place = rest.rpartition("@")
    kept = [one for one in query.split("&") if one and one.partition("=")[0] not in _SECRETS]
    return f"{scheme}://{users.partition(':')[0]}{at}{place}" + ("?" + "&".join(kept) if kept else "")
