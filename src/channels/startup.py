"""What management commands find out about a layer before they start, in errors for people."""

from __future__ import annotations

import re
from argparse import ArgumentParser

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError

from channels import conf
from channels.asgi import ChannelLayerWrapper, channel_layers
from channels.backends import IN_MEMORY
from channels.exceptions import InvalidChannelLayerError, LayerUnavailable
from channels.layers.base import BaseChannelLayer
from channels.log import FORMATS

#: A channel that nobody uses.
_NOBODYS = "channels.is-anybody-there"


def add_log_format(parser: ArgumentParser) -> None:
    """Declare the option of what the log looks like."""
    parser.add_argument(
        "--log-format",
        dest="log_format",
        choices=FORMATS,
        default="text",
        help="how log lines are written: text, or json for one object a line (default:"
        " %(default)s)",
    )


def find_layer(alias: str) -> ChannelLayerWrapper:
    """Return a configured layer.

    Raises:
        CommandError: It is not configured, or cannot be built; the text names the setting.
    """
    try:
        return channel_layers[alias]
    except KeyError:
        raise CommandError(
            f"{_setting(alias)} is not configured: there is no channel layer to listen on."
            f" {conf.unused_routing() or ''}".rstrip()
        ) from None
    except (InvalidChannelLayerError, ImproperlyConfigured) as error:
        raise CommandError(str(error)) from error


def find_shared_layer(alias: str) -> ChannelLayerWrapper:
    """Return a configured layer that other processes can reach.

    Raises:
        CommandError: It is not configured, cannot be built, or serves one process only.
    """
    layer = find_layer(alias)
    if layer.local_only():
        raise CommandError(
            f"{_setting(alias)} is an in-memory layer, which no other process can reach: run the"
            " workers inside runserver, or configure a Redis layer"
        )
    return layer


def check_reachable(layer: ChannelLayerWrapper) -> None:
    """Ask the layer once: later on, workers and servers wait for it without an end.

    A layer from elsewhere is not asked: nobody knows how it says that it is not there.

    Raises:
        CommandError: There is no answer; the text names setting and host, without password.
    """
    if not isinstance(layer.channel_layer, BaseChannelLayer):
        return
    try:
        layer.receive([_NOBODYS], block=False)
    except LayerUnavailable as error:
        raise CommandError(
            f"the channel layer of {_setting(layer.alias)},"
            f" {_without_passwords(str(layer.channel_layer))}, can't be reached:"
            f" {_without_passwords(str(error)).rstrip('.')}. {_sentence(error.remedy)}In"
            f' development runserver goes without one, with "BACKEND": "{IN_MEMORY}"'
        ) from error


def _setting(alias: str) -> str:
    return f'CHANNEL_LAYERS["{alias}"]'


def _sentence(remedy: str) -> str:
    return f"{remedy}. " if remedy else ""


def _without_passwords(text: str) -> str:
    """Return the text with ``user:password@`` of any URL in it made unreadable."""
    return re.sub(r"(\w+://)[^@/\s'\"]*@", r"\1***@", text)
