import json
from functools import wraps
from urllib.parse import parse_qs

from django.http import HttpResponse, JsonResponse, StreamingHttpResponse

from channels import Channel, Group
from channels.asgi import get_channel_layer
from channels.exceptions import DenyConnection, WebsocketCloseException
from channels.handler import AsgiHandler, AsgiRequest
from channels.sessions import channel_session

from .models import Token


def get_token(message):
    """
    The token of the Authorization header, or else of the query string, which
    is all that a browser can send.
    """
    for name, value in message.content["headers"]:
        if name == b"authorization":
            scheme, _, key = value.decode("ascii").partition(" ")
            if scheme == "Token":
                return key
    params = parse_qs(message.content["query_string"].decode("ascii"))
    return params.get("token", [None])[0]


def rest_token_user(func):
    @wraps(func)
    def inner(message, *args, **kwargs):
        try:
            token = Token.objects.select_related("user").get(key=get_token(message))
        except Token.DoesNotExist:
            raise DenyConnection()
        message.channel_session["token_user"] = token.user.username
        return func(message, *args, **kwargs)

    return inner


@channel_session
@rest_token_user
def ws_connect(message, client_id=None):
    message.reply_channel.send({"accept": True}, immediately=True)
    Group("devices").add(message.reply_channel)
    message.channel_session["client_id"] = client_id
    message.reply_channel.send(
        {
            "text": json.dumps(
                {
                    "hello": message.channel_session["token_user"],
                    "client": message["client"][0],
                }
            )
        }
    )


@channel_session
def ws_receive(message, client_id=None):
    if "bytes" in message.content:
        message.reply_channel.send({"bytes": message.content["bytes"][::-1]})
        return
    text = message.content["text"]
    if text == "bye":
        raise WebsocketCloseException(4001)
    if text.startswith("archive "):
        try:
            Channel("archive.document").send({"document": text[8:]}, immediately=True)
        except get_channel_layer().ChannelFull:
            message.reply_channel.send({"text": json.dumps({"error": "try again later"})})
            return
    message.reply_channel.send(
        {
            "text": json.dumps(
                {
                    "user": message.channel_session["token_user"],
                    "client_id": message.channel_session["client_id"],
                    "text": text,
                }
            )
        }
    )


def ws_disconnect(message, client_id=None):
    Group("devices").discard(message.reply_channel)


def http_status(message):
    """
    Answers without going through Django's URLs and middleware.
    """
    request = AsgiRequest(message)
    body = {
        "path": request.path,
        "q": request.GET.get("q"),
        "method": request.method,
        "agent": request.META["HTTP_USER_AGENT"],
        "posted": request.POST.dict(),
    }
    response = JsonResponse(body)
    response["X-Served-By"] = "consumer"
    response.set_cookie("seen", "yes")
    for chunk in AsgiHandler.encode_response(response):
        message.reply_channel.send(chunk)


def http_numbers(message, count):
    response = StreamingHttpResponse(("%d\n" % n for n in range(int(count))))
    for chunk in AsgiHandler.encode_response(response):
        message.reply_channel.send(chunk)


def http_gone(message):
    response = HttpResponse("Gone for good", content_type="text/plain", status=410)
    for chunk in AsgiHandler.encode_response(response):
        message.reply_channel.send(chunk, immediately=True)


def http_broken(message):
    raise KeyError("nobody catches this")
