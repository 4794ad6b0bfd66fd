"""Which release of a service this is."""

from importlib.metadata import PackageNotFoundError, version


def version_of(service: str) -> str:
    """Of the installed service, for its metrics page and its descriptor."""
    try:
        return version(f"essaim-{service}")
    except PackageNotFoundError:
        return "unreleased"
