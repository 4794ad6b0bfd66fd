"""The cluster's certificate authority, the certificates of its parts, and a kubeconfig for each."""

import base64
import datetime
import ipaddress
import json
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cluster.place import API, KUBERNETES_ADDRESS, NODE, NODE_ADDRESS, Place

LIFETIME = datetime.timedelta(days=30)
USERS = {  # file -> (common name, group)
    "admin": ("admin", "system:masters"),
    "controllers": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "kubelet": (f"system:node:{NODE}", "system:nodes"),
}
SERVERS = {
    "apiserver": ("localhost", "kubernetes.default.svc", "127.0.0.1", KUBERNETES_ADDRESS, NODE_ADDRESS),
    "kubelet": (NODE, "127.0.0.1", NODE_ADDRESS),
}


def make_keys(place: Place) -> None:
    """All of them anew. Private keys are for root alone."""
    place.keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = Authority(place.keys)
    for user, (name, group) in USERS.items():
        authority.issue(user, name, group, SERVERS.get(user, ()))
        write(place.keys / f"{user}.json", json.dumps(kubeconfig(place.keys, user)).encode())
    authority.issue("apiserver", "kube-apiserver", "", SERVERS["apiserver"])
    accounts = rsa.generate_private_key(65537, 2048)
    write(place.keys / "accounts.key", private(accounts))
    public = accounts.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    write(place.keys / "accounts.pub", public)


class Authority:
    """Signs for as long as this object lives: its own key is never written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = rsa.generate_private_key(65537, 2048)
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "essaim-cluster")])
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        builder = self._builder(self._name, self._key).add_extension(constraints, critical=True)
        write(folder / "ca.crt", builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM))

    def issue(self, file: str, name: str, group: str, hosts: Sequence[str]) -> None:
        """`file`.key and `file`.crt, for both ends of a connection."""
        key = rsa.generate_private_key(65537, 2048)
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        if group:
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = self._builder(x509.Name(attributes), key).add_extension(usage, critical=False)
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([general(each) for each in hosts]), False)
        write(self._folder / f"{file}.key", private(key))
        write(self._folder / f"{file}.crt", builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM))

    def _builder(self, subject: x509.Name, key: rsa.RSAPrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + LIFETIME)
        )


def general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def private(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def write(file: Path, content: bytes) -> None:
    file.touch(mode=0o600)
    file.write_bytes(content)


def kubeconfig(folder: Path, user: str) -> dict[str, object]:
    """Complete in itself; kubectl, helm and the cluster's parts take JSON for YAML."""

    def text(file: str) -> str:
        return base64.b64encode((folder / file).read_bytes()).decode()

    credentials = {"client-certificate-data": text(f"{user}.crt"), "client-key-data": text(f"{user}.key")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "essaim",
        "clusters": [{"name": "essaim", "cluster": {"server": API, "certificate-authority-data": text("ca.crt")}}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": "essaim", "context": {"cluster": "essaim", "user": user}}],
    }
