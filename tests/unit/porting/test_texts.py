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
    "entrypoint/Dockerfile": (
        """
        ENTRYPOINT ["daphne"]
        CMD ["-p", "1"]
        """,
        """
        ENTRYPOINT ["interface-server"]
        CMD ["-p", "1"]
        """,
    ),
    "compose.yaml": (
        """
        daphne:
          depends_on:
            - daphne
          command:
            - daphne
            - -p
          entrypoint: daphne $ARGUMENTS
        """,
        """
        daphne:
          depends_on:
            - daphne
          command:
            - interface-server
            - -p
          entrypoint: interface-server $ARGUMENTS
        """,
    ),
    "roles/web/supervisor.conf.j2": (
        "command={{ venv }}/bin/daphne {{ project }}.asgi:channel_layer\n",
        "command={{ venv }}/bin/interface-server {{ project }}.asgi:channel_layer\n",
    ),
    "run.sh": (
        'service daphne stop\nexec daphne "$@"\n',
        'service daphne stop\nexec interface-server "$@"\n',
    ),
    "requirements-more.txt": (
        """
        Django>=1.8,<2.0
        Django~=4.2  # c
        redis<6.4
        twisted[tls]==17.1
        asgi_redis \\
            ; python_version < "3"
        requests
        """,
        """
        Django>=5.2,<6.2
        Django>=5.2,<6.2  # c
        requests
        """,
    ),
    "templates/b.html": (
        """
        {% load url from future %}
        {% ifequal a|add:"x y" 'b c' %}1{% endifequal %}
        """,
        """
        {% if a|add:"x y" == 'b c' %}1{% endif %}
        """,
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
    "Dockerfile": ("RUN pip install channels==1.1.8 asgi_redis 'daphne<2'\n", 3),
    "more/Dockerfile": (
        "FROM python:3.6-slim\nRUN apt-get install x && pip install \\\n"
        "  Django==1.11 \\\n  channels \\\n  && daphne\n",
        3,
    ),
    "runtime.txt": ("python-2.7.14\n", 1),
    "poetry/pyproject.toml": (
        'python = "^3.6"\ndjango = "^1.11"\nredis = {version = "^2.10", extras = ["x"]}\n',
        3,
    ),
    "environment.yml": ("- python=3.6\n- django=1.11\n- pip:\n  - channels==1.1.8\n", 3),
    "more/setup.cfg": ("install_requires =\n    Django>=1.11,<2\n    asgiref<2\n", 2),
    "requirements.txt": (
        "-e git+https://github.com/django/channels.git@1.1.8#egg=channels\n"
        "https://github.com/django/daphne/archive/1.4.2.zip\n"
        "channels==1.1.8 \\\n    --hash=sha256:aa\n",
        3,
    ),
    ".github/workflows/ci.yml": ("run: pip install 'channels<2'\n", 1),
    "b.html": ("{% if a|length_is:1 %}{% endif %}{% ssi a %}\n", 2),
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
    "frozen/requirements.txt": (
        "asgiref==3.8\nautobahn==24.4.2\nDjango==6.0\nmsgpack==1.1.0\nredis==6.4.0\n"
        "Twisted==24.11.0\nDjango~=5.2.0\nDjango>=1.11\nDjango<6\nDjango!=1.0\n"
    ),
    "setup.cfg": "[flake8]\nexclude = channels\n",
    "Dockerfile": "FROM python:3.13\nRUN pip install -r channels.txt && echo a/daphne\n",
    "runtime.txt": "python-3.12.1\n",
    "pyproject.toml": '[tool.channels]\nchannels = ["py.typed"]\nname = "x"  # daphne\n',
    "nginx.conf": "upstream daphne { server daphne:8000; }\nproxy_pass http://daphne;\n",
    "a.html": "{% load static %}{% if user.is_authenticated %}{% endif %}\n",
}


@pytest.mark.parametrize(("name", "text"), QUIET.items(), ids=QUIET)
def test_other_lines_are_left_alone(code, name, text):
    assert code.one(text, name).findings == []


def test_a_link_to_log_out_is_noted_for_it_may_be_a_view_of_their_own(code):
    found = code.one("""<a href="{% url 'auth:logout' %}">bye</a>\n""", "a.html")

    assert [(one.rule, one.note) for one in found.findings] == [("log-out", True)]
    assert code.one("""<form action="{% url 'logout' %}">\n""", "a.html").findings == []
