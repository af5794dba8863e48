"""Services that few machines have, for the tests that can do without."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.postgres_server import PostgresServer, find_program


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL, shared by all tests of the run: leave no table behind that matters."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    if find_program("initdb") is None:
        pytest.skip("postgresql is not installed")
    server = PostgresServer()
    yield server
    server.close()
