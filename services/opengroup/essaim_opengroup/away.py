"""A database that does not answer: whoever asked is told to come again, not that the host is broken."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import OperationalError

from essaim.protocol.errors import ProtocolError


class NotReadyError(ProtocolError):
    """The host's PostgreSQL does not answer, or replicas were in each other's way: the same again may do."""

    reason = "NOT_READY"

    def __init__(self) -> None:
        super().__init__("the database does not answer")


def is_away(error: BaseException) -> bool:
    """SQLite is never away: what it fails in, it fails in again."""
    return isinstance(error, OperationalError) and isinstance(error.orig, psycopg.OperationalError)


@contextmanager
def reaching() -> Iterator[None]:
    """Raises NotReadyError in place of what a database that is away raises."""
    try:
        yield
    except OperationalError as error:
        if is_away(error):
            raise NotReadyError from None
        raise
