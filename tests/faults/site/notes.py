"""What the consumers and views of the site saw, for the test to read."""

import os


def note(*words):
    """Append one line to the notes; atomic, so that several processes can."""
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(" ".join(map(str, words)) + "\n")
