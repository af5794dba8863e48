"""What is built and installed is what the tree holds, and it works without the repository."""

import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.processes import fetch, free_port, running
from tests.support.tree import LINKED, ROOT

pytestmark = pytest.mark.packaging

ECHO = """
def echo(message):
    message.reply_channel.send({"text": message["text"].upper()})

def hello(request):
    from django.http import HttpResponse
    return HttpResponse("hello from a wheel")
"""


def run(*command, patience=600):
    """Run a command to its end; a failure shows what it said."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=patience)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from the sdist, as an index would get it."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    assert list(folder.glob("channels_classic-*.tar.gz"))
    (built,) = folder.glob("channels_classic-*.whl")
    return built


@pytest.fixture(scope="module")
def clean_python(wheel, tmp_path_factory):
    """The interpreter of an environment with the wheel, its dependencies, and nothing else."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    # What is compiled when it is imported is less than all that is installed.
    quiet = ["--quiet", "--disable-pip-version-check", "--no-compile"]
    run(python, "-m", "pip", "install", *quiet, wheel)
    return python


@pytest.fixture
def site(clean_python, tmp_path):
    """A new Django project far from the repository, changed as the README says."""
    run(clean_python, "-m", "django", "startproject", "site1", tmp_path)
    settings = tmp_path / "site1" / "settings.py"
    text = settings.read_text().replace("INSTALLED_APPS = [", 'INSTALLED_APPS = [\n    "channels",')
    settings.write_text(
        text
        + """
import os
CHANNEL_LAYERS = {"default": {
    "BACKEND": "channels.layers.redis.RedisChannelLayer",
    "CONFIG": {"hosts": [os.environ["REDIS_URL"]]},
    "ROUTING": "site1.app.routing",
}} if "REDIS_URL" in os.environ else {"default": {
    "BACKEND": "channels.layers.inmemory.InMemoryChannelLayer",
    "ROUTING": "site1.app.routing",
}}
"""
    )
    (tmp_path / "site1" / "app.py").write_text(
        ECHO + "\nfrom channels import route\nrouting = [route('websocket.receive', echo)]\n"
    )
    urls = tmp_path / "site1" / "urls.py"
    urls.write_text(
        "from django.urls import path\nfrom site1.app import hello\n"
        "urlpatterns = [path('', hello)]\n"
    )
    return tmp_path


def shout(port):
    from websockets.sync.client import connect

    with connect(f"ws://127.0.0.1:{port}/") as socket:
        socket.send("heard")
        return socket.recv(timeout=20)


def test_the_wheel_holds_exactly_the_files_of_the_tree(wheel):
    expected = set()
    for home, name in [(ROOT / "src/channels", "channels")] + [
        (ROOT / folder, f"channels/{folder}") for folder in LINKED
    ]:
        for file in home.rglob("*"):
            inside = file.relative_to(home)
            if name == "channels" and inside.parts[0] in LINKED:
                continue
            if file.is_file() and "__pycache__" not in file.parts:
                expected.add(str(Path(name) / inside))

    with zipfile.ZipFile(wheel) as archive:
        found = {item for item in archive.namelist() if ".dist-info/" not in item}

    assert found == expected


def test_an_index_shows_readme_and_changelog(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (item for item in archive.namelist() if item.endswith("/METADATA"))
        shown = archive.read(name).decode()

    assert "Description-Content-Type: text/markdown" in shown
    assert (ROOT / "README.md").read_text().strip() in shown
    assert (ROOT / "CHANGELOG.md").read_text().strip() in shown


def test_what_the_readme_links_to_is_in_the_sdist(wheel):
    (sdist,) = wheel.parent.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}

    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / "README.md").read_text())
    assert "docs/porting.md" in links
    assert set(links) - held == set()


def test_runserver_works_from_the_wheel(clean_python, site):
    port = free_port()
    with running(
        clean_python, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}", cwd=site
    ) as server:
        server.wait_for_port(port)
        assert fetch(f"http://127.0.0.1:{port}/") == "hello from a wheel"
        assert shout(port) == "HEARD"


@pytest.mark.redis
def test_server_and_worker_work_from_the_wheel(clean_python, site, redis_server):
    port = free_port()
    server_command = clean_python.parent / "interface-server"
    env = {"REDIS_URL": redis_server.url}
    with (
        running(server_command, "-p", str(port), redis_server.url, cwd=site) as server,
        running(clean_python, "manage.py", "runworker", env=env, cwd=site),
    ):
        server.wait_for_port(port)
        assert fetch(f"http://127.0.0.1:{port}/") == "hello from a wheel"
        assert shout(port) == "HEARD"
