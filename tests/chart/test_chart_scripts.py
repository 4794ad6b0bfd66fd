"""The programs that the chart carries, run as its pods run them: against real nodes, and a stand-in for the API server.

The stand-in knows what RBAC leaves: create, and get by name. It is HTTPS with a certificate of its own.
"""

import base64
import datetime
import ipaddress
import json
import os
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from essaim.protocol.view import Genesis
from testnet import Layout, Testnet
from testnet.process import NodeProcess

FILES = Path(__file__).resolve().parent.parent.parent / "deploy" / "helm" / "essaim" / "files"
SECONDS = 60


def run(script, *arguments, flags=(), **environment):
    command = [sys.executable, *flags, str(FILES / script), *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, check=False, env={**os.environ, **environment}
    )


# ready.py and message.py, on a network of processes


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    net = Testnet(tmp_path_factory.mktemp("net"), Layout(relays=3, storage=3))
    try:
        net.up()
        yield net
    finally:
        net.down()


def ready(port, certificate):
    return run("ready.py", port, certificate, flags=("-I", "-S"))


def port_of(node):
    return node.facts["address"].rpartition(":")[2]


@pytest.mark.parametrize("name", ["discovery", "relay-1", "storage-1"])
def test_ready_says_yes_for_a_serving_node(net, name):
    done = ready(port_of(net.node(name)), net.folder / name / "tls.der")
    assert (done.returncode, done.stderr) == (0, "")


def test_ready_says_no_for_another_certificate_and_for_a_closed_port(net):
    other = ready(port_of(net.node("relay-1")), net.folder / "relay-2" / "tls.der")
    assert (other.returncode, other.stderr) == (1, "no answer (SSLCertVerificationError)\n")
    closed = ready(1, net.folder / "relay-1" / "tls.der")
    assert (closed.returncode, closed.stderr) == (1, "no answer (ConnectionRefusedError)\n")


def test_ready_says_no_for_a_node_that_the_view_does_not_name(net, tmp_path):
    """Its port is open and its server answers: NOT_SERVING, because no discovery is there to join."""
    flags = ["--data-dir", str(tmp_path), "--genesis", str(net.genesis_file), "--discovery", "127.0.0.1:1"]
    node = NodeProcess("relay", (sys.executable, "-m", "essaim_relay", *flags), tmp_path)
    node.start()
    try:
        net.await_view(lambda _: bool(node.facts))  # listen.json: it listens
        done = ready(port_of(node), tmp_path / "tls.der")
        assert (done.returncode, done.stderr) == (1, "not serving\n")
    finally:
        node.kill()


def test_message_crosses_the_network(net, tmp_path):
    done = run("message.py", net.genesis_file, net.discovery_address, tmp_path, SECONDS)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("a message was sent and read through the onion in ")


def test_message_fails_with_a_sentence(net, tmp_path):
    done = run("message.py", net.genesis_file, "127.0.0.1:1", tmp_path, 3)
    assert done.returncode == 1
    assert done.stderr.startswith("no message: ")
    assert len(done.stderr.splitlines()) == 1


# found.py


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        kind, name = self.path.split("/")[-2:]
        self._answer(200 if (kind, name) in self.server.kept else 404, self.server.kept.get((kind, name), {}))

    def do_POST(self):
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = (self.path.split("/")[-1], content["metadata"]["name"])
        if key in self.server.kept:
            self._answer(409, {})
        else:
            self.server.kept[key] = content
            self._answer(201, content)

    def _answer(self, code, content):
        if self.headers["Authorization"] != "Bearer the-token" or "/namespaces/essaim/" not in self.path:
            code, content = 403, {}
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing is printed."""


@pytest.fixture
def api(tmp_path):
    """(what it keeps by kind and name, the environment that a pod would have)"""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "token").write_text("the-token\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.kept = {}
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(credentials / "ca.crt"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    environment = {
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(server.server_port),
        "CREDENTIALS": str(credentials),
    }
    yield server.kept, environment
    server.shutdown()
    thread.join()
    server.server_close()


def _certificate(path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kubernetes")])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    public = builder.sign(key, SHA256()).public_bytes(Encoding.PEM)
    path.write_bytes(public)
    both = path.with_name("server.pem")
    both.write_bytes(public + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return both


@pytest.fixture
def founding(render, api, tmp_path):
    """founding(*values): run the Job of a rendering, with its own arguments and environment."""
    (tmp_path / "work").mkdir()

    def found(*values, **environment):
        (container,) = dict(render("tiny", *values).pods)["net-essaim-genesis"]["containers"]
        told = {each["name"]: each["value"] for each in container["env"]}
        folder = tmp_path / "work" / str(len(list((tmp_path / "work").iterdir())))
        folder.mkdir()
        return run("found.py", *container["args"], **{**told, **api[1], "FOLDER": str(folder), **environment})

    return found


SECRET, PUBLIC = ("secrets", "net-essaim-authority"), ("configmaps", "net-essaim-genesis")
OPERATOR = ("secrets", "net-essaim-operator")
KEYS = {"identity.key", "tls.key", "tls.der", "authority.key", "admission.txt", "operator.key", "genesis.bin"}


def test_founding_makes_keys_and_a_genesis_with_the_values(founding, api):
    done = founding(
        "network.swarm.maximum=6", "network.distinctRegions=true", "network.suites[0]=1", "network.suites[1]=2"
    )
    assert (done.returncode, done.stderr) == (0, "")
    kept, _ = api
    assert set(kept) == {SECRET, OPERATOR, PUBLIC}
    assert set(kept[SECRET]["data"]) == KEYS
    assert kept[OPERATOR]["data"] == {"operator.key": kept[SECRET]["data"]["operator.key"]}
    assert kept[PUBLIC]["binaryData"] == {"genesis.bin": kept[SECRET]["data"]["genesis.bin"]}
    genesis = Genesis.parse(base64.b64decode(kept[PUBLIC]["binaryData"]["genesis.bin"]))
    assert genesis.parameters.swarm_sizes.maximum == 6
    assert genesis.parameters.distinct_regions
    assert [int(suite) for suite in genesis.parameters.suites] == [1, 2]
    assert genesis.discovery_certificates == (base64.b64decode(kept[SECRET]["data"]["tls.der"]),)


def test_founding_again_changes_nothing_and_mends_the_config_map(founding, api):
    assert founding().returncode == 0
    kept, _ = api
    before = _as_text(kept)
    assert founding().returncode == 0
    assert _as_text(kept) == before
    for lost in (PUBLIC, OPERATOR):
        del kept[lost]
        assert founding().returncode == 0
        assert _as_text(kept) == before


def _as_text(kept):
    return json.dumps([kept[each] for each in (SECRET, OPERATOR, PUBLIC)], sort_keys=True)


def test_founding_refuses_other_parameters(founding, api):
    assert founding().returncode == 0
    done = founding("network.swarm.maximum=6")
    assert done.returncode == 1
    assert "was signed with other parameters and cannot be changed" in done.stderr


def test_founding_refuses_keys_without_an_operator(founding, api):
    assert founding().returncode == 0
    del api[0][SECRET]["data"]["operator.key"]
    done = founding()
    assert done.returncode == 1
    assert "has no operator.key" in done.stderr and len(done.stderr.splitlines()) == 1


def test_founding_refuses_a_genesis_that_is_not_the_secrets(founding, api):
    assert founding().returncode == 0
    api[0][PUBLIC]["binaryData"]["genesis.bin"] = "AAAA"
    done = founding()
    assert done.returncode == 1
    assert "holds another genesis than the Secret" in done.stderr


def test_founding_says_what_is_wrong_in_one_sentence(founding):
    for environment, words in (
        ({"NAMESPACE": "another"}, "the API server refused to GET secrets (403)."),
        ({"KUBERNETES_SERVICE_PORT": "1"}, "the API server cannot be reached (URLError)."),
    ):
        done = founding(**environment)
        assert (done.returncode, done.stderr) == (1, f"genesis: {words}\n")


def test_discovery_starts_from_the_secret(founding, api, tmp_path):
    """The files that its pod mounts are all that it needs, and it serves."""
    assert founding().returncode == 0
    data = tmp_path / "discovery"
    data.mkdir()
    for name in sorted(KEYS - {"operator.key"}):
        content = api[0][SECRET]["data"][name]
        (data / name).write_bytes(base64.b64decode(content))
        (data / name).chmod(0o440)
    flags = ["--data-dir", str(data), "--genesis", str(data / "genesis.bin")]
    node = NodeProcess("discovery", (sys.executable, "-m", "essaim_discovery", *flags), data)
    node.start()
    try:
        node.await_ready(SECONDS)
        done = ready(port_of(node), data / "tls.der")
        assert (done.returncode, done.stderr) == (0, "")
    finally:
        node.kill()
