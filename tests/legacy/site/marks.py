"""Notes that all processes of the site share."""

import os


def marks(name):
    """Count how often it was asked for, also by other processes."""
    path = os.path.join(os.environ["SITE_DIR"], "marks-" + name)
    with open(path, "a") as file:
        file.write("x")
    return os.path.getsize(path)
