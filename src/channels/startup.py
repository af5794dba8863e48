"""What management commands have in common: options, their log, and a layer that can be used.

What is wrong is told in errors for people.
"""

from __future__ import annotations

import math
import re
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError

from channels import DEFAULT_CHANNEL_LAYER, conf
from channels.asgi import ChannelLayerWrapper, channel_layers, setting_of
from channels.backends import IN_MEMORY
from channels.exceptions import InvalidChannelLayerError, LayerUnavailable
from channels.layers.base import BaseChannelLayer
from channels.log import FORMATS, describe_process, setup_logger

#: A channel that nothing is sent to.
_UNUSED = "channels.is-anybody-there"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of a command that takes messages from a layer."""
    parser.add_argument(
        "--layer",
        default=DEFAULT_CHANNEL_LAYER,
        metavar="ALIAS",
        help="key in CHANNEL_LAYERS (default: %(default)s)",
    )
    parser.add_argument(
        "--log-format",
        choices=FORMATS,
        default="text",
        help="how log lines are written: text, or json for one object a line (default:"
        " %(default)s)",
    )


def seconds(text: str) -> float:
    """Read an option's duration: neither negative nor endless."""
    try:
        number = float(text)
    except ValueError:
        raise ArgumentTypeError(f"must be a number of seconds, not {text!r}") from None
    if not 0 <= number < math.inf:
        raise ArgumentTypeError(f"must be a number of seconds from 0 on, not {text}")
    return number


def positive(text: str) -> int:
    """Read an option's number of things, at least 1."""
    try:
        number = int(text)
    except ValueError:
        raise ArgumentTypeError(f"must be a number, not {text!r}") from None
    if number < 1:
        raise ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def set_up(command: Any, tier: str, options: dict[str, Any]) -> None:
    """Give a command its ``verbosity``, its ``logger``, and the ``channel_layer`` to take from.

    Raises:
        CommandError: The layer is not configured, cannot be built, serves one process only,
            or can't be reached.
    """
    command.verbosity = options.get("verbosity", 1)
    describe_process(tier, options.get("log_format", "text"))
    command.logger = setup_logger("django.channels", command.verbosity)
    command.channel_layer = layer = find_layer(options["layer"])
    if layer.local_only():
        raise CommandError(
            f"{setting_of(layer.alias)} is an in-memory layer, which no other process can reach:"
            " run the workers inside runserver, or configure a Redis layer"
        )
    check_reachable(layer)


def find_layer(alias: str) -> ChannelLayerWrapper:
    """Return a configured layer; a ``CommandError`` names the setting that is wrong."""
    try:
        return channel_layers[alias]
    except KeyError:
        raise CommandError(
            f"{setting_of(alias)} is not configured: there is no channel layer to listen on."
            f" {conf.unused_routing() or ''}".rstrip()
        ) from None
    except (InvalidChannelLayerError, ImproperlyConfigured) as error:
        raise CommandError(str(error)) from error


def check_reachable(layer: ChannelLayerWrapper) -> None:
    """Ask the layer once: later on, workers and servers wait for it without an end.

    Raises:
        CommandError: There is no answer; the text names setting and host, without password.
    """
    if not isinstance(layer.channel_layer, BaseChannelLayer):
        return  # how one from elsewhere says that it is not there is not known
    try:
        layer.receive([_UNUSED], block=False)
    except LayerUnavailable as error:
        remedy = f"{error.remedy}. " if error.remedy else ""
        raise CommandError(
            f"the channel layer of {setting_of(layer.alias)},"
            f" {_without_passwords(str(layer.channel_layer))}, can't be reached:"
            f" {_without_passwords(str(error)).rstrip('.')}. {remedy}In"
            f' development runserver goes without one, with "BACKEND": "{IN_MEMORY}"'
        ) from error


def _without_passwords(text: str) -> str:
    return re.sub(r"(\w+://)[^@/\s'\"]*@", r"\1***@", text)
