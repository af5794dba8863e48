"""What Python itself has moved or removed since 2.7 and 3.5.  Pure data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Move:
    """Where something is now.

    Attributes:
        to: Its new dotted name, beginning with ``builtins.`` if it needs no import;
            ``""`` if its uses can be deleted; ``None`` if a person must find a
            replacement.
        why: What to say besides.
    """

    to: str | None
    why: str = ""


def gone(why: str) -> Move:
    """Return that something is not there any more, and what to do instead."""
    return Move(None, why)


NAMES: dict[str, Move] = {
    "cgi.escape": Move("html.escape"),
    "cgi.parse_qs": Move("urllib.parse.parse_qs"),
    "cgi.parse_qsl": Move("urllib.parse.parse_qsl"),
    "pipes.quote": Move("shlex.quote"),
    "distutils.version.LooseVersion": gone("use packaging.version.Version"),
    "distutils.version.StrictVersion": gone("use packaging.version.Version"),
    "urllib.quote": Move("urllib.parse.quote"),
    "urllib.quote_plus": Move("urllib.parse.quote_plus"),
    "urllib.unquote": Move("urllib.parse.unquote"),
    "urllib.unquote_plus": Move("urllib.parse.unquote_plus"),
    "urllib.urlencode": Move("urllib.parse.urlencode"),
    "urllib.urlopen": Move("urllib.request.urlopen"),
    "urllib.urlretrieve": Move("urllib.request.urlretrieve"),
    "urllib2.quote": Move("urllib.parse.quote"),
    "urllib2.unquote": Move("urllib.parse.unquote"),
    "urllib2.urlopen": Move("urllib.request.urlopen"),
    "urllib2.Request": Move("urllib.request.Request"),
    "urllib2.build_opener": Move("urllib.request.build_opener"),
    "urllib2.HTTPError": Move("urllib.error.HTTPError"),
    "urllib2.URLError": Move("urllib.error.URLError"),
    "StringIO.StringIO": Move("io.StringIO"),
    "cStringIO.StringIO": Move("io.StringIO"),
    "itertools.izip": Move("builtins.zip"),
    "itertools.imap": Move("builtins.map"),
    "itertools.ifilter": Move("builtins.filter"),
    "itertools.izip_longest": Move("itertools.zip_longest"),
    "string.maketrans": gone("use str.maketrans or bytes.maketrans"),
    "string.letters": Move("string.ascii_letters"),
    "string.lowercase": Move("string.ascii_lowercase"),
    "string.uppercase": Move("string.ascii_uppercase"),
    "base64.encodestring": Move("base64.encodebytes"),
    "base64.decodestring": Move("base64.decodebytes"),
    "inspect.getargspec": gone("use inspect.signature or getfullargspec"),
    "fractions.gcd": Move("math.gcd"),
    "time.clock": gone("use time.perf_counter or time.process_time"),
    "os.getcwdu": Move("os.getcwd"),
    "sys.maxint": Move("sys.maxsize"),
    **{
        f"collections.{name}": Move(f"collections.abc.{name}")
        for name in (
            *("Callable", "Container", "Generator", "Hashable", "ItemsView", "Iterable"),
            *(
                "Iterator",
                "KeysView",
                "Mapping",
                "MappingView",
                "MutableMapping",
                "MutableSequence",
            ),
            *("MutableSet", "Sequence", "Set", "Sized", "ValuesView"),
        )
    },
}

MODULES: dict[str, Move] = {
    "distutils": gone("Python 3.12 removed it: use packaging or setuptools"),
    "imp": gone("Python 3.12 removed it: use importlib"),
    "cgi": gone("Python 3.13 removed it"),
    "pipes": gone("Python 3.13 removed it: use subprocess and shlex"),
    **{
        name: gone("Python has removed it")
        for name in (
            *("asynchat", "asyncore", "audioop", "cgitb", "crypt", "imghdr", "mailcap", "nntplib"),
            *("smtpd", "sndhdr", "telnetlib", "uu", "xdrlib"),
        )
    },
    "urlparse": Move("urllib.parse"),
    "urllib2": gone("Python 3 has urllib.request, urllib.error and urllib.parse"),
    "httplib": Move("http.client"),
    "cookielib": Move("http.cookiejar"),
    "Cookie": Move("http.cookies"),
    "BaseHTTPServer": Move("http.server"),
    "HTMLParser": Move("html.parser"),
    "htmlentitydefs": Move("html.entities"),
    "xmlrpclib": Move("xmlrpc.client"),
    "ConfigParser": Move("configparser"),
    "Queue": Move("queue"),
    "SocketServer": Move("socketserver"),
    "StringIO": gone("Python 3 has io"),
    "cStringIO": gone("Python 3 has io"),
    "cPickle": Move("pickle"),
    "__builtin__": Move("builtins"),
    "dummy_thread": gone("Python 3 always has threads"),
}
