"""The JavaScript client in a real page, against a real runserver."""

import contextlib
import sys

import pytest
from playwright.sync_api import expect

from tests.support.processes import free_port, running
from tests.support.small_site import write_site

pytestmark = pytest.mark.browser

FILES = {
    "site_settings.py": """
        SECRET_KEY = "a secret of the test suite and of nothing else"
        DEBUG = True
        INSTALLED_APPS = ["django.contrib.staticfiles", "channels"]
        ROOT_URLCONF = "site_urls"
        STATIC_URL = "/static/"
        TEMPLATES = [
            {"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": ["templates"]}
        ]
        CHANNEL_LAYERS = {
            "default": {
                "BACKEND": "channels.layers.inmemory.InMemoryChannelLayer",
                "ROUTING": "site_consumers.routing",
            }
        }
    """,
    "site_urls.py": """
        from django.urls import path
        from django.views.generic import TemplateView
        urlpatterns = [
            path("script/", TemplateView.as_view(template_name="script.html")),
            path("module/", TemplateView.as_view(template_name="module.html")),
        ]
    """,
    "site_consumers.py": """
        from channels import route_class
        from channels.generic.websockets import JsonWebsocketConsumer, WebsocketDemultiplexer

        class Doubler(JsonWebsocketConsumer):
            def connect(self, message, multiplexer, **kwargs):
                pass

            def receive(self, content, multiplexer, **kwargs):
                multiplexer.send({"n": content["n"] * 2})

        class Shouter(JsonWebsocketConsumer):
            def connect(self, message, multiplexer, **kwargs):
                multiplexer.send({"text": "WELCOME"})

            def receive(self, content, multiplexer, **kwargs):
                multiplexer.send({"text": content["text"].upper()})

        class Streams(WebsocketDemultiplexer):
            consumers = {"double": Doubler, "shout": Shouter}

        class Echo(JsonWebsocketConsumer):
            def receive(self, content, **kwargs):
                self.send({"echo": content})

        routing = [
            route_class(Streams, path=r"^/streams/$"),
            route_class(Echo, path=r"^/echo/$"),
        ]
    """,
    "templates/script.html": """
        {% load static %}
        <!doctype html><title>Bridge</title><link rel="icon" href="data:,">
        <script src="{% static 'channels/js/websocketbridge.js' %}"></script>
        <script>window.Bridge = channels.WebSocketBridge;</script>
        {% include "page.html" %}
    """,
    "templates/module.html": """
        {% load static %}
        <!doctype html><title>Bridge</title><link rel="icon" href="data:,">
        <script type="module">
          import { WebSocketBridge } from "{% static 'channels/js/websocketbridge.mjs' %}";
          window.Bridge = WebSocketBridge;
        </script>
        {% include "page.html" %}
    """,
    "templates/page.html": """
        <ol id="log"></ol>
        <script>
          function log(...what) {
            const item = document.createElement("li");
            item.textContent = JSON.stringify(what);
            document.getElementById("log").append(item);
          }
          function start(path) {
            window.bridge = new Bridge();
            bridge.connect(path, undefined, { minReconnectionDelay: 100 });
            bridge.listen((message, stream) => log("default", message, stream));
            for (const name of ["double", "shout"]) {
              bridge.demultiplex(name, (payload, stream) => log(stream, payload));
            }
            bridge.socket.addEventListener("open", () => log("open"));
            bridge.socket.addEventListener("close", (event) => log("close", event.code));
          }
        </script>
    """,
}


@pytest.fixture
def site(tmp_path):
    return write_site(tmp_path, FILES)


@contextlib.contextmanager
def served(site, port):
    command = [sys.executable, "manage.py", "runserver", "--noreload", str(port)]
    with running(*command, cwd=site) as process:
        process.wait_for_port(port)
        yield process


def lines(page):
    return page.locator("#log li")


@pytest.mark.parametrize("kind", ["script", "module"])
def test_the_bridge_comes_back_with_its_streams_when_the_server_does(site, windows, kind):
    page, _ = windows
    port = free_port()
    with served(site, port):
        page.goto(f"http://127.0.0.1:{port}/{kind}/")
        page.evaluate("start('/streams/')")
        expect(lines(page)).to_have_text(['["open"]', '["shout",{"text":"WELCOME"}]'])
        page.evaluate("bridge.stream('double').send({n: 21})")
        expect(lines(page).last).to_have_text('["double",{"n":42}]')

    # Not the last line any more: attempts fail while the server is away.
    expect(page.get_by_text('["close",1012]')).to_have_count(1)
    with served(site, port):
        expect(lines(page).last).to_have_text('["shout",{"text":"WELCOME"}]')
        page.evaluate("bridge.stream('shout').send({text: 'again'})")
        expect(lines(page).last).to_have_text('["shout",{"text":"AGAIN"}]')
        assert page.get_by_text('["open"]').count() == 2


def test_messages_without_a_stream_and_an_end_for_good(site, windows):
    page, _ = windows
    port = free_port()
    with served(site, port) as server:
        page.goto(f"http://127.0.0.1:{port}/script/")
        page.evaluate("start('/echo/')")
        expect(lines(page)).to_have_text(['["open"]'])

        page.evaluate("bridge.send({stay: [1, null, 'ü']})")
        expect(lines(page).last).to_have_text('["default",{"echo":{"stay":[1,null,"ü"]}},null]')

        page.evaluate("bridge.socket.close(3001, 'enough', {keepClosed: true})")
        expect(lines(page).last).to_have_text('["close",3001]')
        server.wait_for_output("WebSocket DISCONNECT /echo/")
        # Longer than the longest first wait of an attempt, on the page's own clock.
        page.evaluate("new Promise((done) => setTimeout(done, 300))")
        assert lines(page).count() == 3
        assert page.evaluate("bridge.socket.readyState") == 3


def test_bridges_of_one_server_come_back_at_different_times(site, windows):
    """Each waits once to twice the option: a server that starts again is not stormed."""
    page, _ = windows
    port = free_port()
    with served(site, port):
        page.goto(f"http://127.0.0.1:{port}/module/")
        page.evaluate(
            """
            window.waits = [];
            for (let n = 0; n < 12; n++) {
              let ended = null;
              class Timed extends WebSocket {
                constructor(...address) {
                  if (ended !== null) waits.push(performance.now() - ended);
                  super(...address);
                }
              }
              const bridge = new Bridge();
              const options = { constructor: Timed, minReconnectionDelay: 200, maxRetries: 1 };
              bridge.connect("/echo/", undefined, options);
              bridge.socket.addEventListener("open", () => log("open"));
              bridge.socket.addEventListener("close", () => { ended = performance.now(); });
            }
            """
        )
        expect(lines(page)).to_have_count(12)
    page.wait_for_function("waits.length === 12")
    waits = page.evaluate("waits")

    # A little of the wait is over when the page looks; upwards a busy machine adds to it.
    assert min(waits) >= 190
    assert max(waits) - min(waits) > 20
