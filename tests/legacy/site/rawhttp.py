"""HTTP without Django's URLs: consumers that use request and handler themselves."""

from django.http import HttpResponse, JsonResponse, StreamingHttpResponse

from channels import route
from channels.handler import AsgiHandler, AsgiRequest
from channels.sessions import http_session
from tests.legacy.site.marks import marks


def http_hello(message):
    response = HttpResponse("You asked for {}".format(message.content["path"]))
    for chunk in AsgiHandler.encode_response(response):
        message.reply_channel.send(chunk)


class UpperHandler(AsgiHandler):
    chunk_size = 10

    def get_response(self, request):
        assert isinstance(request, AsgiRequest)
        return HttpResponse(request.body.decode("utf8").upper(), status=201)


def http_upper(message):
    for reply in UpperHandler()(message):
        message.reply_channel.send(reply, immediately=True)


def http_stream(message, count):
    request = AsgiRequest(message)
    lines = ("{} {}\n".format(request.GET["word"], n) for n in range(int(count)))
    for chunk in AsgiHandler.encode_response(StreamingHttpResponse(lines)):
        message.reply_channel.send(chunk)


def http_keys(message):
    """Say what a message has, with the types of the values."""
    told = {key: type(value).__name__ for key, value in message.items()}
    response = JsonResponse({**told, "headers[0]": type(message["headers"][0][0]).__name__})
    for chunk in AsgiHandler.encode_response(response):
        message.reply_channel.send(chunk)


def http_gone(message):
    assert set(message.keys()) == {"reply_channel", "path"}
    marks("gone" + message["path"].replace("/", "-"))


@http_session
def http_by_hand(message):
    name = message.http_session["name"] if message.http_session else "nobody"
    message.reply_channel.send(
        {
            "status": 200,
            "headers": [[b"Content-Type", b"text/plain"], [b"X-Two", b"1"], [b"X-Two", b"2"]],
            "content": ("hello " + name).encode("utf8"),
        }
    )


routing = [
    route("http.request", http_hello, path=r"^/raw/hello", method=r"^(?:GET|HEAD)$"),
    route("http.request", http_upper, path=r"^/raw/upper", method="^POST$"),
    route("http.request", http_stream, path=r"^/raw/stream/(?P<count>\d+)/$"),
    route("http.request", http_by_hand, path=r"^/raw/session/$"),
    route("http.request", http_keys, path=r"^/raw/keys/$"),
    route("http.disconnect", http_gone, path=r"^/raw/"),
]
