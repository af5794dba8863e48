"""What processes of live tests run in ``test_live_process``; nothing here needs a layer."""

from __future__ import annotations

import signal
import time


def tell(options, report):
    """Report what the settings are in here."""
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.db import connection

    report(
        {
            "module": getattr(settings, "SETTINGS_MODULE", None),
            "one": getattr(settings, "ONE", "missing"),
            "static_url": getattr(settings, "STATIC_URL", "missing"),
            "late": settings.LATE is User if hasattr(settings, "LATE") else None,
            "database": str(connection.settings_dict["NAME"]),
            "test_config": settings.CHANNEL_LAYERS["default"]["TEST_CONFIG"],
        }
    )


def be_silent(options, report):
    """Never become ready."""
    time.sleep(600)


def be_deaf(options, report):
    """Ignore the request to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("what user code prints")
    report({})
    time.sleep(600)


def fail(options, report):
    """Fail after having been ready."""
    report({})
    raise ValueError("nobody listens any more")
