"""What is said while it takes long; a clock is passed in."""

import io

import pytest

from channels.porting.cli import Progress


class Stream(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self.isatty = lambda: terminal


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_is_said_of_a_short_task(terminal):
    clock, out = Clock(), Stream(terminal)
    progress = Progress(out, clock)

    clock.now += 1.9
    progress.tell(9, 9)
    progress.end()

    assert out.getvalue() == ""


def test_a_terminal_has_one_line_of_it_and_nothing_in_the_end():
    clock, out = Clock(), Stream(True)
    progress = Progress(out, clock)

    for done in range(1, 5):
        clock.now += 1.0
        progress.tell(done, 4)
        progress.tell(done, 4)
    progress.end()
    progress.tell(4, 4)

    said = [f"Looked at {done} of 4 files" for done in (2, 3, 4)]
    assert out.getvalue() == "".join(f"\r{one}" for one in said) + "\r" + " " * 22 + "\r"


def test_a_log_gets_a_line_now_and_then():
    clock, out = Clock(), Stream(False)
    progress = Progress(out, clock)

    for done in range(1, 16):
        clock.now += 1.0
        progress.tell(done, 15)
    progress.end()

    assert out.getvalue() == "Looked at 2 of 15 files\nLooked at 12 of 15 files\n"
