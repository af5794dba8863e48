"""The site of the fault tests, run by an interface server and workers of its own."""

from __future__ import annotations

from pathlib import Path

from tests.support.processes import BIN, ROOT, Process, free_port


class SiteStack:
    """An interface server, and what runs beside it.

    Args:
        folder: Where the consumers write their notes.
        env: How the site finds its layer.
        server: Options of the server, and the layer that it serves.
    """

    def __init__(self, folder: Path, env: dict[str, str], server: list[str]) -> None:
        self.notes_file = folder / "notes"
        self.notes_file.touch()
        self.env = {
            **env,
            "NOTES": str(self.notes_file),
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "tests.faults.site.settings",
        }
        self.port = free_port()
        self.url = f"ws://127.0.0.1:{self.port}/"
        self.processes: list[Process] = []
        self.server = self.start(
            BIN / "interface-server", "-b", "127.0.0.1", "-p", str(self.port), *server
        )

    def start(self, *command: str | Path) -> Process:
        process = Process(command, env=self.env)
        self.processes.append(process)
        return process

    def start_worker(self, *options: str) -> Process:
        worker = self.start(BIN / "python", "-m", "django", "runworker", *options)
        worker.wait_for_output("Listening on channels")
        return worker

    def notes(self, word: str) -> list[str]:
        """Return the lines of the consumers that begin with a word."""
        lines = self.notes_file.read_text().splitlines()
        return [line for line in lines if line.startswith(word + " ")]

    def close(self) -> None:
        for process in reversed(self.processes):
            process.end()
