"""Make the database with a logged-in user, and print the key of the session.

Run once, with our settings; both Channels read it.
"""

import django
from django.core.management import call_command

django.setup()

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402

from benchmarks.apps import USERNAME  # noqa: E402 (Django first)

call_command("migrate", verbosity=0)
user = User.objects.create_user(USERNAME)
session = SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.create()
print(session.session_key)
