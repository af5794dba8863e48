"""What the consumers and views of the site saw, for the test to read."""

import os


def note(*words):
    """Append one line to the notes; atomic, so that several processes can."""
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(" ".join(map(str, words)) + "\n")


def noted(*words):
    """Return whether the notes have such a line."""
    with open(os.environ["NOTES"]) as notes:
        return " ".join(map(str, words)) + "\n" in notes
