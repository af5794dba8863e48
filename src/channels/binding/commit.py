"""When a change is told to others: once committed (docs/channels1.md#bindings-and-transactions)."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper


def when_committed(tell: Callable[[], object], using: str | None) -> None:
    """Call ``tell`` when the open transaction is committed, and never if it is rolled back.

    Without a transaction it is called now.  So it is in two cases in which Django
    would never call it: inside a ``TestCase``, whose own transaction is always
    rolled back (use ``TransactionTestCase`` to test what a rollback keeps quiet),
    and with autocommit switched off by hand, where Django does not know of commits.

    Args:
        tell: Called without arguments.
        using: Alias of the database that was changed.
    """
    connection = transaction.get_connection(using)
    if connection.in_atomic_block:
        told_on_commit = not _in_test_case(connection)
    else:
        told_on_commit = connection.get_autocommit()
    if told_on_commit:
        transaction.on_commit(tell, using=using)
    else:
        tell()


def _in_test_case(connection: BaseDatabaseWrapper) -> bool:
    """Whether the outermost transaction is that of a ``TestCase``.

    Django marks it for itself, to let ``atomic(durable=True)`` work inside one.  Both
    names are private, so without them a transaction counts as a real one.
    """
    blocks = getattr(connection, "atomic_blocks", ())
    return any(getattr(block, "_from_testcase", False) for block in blocks)
