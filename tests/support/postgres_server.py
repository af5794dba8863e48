"""A real PostgreSQL for tests, where Debian's package ``postgresql`` is installed.

It listens on 127.0.0.1 and a free port, trusts everybody, keeps its data in a temporary
directory, and dies with the test run (also when that is killed).
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.support.processes import die_with_parent, free_port, listens
from tests.support.waiting import wait_until

#: The name of everything that needs one: user and database.
NAME = "postgres"


def find_program(name: str) -> str | None:
    """Return the path of one of PostgreSQL's programs, of the newest version that is installed."""
    # Debian keeps them out of the search path.
    installed = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3])
    )
    return str(installed[-1]) if installed else shutil.which(name)


class PostgresServer:
    """One PostgreSQL server."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="cc-postgres-"))
        self.process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:  # which it refuses to be run by
            account = _unprivileged()
            os.chown(self.directory, account.pw_uid, account.pw_gid)
            self._as = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        atexit.register(self.close)
        self._start()

    @property
    def settings(self) -> dict[str, object]:
        """How Django reaches it."""
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": NAME,
            "USER": NAME,
            "HOST": "127.0.0.1",
            "PORT": self.port,
        }

    @property
    def dsn(self) -> str:
        """How psycopg reaches it."""
        return f"host=127.0.0.1 port={self.port} user={NAME} dbname={NAME}"

    def _start(self) -> None:
        data = str(self.directory / "data")
        self._run("initdb", "-D", data, "-U", NAME, "-A", "trust", "-N", "-E", "UTF8", "--locale=C")
        with (self.directory / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(str(find_program("postgres")), "-D", data, "-h", "127.0.0.1"),
                    *("-p", str(self.port), "-k", "", "-F"),
                ],
                cwd=self.directory,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,
                **self._as,
            )
        wait_until(lambda: listens(self.port) or self.process.poll() is not None, "postgres starts")
        if self.process.poll() is not None:
            raise AssertionError((self.directory / "log").read_text())
        wait_until(self._answers, "postgres answers")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(find_program(program)), *arguments],
            cwd=self.directory,
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=60,
            **self._as,
        )

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.dsn).close()
        except psycopg.OperationalError:  # it listens before it is ready
            return False
        return True

    def close(self) -> None:
        """End it, and remove what it has stored."""
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(3)  # SIGQUIT: at once, nothing has to survive
            process.wait(30)
        shutil.rmtree(self.directory, ignore_errors=True)
        atexit.unregister(self.close)


def _unprivileged() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")
