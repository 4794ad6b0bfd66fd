"""A real Prometheus on loopback: scrapes the nodes of a testnet each second as if they were the pods of a release."""

import json
import math
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from observe.programs import find
from testnet import Testnet

RELEASE, NAMESPACE = "net", "essaim"
SCRAPE = "1s"
TARGETS = "targets.json"
START_SECONDS = 30.0


@dataclass(frozen=True)
class Series:
    """One line: its labels, times (unix seconds) and values; what is not a number is left out."""

    labels: Mapping[str, str]
    times: Sequence[float]
    values: Sequence[float]


class Prometheus:
    """What it can be asked."""

    def __init__(self, address: str) -> None:
        self._base = f"http://{address}"

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._base}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def range(self, expr: str, start: float, end: float, step: float = 1.0) -> list[Series]:
        """The series of a query over a time; those without a single number are left out. ValueError: not PromQL."""
        asked = urllib.parse.urlencode({"query": expr, "start": start, "end": end, "step": step})
        try:
            with urllib.request.urlopen(f"{self._base}/api/v1/query_range?{asked}", timeout=30) as answer:
                found = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            raise ValueError(f"{expr}: {error.read().decode()}") from None
        return [series for series in map(_series, found) if series.values]


def _series(found: Mapping[str, Any]) -> Series:
    samples = [(float(at), float(value)) for at, value in found["values"]]
    good = [(at, value) for at, value in samples if math.isfinite(value)]
    return Series(found["metric"], [at for at, _ in good], [value for _, value in good])


def pod_of(name: str) -> str:
    """The pod that a node of the testnet stands for: relay-1 is net-essaim-relay-0."""
    service, _, number = name.partition("-")
    return f"{RELEASE}-essaim-{service}-{int(number or 1) - 1}"


def write_targets(net: Testnet, file: Path) -> None:
    """Where the nodes' metrics are now; Prometheus reads the file again when it changes."""
    facts = {name: net.node(name).facts for name in net.layout.names}
    targets = [
        {"targets": [each["metrics"]], "labels": {"namespace": NAMESPACE, "pod": pod_of(name)}}
        for name, each in facts.items()
        if "metrics" in each
    ]
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(targets))
    partial.replace(file)


@contextmanager
def prometheus(net: Testnet, groups: Sequence[Mapping[str, Any]], folder: Path) -> Iterator[Prometheus]:
    """`with` it: it runs over `net`, with these rule groups. Raises NoPrometheusError or TimeoutError."""
    folder.mkdir(parents=True, exist_ok=True)
    targets, rules, config = folder / TARGETS, folder / "rules.yml", folder / "prometheus.yml"
    write_targets(net, targets)
    rules.write_text(yaml.safe_dump({"groups": list(groups)}))
    scraped = {"job_name": RELEASE, "file_sd_configs": [{"files": [str(targets)], "refresh_interval": "5s"}]}
    every = {"scrape_interval": SCRAPE, "evaluation_interval": SCRAPE}
    config.write_text(yaml.safe_dump({"global": every, "rule_files": [str(rules)], "scrape_configs": [scraped]}))
    address = f"127.0.0.1:{_free_port()}"
    command = [str(find("prometheus")), f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
    command += [f"--web.listen-address={address}", "--log.level=error"]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield _await(Prometheus(address), process, folder / "log")
        finally:
            process.terminate()


def _await(server: Prometheus, process: "subprocess.Popen[bytes]", log: Path) -> Prometheus:
    until = time.monotonic() + START_SECONDS
    while not server.ready():
        if process.poll() is not None or time.monotonic() > until:
            raise TimeoutError(f"Prometheus does not start: {log.read_text()[-500:]}")
        time.sleep(0.1)
    return server


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
