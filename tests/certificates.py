"""Certificates made on the spot: of servers, and of authorities nobody knows."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


class Signed(NamedTuple):
    """A certificate with its key, and who vouches for it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def name_of(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certify(host="", *, by: Signed | None = None, until=NOW + DAY) -> Signed:
    """Make a server's certificate, or without a host an authority's."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = name_of(host or "authority")
    names: list[x509.GeneralName] = [x509.DNSName(host or "authority")]
    if host.startswith("127."):
        names = [x509.IPAddress(ip_address(host))]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - 3 * DAY)
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(not host, None), critical=True)
    )
    return Signed(made.sign(by.key if by else key, hashes.SHA256()), key)


def write(path, *pems: bytes):
    path.write_bytes(b"".join(pems))
    return path


def pem(one: Signed) -> bytes:
    return one.certificate.public_bytes(serialization.Encoding.PEM)


def server_context(folder, one: Signed) -> ssl.SSLContext:
    key = one.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(write(folder / "server.pem", pem(one), key))
    return context
