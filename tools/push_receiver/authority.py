"""A certificate authority of an hour, and its one server."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

CA_FILE, CHAIN_FILE, KEY_FILE = "ca.pem", "chain.pem", "key.pem"
LIFE = timedelta(days=30)


def make(
    folder: Path, names: tuple[str, ...] = ("localhost",), alpn: tuple[str, ...] = (), address: str = "127.0.0.1"
) -> ssl.SSLContext:
    """A server's context for `address` and `names`; who is to trust it reads ca.pem in `folder`."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate(authority, authority, "receiver's authority", None)
    leaf = _certificate(key, authority, "receiver", names, address)
    (folder / CA_FILE).write_bytes(root.public_bytes(Encoding.PEM))
    (folder / CHAIN_FILE).write_bytes(leaf.public_bytes(Encoding.PEM))
    (folder / KEY_FILE).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(folder / CHAIN_FILE, folder / KEY_FILE)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def _certificate(
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    name: str,
    served: tuple[str, ...] | None,
    address: str = "",
) -> x509.Certificate:
    now = datetime.now(UTC)
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver's authority")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFE)
        .add_extension(x509.BasicConstraints(ca=served is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if served is None:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    else:
        names = [x509.DNSName(each) for each in served] + [x509.IPAddress(IPv4Address(address))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, hashes.SHA256())
