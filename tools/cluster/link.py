"""The network namespace: a bridge for the pods, and a pair of devices to this machine."""

from cluster.command import attempt, inside, run
from cluster.place import (
    GATEWAY,
    INNER_DEVICE,
    NAMESPACE,
    NODE_ADDRESS,
    OUTER_ADDRESS,
    OUTER_DEVICE,
    OUTSIDE,
    PODS,
)


def make_network() -> None:
    """Raises RefusedError where the kernel allows no namespaces, devices or bridges."""
    length, pods = OUTSIDE.rpartition("/")[2], PODS.rpartition("/")[2]
    run("ip", "netns", "add", NAMESPACE)
    run("ip", "link", "add", OUTER_DEVICE, "type", "veth", "peer", "name", INNER_DEVICE, "netns", NAMESPACE)
    run("ip", "address", "add", f"{OUTER_ADDRESS}/{length}", "dev", OUTER_DEVICE)
    run("ip", "link", "set", OUTER_DEVICE, "up")
    for command in (
        ("ip", "link", "set", "lo", "up"),
        ("ip", "address", "add", f"{NODE_ADDRESS}/{length}", "dev", INNER_DEVICE),
        ("ip", "link", "set", INNER_DEVICE, "up"),
        ("ip", "link", "add", "cni0", "type", "bridge"),
        ("ip", "address", "add", f"{GATEWAY}/{pods}", "dev", "cni0"),
        ("ip", "link", "set", "cni0", "up"),
        ("ip", "route", "add", "default", "dev", "cni0"),  # leads nowhere: nothing in the cluster reaches further
        ("sysctl", "-qw", "net.ipv4.ip_forward=1"),
        # This machine knows no way to pods; to it they speak as their node, as with every network plugin.
        ("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", PODS, "-o", INNER_DEVICE, "-j", "MASQUERADE"),
    ):
        run(*inside(*command))
    # Where bridged packets pass no rules, kube-proxy hides every sender instead (`masqueradeAll`), so this may fail.
    attempt(*inside("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1"))


def remove_network() -> None:
    """Both devices go with the namespace."""
    attempt("ip", "link", "delete", OUTER_DEVICE)
    attempt("ip", "netns", "delete", NAMESPACE)
