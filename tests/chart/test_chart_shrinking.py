"""Fewer storage nodes than the cluster runs are refused where nobody would retire them: without discovery's agent. Real
helm asks a stand-in for the API server what runs."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

RUNNING = 9
ANSWERS = {
    "/version": {"major": "1", "minor": "35", "gitVersion": "v1.35.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [
            {
                "name": "apps",
                "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
                "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"},
            }
        ],
    },
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
    "/apis/apps/v1": {
        "kind": "APIResourceList",
        "groupVersion": "apps/v1",
        "resources": [{"name": "statefulsets", "namespaced": True, "kind": "StatefulSet", "verbs": ["get"]}],
    },
    "/apis/apps/v1/namespaces/essaim/statefulsets/net-essaim-storage": {
        "kind": "StatefulSet",
        "apiVersion": "apps/v1",
        "metadata": {"name": "net-essaim-storage"},
        "spec": {"replicas": RUNNING},
    },
}
MISSING = {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.partition("?")[0]
        body = json.dumps(ANSWERS.get(path, MISSING)).encode()
        self.send_response(200 if path in ANSWERS else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing is printed."""


@pytest.fixture(scope="module")
def refusal(run_helm, chart):
    """What helm says of an upgrade with these values. The stand-in has no OpenAPI, so a rendering ends there."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()

    def ask(*sets):
        where = ["--namespace", "essaim", "--kube-apiserver", f"http://127.0.0.1:{server.server_port}"]
        return run_helm(
            "template", "net", str(chart), *where, "--dry-run=server", *(f"--set={each}" for each in sets)
        ).stderr

    yield ask
    server.shutdown()
    thread.join()
    server.server_close()


ALONE = "discovery.agent.enabled=false"


@pytest.mark.parametrize(("sets", "wanted"), [(["storage.replicas=8"], 8), (["storage.enabled=false"], 0)])
def test_fewer_nodes_are_refused_without_the_agent(refusal, sets, wanted):
    said = refusal(ALONE, *sets)
    assert f"storage.replicas goes from {RUNNING} to {wanted}: without discovery.agent here nobody retires" in said


@pytest.mark.parametrize(
    "sets",
    [
        ["storage.replicas=8"],
        [ALONE, f"storage.replicas={RUNNING}"],
        [ALONE, "storage.replicas=12"],
        [ALONE, "storage.allowShrinking=true"],
    ],
)
def test_with_the_agent_or_as_many_or_more_or_a_word_are_not(refusal, sets):
    said = refusal(*sets)
    assert "storage.replicas" not in said
    assert "openapi" in said
