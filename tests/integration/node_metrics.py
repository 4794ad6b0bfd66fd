"""What the metrics pages of a testnet's nodes say of the tests that they make of each other."""

import re
import urllib.request

from testnet import Testnet

APPLIED = 'essaim_node_test_reports_total{outcome="APPLIED"}'
REFUSED = 'essaim_node_test_reports_total{outcome="REFUSED"}'


def made(kind: str, outcome: str) -> str:
    """The series of tests of a kind with that outcome."""
    return f'essaim_node_tests_total{{kind="{kind}",outcome="{outcome}"}}'


def count(net: Testnet, name: str, metric: str) -> float:
    """Of a node's page, the value behind this name and labels; 0 where it is not there yet."""
    found = re.search(rf"^{re.escape(metric)} (\S+)$", _page(net, name), re.MULTILINE)
    return float(found[1]) if found else 0.0


def _page(net: Testnet, name: str) -> str:
    with urllib.request.urlopen(f"http://{net.node(name).facts['metrics']}/metrics", timeout=10) as answer:
        return str(answer.read(), "utf-8")
