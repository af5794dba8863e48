"""What can happen to an object, in both directions, as clients read and write it."""

from __future__ import annotations

CREATE = "create"
UPDATE = "update"
DELETE = "delete"
