"""A certificate for 127.0.0.1, and enough of an HTTP/2 client."""

from __future__ import annotations

import datetime
import ipaddress
import socket
from collections.abc import Sequence
from pathlib import Path

import h2.connection
import h2.events
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def make_certificate(folder: Path) -> Path:
    """Write ``crt.pem`` and ``key.pem`` into the folder, and return it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "crt.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder


class Http2:
    """Asks one thing after the other over a connection that is there already."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.connection = h2.connection.H2Connection()
        self.connection.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self.sock.sendall(self.connection.data_to_send())

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: bytes = b"",
        headers: Sequence[tuple[str, str]] = (),
        authority: str = "x",
    ) -> tuple[int, bytes]:
        stream = self.connection.get_next_available_stream_id()
        head = [
            (":method", method),
            (":path", path),
            (":scheme", "https"),
            (":authority", authority),
        ]
        self.connection.send_headers(stream, [*head, *headers], end_stream=not body)
        self.status, self.content, self.done = 0, b"", False
        for start in range(0, len(body), 16_000):
            part = body[start : start + 16_000]
            while not self.done and self.connection.local_flow_control_window(stream) < len(part):
                self.flush()
                self.read()
            if self.done:
                break
            self.connection.send_data(stream, part, end_stream=start + 16_000 >= len(body))
        self.flush()
        while not self.done:
            self.read()
        return self.status, self.content

    def read(self) -> None:
        data = self.sock.recv(65536)
        assert data, "the connection ended"
        for event in self.connection.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                self.status = int(dict(event.headers)[b":status"])
            elif isinstance(event, h2.events.DataReceived):
                self.content += event.data
                size = event.flow_controlled_length
                self.connection.acknowledge_received_data(size, event.stream_id)
            elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
                self.done = True
        self.flush()
