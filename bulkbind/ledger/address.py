"""Where a ledger outside this machine is: a URL that holds no secret."""

import re
from urllib.parse import parse_qsl, urlsplit

#: What may follow the question mark; libpq reads what else there is from elsewhere.
_ALLOWED = frozenset(
    {
        *("host", "port", "user", "dbname", "service", "sslmode", "sslrootcert"),
        *("sslcert", "sslkey", "target_session_attrs", "gssencmode", "krbsrvname"),
    }
)

#: Every character of such a URL; any other is written as %XX.
_TEXT = re.compile(r"postgres(ql)?://[A-Za-z0-9._~:/?\[\]@&=,%+-]*")

_REMEDY = (
    "write postgresql://USER@HOST:PORT/DATABASE or postgresql:///?service=NAME; the"
    " password belongs into the service file, the file that PGPASSFILE names, or the"
    " environment variable PGPASSWORD"
)


def check_address(value: str) -> str:
    """Return the URL of a PostgreSQL database if it can be kept and shown.

    Args:
        value: As it was given; empty: none.

    Raises:
        ValueError: It is no such URL, or holds a password; its text never repeats it.

    Source:
        PostgreSQL, libpq, "Connection URIs" and "Parameter Key Words".
    """
    if value and (problem := _problem(value)):
        message = f"{problem}: {_REMEDY}"
        raise ValueError(message)
    return value


def _problem(value: str) -> str:
    """Say what is wrong with a URL; empty: nothing."""
    if not _TEXT.fullmatch(value):
        return "this is no URL of a PostgreSQL database"
    parts = urlsplit("//" + value.partition("://")[2])
    names = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    user = parts.netloc.rpartition("@")[0]
    if ":" in user or any("pass" in name.lower() for name in names):
        return "a password never stands here"
    if more := sorted(names - _ALLOWED):
        return f"unknown after the question mark: {', '.join(more)}"
    return ""
