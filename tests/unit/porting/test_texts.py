"""Requirements, process files and templates."""

import pytest

from tests.unit.porting.conftest import dedent

FIXED = {
    "requirements.txt": (
        """
        # the site
        Django==1.11.29  # LTS
        channels[redis]>=1.1,<2.0 ; python_version > "3"
        asgi_redis==1.4.3
        Daphne==1.4.2
        asgiref==1.1.2
        msgpack-python
        redis<3
        channels-presence==1
        requests==2.1
        """,
        """
        # the site
        Django>=5.2,<6.2  # LTS
        channels-classic ; python_version > "3"
        channels-presence==1
        requests==2.1
        """,
    ),
    "requirements/base.txt": (
        "channels\nredis>=3\nDjango>=5.2\n",
        "channels-classic\nredis>=3\nDjango>=5.2\n",
    ),
    "requirements-dev.in": ("-r base.txt\ndjango~=4.2\n", "-r base.txt\ndjango>=5.2,<6.2\n"),
    "Procfile": (
        """
        # daphne -p 1 is the server
        web: daphne -b 0.0.0.0 -p $PORT site.asgi:channel_layer
        old: exec venv/bin/daphne site.asgi:channel_layer
        worker: python manage.py runworker
        """,
        """
        # daphne -p 1 is the server
        web: interface-server -b 0.0.0.0 -p $PORT site.asgi:channel_layer
        old: exec venv/bin/interface-server site.asgi:channel_layer
        worker: python manage.py runworker
        """,
    ),
    "Dockerfile": (
        'CMD ["daphne", "-b", "0.0.0.0", "site.asgi:channel_layer"]\n',
        'CMD ["interface-server", "-b", "0.0.0.0", "site.asgi:channel_layer"]\n',
    ),
    "docker-compose.yml": (
        """
        daphne:
          image: daphne:1.4
          container_name: daphne
          command: daphne -p 8000 site.asgi:channel_layer
        """,
        """
        daphne:
          image: daphne:1.4
          container_name: daphne
          command: interface-server -p 8000 site.asgi:channel_layer
        """,
    ),
    "supervisor.conf": (
        "[program:daphne]\ncommand=daphne \\\n  -p 1\nlogfile=/log/daphne.log\n",
        "[program:daphne]\ncommand=interface-server \\\n  -p 1\nlogfile=/log/daphne.log\n",
    ),
    "site.service": (
        "ExecStart=/srv/venv/bin/python -m daphne -u /run/daphne.sock site.asgi:layer\n",
        "ExecStart=/srv/venv/bin/python -m channels.interface_server"
        " -u /run/daphne.sock site.asgi:layer\n",
    ),
    "templates/a.html": (
        """
        {% load i18n staticfiles %}{% load admin_static %}{% load url from future %}
        {% ifequal a.b "c" %}1{% else %}2{% endifequal %}{% ifnotequal a b %}3{% endifnotequal %}
        """,
        """
        {% load i18n static %}{% load static %}
        {% if a.b == "c" %}1{% else %}2{% endif %}{% if a != b %}3{% endif %}
        """,
    ),
}


@pytest.mark.parametrize(("name", "samples"), FIXED.items(), ids=FIXED)
def test_a_file_is_fixed(code, name, samples):
    before, after = samples

    found = code.one(before, name)

    assert found.fixed == dedent(after)
    assert code.one(found.fixed, name).findings == []


TOLD = {
    "pyproject.toml": ('dependencies = ["channels>=1.1", "Daphne"]\n', 2),
    "Pipfile": ('channels = "==1.1.8"\nasgi_redis = "*"\nrequests = "*"\n', 2),
    "setup.cfg": ("install_requires =\n    channels\n    channels-presence\n", 1),
    "Dockerfile": ("RUN pip install channels==1.1.8 asgi_redis 'daphne<2'\n", 2),
    "deploy.sh": ("pip3 install channels\n", 1),
    "templates/a.html": ("{{ user.is_authenticated() }}\n", 1),
}


@pytest.mark.parametrize(("name", "sample"), TOLD.items(), ids=TOLD)
def test_what_no_rule_can_fix_is_told_and_left(code, name, sample):
    text, count = sample

    found = code.one(text, name)

    assert len(found.findings) == count
    assert found.fixed == text


QUIET = {
    "requirements.txt": "channels-classic\nasgiref>=3.8\ntwisted>=24\nDjango==5.2.1\n-e .\n\n",
    "pyproject.toml": '[tool.channels]\nchannels = ["py.typed"]\nname = "x"  # daphne\n',
    "nginx.conf": "upstream daphne { server daphne:8000; }\nproxy_pass http://daphne;\n",
    "a.html": "{% load static %}{% if user.is_authenticated %}{% endif %}\n",
}


@pytest.mark.parametrize(("name", "text"), QUIET.items(), ids=QUIET)
def test_other_lines_are_left_alone(code, name, text):
    assert code.one(text, name).findings == []
