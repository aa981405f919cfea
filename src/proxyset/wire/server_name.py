"""What a server is called: one name for one server, wherever an owner, a policy, a ledger or a receipt names it.

A cap that is set for "https://Cloud.example/" must bind answers to "https://cloud.example:443": both are one server, and both
are read as "https://cloud.example".
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from urllib.parse import urlsplit

from proxyset.errors import InvalidInput

SERVER_LIMIT = 1000  # characters that a receipt holds
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_USUAL_PORTS = {"http": 80, "https": 443}


def server_name(name: str) -> str:
    """The one form of a server's name.

    Args:
        name: a URL, or any other name that its owner uses, for a server that sends files, say; "" for one of unknown name.

    Returns:
        Of a URL scheme, host and port: "https://cloud.example", "http://[::1]:8080", in lower case, without the port that the
        scheme implies, a dot at the end of the host or a slash at the end of the URL. Other names as they are, without
        space around.

    Raises:
        InvalidInput: a URL that names no server (another scheme than http and https, no host, a path, a query, a user, a space), a
            host that is not in ASCII (write it as browsers send it: xn--…), or a name of more than SERVER_LIMIT characters or
            with characters that cannot be printed.
    """
    name = name.strip()
    if len(name) > SERVER_LIMIT:
        raise InvalidInput(f"the server's name has {len(name)} characters; a receipt holds {SERVER_LIMIT}")
    if not name.isprintable():
        raise InvalidInput(f"the server's name {name!r} has characters that cannot be printed")
    if not _URL.match(name):
        return name
    origin, parts = origin_of(name), urlsplit(name)
    if parts.path not in ("", "/") or "@" in parts.netloc or "?" in name or "#" in name:
        raise InvalidInput(f"{name!r} is more than the name of a server, which is {origin!r}")
    return origin


@lru_cache(maxsize=1000)
def recorded_name(name: str) -> str:
    """The same for a name that is only looked up, or was written down before names had one form. It never raises: of a URL the
    server counts, and what is no URL stays as it is."""
    try:
        return origin_of(name.strip()) if _URL.match(name) else name.strip()
    except InvalidInput:
        return name.strip()


def origin_of(url: str) -> str:
    """Scheme, host and port of any URL, in the one form.

    Raises:
        InvalidInput: the URL names no server.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError as error:
        raise InvalidInput(f"{url!r} is not a URL of a server: {error}") from None
    if parts.scheme not in _USUAL_PORTS:
        raise InvalidInput(f"{url!r} is not a URL of a server: it begins with https:// (or http://)")
    if not host.isascii():
        raise InvalidInput(f"the host of {url!r} is not in ASCII: write it as it is sent, xn--…")
    if ":" in host:
        try:
            host = f"[{ipaddress.IPv6Address(host)}]"
        except ValueError:
            raise InvalidInput(f"{url!r} is not a URL of a server: {host!r} is no address") from None
    elif not _HOST.fullmatch(host):
        raise InvalidInput(f"{url!r} is not a URL of a server: https://HOST[:PORT]")
    usual = port in (None, _USUAL_PORTS[parts.scheme])
    return f"{parts.scheme}://{host}" + ("" if usual else f":{port}")
