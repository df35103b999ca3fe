"""Addresses that a job may name: what is encrypted, or does not leave this machine."""

from urllib.parse import urlsplit

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def check_scheduler(value: str) -> str:
    """Take what is encrypted, or does not leave this machine."""
    if value in {"", "local"}:
        return value
    try:
        parts = urlsplit(value)
        sound = bool(parts.hostname and parts.port) and not parts.path
    except ValueError:
        sound = False
    is_safe = sound and (
        parts.scheme == "tls" or (parts.scheme == "tcp" and parts.hostname in LOOPBACK)
    )
    if not is_safe:
        message = (
            'write tls://HOST:PORT; tcp:// is for loopback only, and "local" starts'
            " workers on this machine"
        )
        raise ValueError(message)
    return value
