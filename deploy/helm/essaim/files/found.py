"""found.py FLAG...: makes the network's keys and genesis once, and hands them to the cluster.

The keys become the Secret AUTHORITY_SECRET, which discovery's pod alone mounts; the operator's key among them also the
Secret OPERATOR_SECRET, by which the nodes' pods may register; the genesis, which is public, the ConfigMap
GENESIS_CONFIG_MAP. What exists is kept: only what is missing is made again from the first Secret. The flags are those
of `essaim-discovery genesis`. Its parameters are signed, so other flags than the first time's are refused.
"""

import base64
import json
import os
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CREDENTIALS = Path(os.environ.get("CREDENTIALS", "/var/run/secrets/kubernetes.io/serviceaccount"))
FLAGS = "essaim/genesis-flags"
GENESIS = "genesis.bin"
OPERATOR = "operator.key"
KEYS = ("identity.key", "tls.key", "tls.der", "authority.key", "admission.txt", OPERATOR)
MISSING, CONFLICT = 404, 409
SECONDS = 20


class Refused(Exception):
    """One sentence for the operator."""


class Api:
    """The two requests that are needed, on core/v1 objects of one namespace."""

    def __init__(self) -> None:
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        host = f"[{host}]" if ":" in host else host
        self._base = f"https://{host}:{port}/api/v1/namespaces/{os.environ['NAMESPACE']}"
        self._context = ssl.create_default_context(cafile=str(CREDENTIALS / "ca.crt"))

    def get(self, kind: str, name: str) -> Mapping[str, Any] | None:
        return self._ask("GET", f"{kind}/{name}", None, MISSING)

    def create(self, kind: str, content: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """None when there is one of that name already."""
        return self._ask("POST", kind, json.dumps(content).encode(), CONFLICT)

    def _ask(self, method: str, path: str, body: bytes | None, passed: int) -> Mapping[str, Any] | None:
        headers = {
            "Authorization": f"Bearer {(CREDENTIALS / 'token').read_text().strip()}",
            "Content-Type": "application/json",
        }
        request = urllib.request.Request(f"{self._base}/{path}", body, headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=SECONDS, context=self._context) as answer:  # noqa: S310
                content: Mapping[str, Any] = json.load(answer)
                return content
        except urllib.error.HTTPError as error:
            if error.code == passed:
                return None
            raise Refused(f"the API server refused to {method} {path.partition('/')[0]} ({error.code})") from None
        except OSError as error:
            raise Refused(f"the API server cannot be reached ({type(error).__name__})") from None


def found(folder: Path, flags: Sequence[str]) -> Mapping[str, str]:
    """Secret data of a new network."""
    command = [sys.executable, "-m", "essaim_discovery", "genesis"]
    command += ["--data-dir", str(folder / "keys"), "--out", str(folder / GENESIS), *flags]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        raise Refused(made.stderr.strip())
    files = [*(folder / "keys" / name for name in KEYS), folder / GENESIS]
    return {file.name: base64.b64encode(file.read_bytes()).decode() for file in files}


def named(kind: str, name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "labels": json.loads(os.environ["LABELS"])},
    }


def authority(api: Api, flags: Sequence[str]) -> Mapping[str, Any]:
    """The Secret, made where there is none."""
    name = os.environ["AUTHORITY_SECRET"]
    kept = api.get("secrets", name)
    if kept is None:
        made = {**named("Secret", name), "type": "Opaque", "data": found(Path(os.environ["FOLDER"]), flags)}
        made["metadata"]["annotations"] = {FLAGS: " ".join(flags)}
        kept = api.create("secrets", made) or api.get("secrets", name)
    if kept is None:
        raise Refused(f"the Secret {name} was removed while the network was founded; try again")
    signed = kept["metadata"].get("annotations", {}).get(FLAGS)
    if signed not in (None, " ".join(flags)):
        raise Refused(
            f"the genesis was signed with other parameters and cannot be changed ({signed}); see values.network"
        )
    if OPERATOR not in kept["data"]:
        raise Refused(f"the Secret {name} has no {OPERATOR}, which `essaim-discovery genesis` makes")
    return kept


def hand_out(api: Api, key: str) -> None:
    """The nodes' Secret, made where there is none."""
    name = os.environ["OPERATOR_SECRET"]
    kept = api.get("secrets", name)
    if kept is None:
        made = {**named("Secret", name), "type": "Opaque", "data": {OPERATOR: key}}
        kept = api.create("secrets", made) or api.get("secrets", name)
    if kept is None or kept.get("data", {}).get(OPERATOR) != key:
        raise Refused(f"the Secret {name} holds another key than the authority's Secret; remove the one that is wrong")


def publish(api: Api, genesis: str) -> None:
    """The ConfigMap, made where there is none."""
    name = os.environ["GENESIS_CONFIG_MAP"]
    kept = api.get("configmaps", name)
    if kept is None:
        made = {**named("ConfigMap", name), "immutable": True, "binaryData": {GENESIS: genesis}}
        kept = api.create("configmaps", made) or api.get("configmaps", name)
    if kept is None or kept.get("binaryData", {}).get(GENESIS) != genesis:
        raise Refused(f"the ConfigMap {name} holds another genesis than the Secret; remove the one that is wrong")


if __name__ == "__main__":
    try:
        server = Api()
        keys = authority(server, sys.argv[1:])["data"]
        hand_out(server, keys[OPERATOR])
        publish(server, keys[GENESIS])
    except Refused as refused:
        sys.exit(f"genesis: {refused}.")
