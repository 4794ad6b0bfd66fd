"""Makes and checks a node's own certificate. X.509 takes 3 MB: imported where that is done."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

_NOT_BEFORE = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
_NOT_AFTER = datetime.datetime(2120, 1, 1, tzinfo=datetime.UTC)


def issue(name: str) -> tuple[bytes, bytes]:
    """A fresh self-signed certificate (DER) for `name`, and its key (PEM, PKCS 8). Its dates say nothing."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _self_signed(name, key), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def belongs(key_pem: bytes, der: bytes) -> bool:
    """Whether a certificate is that of a key; ValueError where one of them is none."""
    key = load_pem_private_key(key_pem, None)
    return x509.load_der_x509_certificate(der).public_key() == key.public_key()


def _self_signed(common: str, key: ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    public = key.public_key()
    builder = x509.CertificateBuilder(name, name, public, x509.random_serial_number(), _NOT_BEFORE, _NOT_AFTER)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(common)]), critical=False)
    # All bear one name: the key identifiers tell two pinned certificates apart.
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)
