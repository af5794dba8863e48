"""The application as gunicorn runs it: without channels."""

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application

settings.configure(
    SECRET_KEY="benchmark",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="benchmarks.apps.views",
    MIDDLEWARE=[],
)
django.setup()

application = get_wsgi_application()
