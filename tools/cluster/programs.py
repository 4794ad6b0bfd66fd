"""What each part of the cluster is started with, and the configuration files that it reads."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cluster.pause import IMAGE
from cluster.place import GATEWAY, NAME_SERVER, NODE, NODE_ADDRESS, PLUGINS, PODS, SERVICES, Place

Command = Sequence[str | Path]
ETCD = "http://127.0.0.1:2379"
FILES = 20_000
"""Open files that kubelet and proxy ask for: more than the limit of a confined machine would be refused."""


def containerd(place: Place) -> Command:
    network = place.folder / "network"
    network.mkdir(exist_ok=True)
    (network / "10-essaim.conflist").write_text(json.dumps(pod_network(place)))
    config = place.folder / "containerd.toml"
    config.write_text(f"""version = 2
root = "{place.folder}/containerd/root"
state = "{place.folder}/containerd/state"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "{place.socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{IMAGE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{PLUGINS}"
    conf_dir = "{network}"
""")
    return "containerd", "--config", config


def pod_network(place: Place) -> dict[str, Any]:
    """CNI: the bridge, addresses from a folder, host ports."""
    addresses = {
        "type": "host-local",
        "dataDir": str(place.folder / "addresses"),
        "ranges": [[{"subnet": PODS, "gateway": GATEWAY}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True, "ipam": addresses}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "essaim", "plugins": [bridge, ports]}


def etcd(place: Place) -> Command:
    return (
        "etcd",
        f"--data-dir={place.folder / 'etcd'}",
        f"--listen-client-urls={ETCD}",
        f"--advertise-client-urls={ETCD}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--unsafe-no-fsync",  # what is in it ends with the cluster
    )


def apiserver(place: Place) -> Command:
    keys = place.keys
    return (
        place.programs / "kube-apiserver",
        f"--etcd-servers={ETCD}",
        "--bind-address=0.0.0.0",
        f"--advertise-address={NODE_ADDRESS}",
        f"--tls-cert-file={keys / 'apiserver.crt'}",
        f"--tls-private-key-file={keys / 'apiserver.key'}",
        f"--client-ca-file={keys / 'ca.crt'}",
        f"--service-account-key-file={keys / 'accounts.pub'}",
        f"--service-account-signing-key-file={keys / 'accounts.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-cluster-ip-range={SERVICES}",
        "--authorization-mode=Node,RBAC",
        f"--kubelet-client-certificate={keys / 'admin.crt'}",
        f"--kubelet-client-key={keys / 'admin.key'}",
        "--kubelet-preferred-address-types=InternalIP",
    )


def controllers(place: Place) -> Command:
    keys = place.keys
    return (
        place.programs / "kube-controller-manager",
        f"--kubeconfig={keys / 'controllers.json'}",
        f"--service-account-private-key-file={keys / 'accounts.key'}",
        f"--root-ca-file={keys / 'ca.crt'}",
        "--use-service-account-credentials=true",
        f"--service-cluster-ip-range={SERVICES}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
    )


def scheduler(place: Place) -> Command:
    config = f"--kubeconfig={place.keys / 'scheduler.json'}"
    return place.programs / "kube-scheduler", config, "--leader-elect=false", "--bind-address=127.0.0.1"


def kubelet(place: Place) -> Command:
    keys = place.keys
    config = place.folder / "kubelet.json"
    content = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(keys / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "failSwapOn": False,
        "clusterDNS": [NAME_SERVER],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        "oomScoreAdj": 0,
        "maxOpenFiles": FILES,
        "tlsCertFile": str(keys / "kubelet.crt"),
        "tlsPrivateKeyFile": str(keys / "kubelet.key"),
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
    }
    config.write_text(json.dumps(content))
    return (
        place.programs / "kubelet",
        f"--config={config}",
        f"--kubeconfig={keys / 'kubelet.json'}",
        f"--root-dir={place.folder / 'kubelet'}",
        f"--hostname-override={NODE}",
        f"--node-ip={NODE_ADDRESS}",
        "--container-runtime=remote",
        f"--container-runtime-endpoint=unix://{place.socket}",
    )


def proxy(place: Place) -> Command:
    config = place.folder / "proxy.json"
    content = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": str(place.kubeconfig)},
        "iptables": {"masqueradeAll": True},
        "hostnameOverride": NODE,
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
    config.write_text(json.dumps(content))
    return place.programs / "kube-proxy", f"--config={config}"
