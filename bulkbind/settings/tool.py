"""Which bulkbind this is."""

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """Return the version of bulkbind that is installed; ``0`` when it is not."""
    try:
        return version("bulkbind")
    except PackageNotFoundError:
        return "0"
