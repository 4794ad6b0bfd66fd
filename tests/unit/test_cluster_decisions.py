"""What the Kubernetes agent decides: who lives where, whom to retire, what to show. The API server is in tests/e2e."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from essaim.protocol.view import NetworkView, Node, NodeState, Role, SwarmSizes
from essaim.protocol.view.node import Move
from essaim_discovery.cluster.homes import homes, unknown_pods
from essaim_discovery.cluster.mirror import Happening, changes, name_of
from essaim_discovery.cluster.retiring import Retirement, retirements
from essaim_discovery.cluster.scene import Home, Pod, Record, Scene, Workload, pod_of, record_of, workload_of

sys.path.insert(0, str(Path(__file__).parent))
from paper_view import paper_node, paper_view

SIZES = SwarmSizes(3, 3, 5)
SWARMS = (0, 1 << 63, 1 << 62)


def certificate(name: str) -> bytes:
    return b"certificate of " + name.encode()


def node(number: int, role: Role = Role.STORAGE, swarm_id: int | None = None, **facts: object) -> Node:
    """The node of pod `<role>-<number>`."""
    made = paper_node(number, role, swarm_id=swarm_id)
    mine = (certificate(f"{role.name.lower()}-{number}"),)
    return replace(made, descriptor=replace(made.descriptor, certificates=mine, version="0.1.0"), **facts)


def pod(name: str, uid: str = "", **facts: object) -> Pod:
    return Pod(name, uid or f"uid of {name}", name.rpartition("-")[0], f"data-{name}", ("10.0.0.1", 7440), **facts)


def storage_view(count: int = 9, **states: NodeState) -> NetworkView:
    """Swarms of three; `n3=NodeState.AWAY` says that of the node of pod storage-3."""
    nodes = [
        node(number, swarm_id=SWARMS[number // 3], state=states.get(f"n{number}", NodeState.ACTIVE))
        for number in range(count)
    ]
    return paper_view([*nodes, node(0, Role.RELAY), node(1, Role.RELAY)], swarm_sizes=SIZES)


def scene(storage: int = 9, running: int = 9, relays: int = 2, **facts: object) -> Scene:
    """`storage` replicas are wanted, `running` pods are there; every claim is kept."""
    workloads = {
        "storage": Workload("storage", "s", Role.STORAGE, storage),
        "relay": Workload("relay", "r", Role.RELAY, relays),
        "discovery": Workload("discovery", "d", None, 1),
    }
    pods = [pod(f"storage-{number}") for number in range(running)] + [pod("relay-0"), pod("relay-1")]
    claims = {f"data-{name}": f"claim of {name}" for name in names(9)}
    return replace(Scene(workloads, pods, claims), **facts)


def names(storage: int) -> list[str]:
    return [f"storage-{number}" for number in range(storage)] + ["relay-0", "relay-1"]


def shown() -> dict[str, bytes]:
    """What the pods answer with when they are asked."""
    return {f"uid of {name}": certificate(name) for name in names(9)}


def told(view: NetworkView, seen: Scene, remembered: Scene | None = None) -> dict[str, bool]:
    """Who is retired, by the pod, and whether as gone. `remembered`: when it was learnt who lives where."""
    learnt = homes(view, remembered or scene(), shown())
    records = {
        str(number): as_record(view.nodes[node_id], home) for number, (node_id, home) in enumerate(learnt.items())
    }
    known = homes(view, replace(seen, records=records), {})
    return {known[each.node_id].pod: each.gone for each in retirements(view, seen, known)}


def as_record(listed: Node, home: Home) -> Record:
    view = paper_view([listed])
    (wanted,) = changes(view, {listed.node_id: home}, {}).created
    return Record(wanted.name, f"uid of {wanted.name}", listed.node_id, wanted.status, 1)


# Who lives where


def test_node_lives_in_the_pod_that_answers_with_its_certificate():
    view = storage_view()
    found = homes(view, scene(), shown())
    assert {found[each.node_id].pod for each in view.nodes.values()} == set(names(9))
    listed = node(4)
    assert found[listed.node_id] == Home(
        "storage", "storage-4", "uid of storage-4", "data-storage-4", "claim of storage-4"
    )


def test_pods_are_asked_until_their_node_is_known():
    view, seen = storage_view(), scene()
    assert {each.name for each in unknown_pods(view, seen, {})} == set(names(9))
    assert unknown_pods(view, seen, homes(view, seen, shown())) == []
    absent = replace(seen, pods=[pod("storage-0", ending=True), replace(pod("storage-1"), address=None)])
    assert unknown_pods(view, absent, {}) == []


def test_other_node_with_the_same_certificate_shares_the_home_and_takes_nothing():
    thief = replace(node(99), descriptor=replace(node(99).descriptor, certificates=node(7).certificates))
    view = paper_view([*storage_view().nodes.values(), thief], swarm_sizes=SIZES)
    found = homes(view, scene(), shown())
    assert found[node(7).node_id].pod == found[thief.node_id].pod == "storage-7"


def test_pod_of_another_role_or_without_a_claim_is_no_home():
    view = paper_view(
        [replace(node(0), descriptor=replace(node(0).descriptor, certificates=node(0, Role.RELAY).certificates))]
    )
    assert homes(view, scene(), shown()) == {}
    assert homes(storage_view(), scene(claims={}), shown()) == {}


def test_node_stays_with_its_volume_whoever_else_answers_for_it():
    view, seen = storage_view(), scene()
    record = as_record(view.nodes[node(3).node_id], homes(view, seen, shown())[node(3).node_id])
    lies = {**shown(), "uid of storage-8": certificate("storage-3"), "uid of storage-3": b""}
    assert homes(view, replace(seen, records={"x": record}), lies)[node(3).node_id].pod == "storage-3"


def test_restarted_pod_is_the_same_home_with_another_uid():
    view, seen = storage_view(), scene()
    record = as_record(view.nodes[node(3).node_id], homes(view, seen, shown())[node(3).node_id])
    again = replace(seen, pods=[pod("storage-3", "second")], records={"x": record})
    home = homes(view, again, {"second": certificate("storage-3")})[node(3).node_id]
    assert (home.pod, home.pod_uid, home.claim_uid) == ("storage-3", "second", "claim of storage-3")


# Whom to retire


def test_nobody_is_retired_while_the_replicas_stay():
    assert told(storage_view(), scene()) == {}


def test_lowered_replicas_retire_those_beyond_them_and_wait_for_their_data():
    assert told(storage_view(), scene(storage=6)) == {f"storage-{number}": False for number in (6, 7, 8)}


def test_retired_node_is_told_once():
    leaving = {f"n{number}": NodeState.LEAVING for number in (6, 7, 8)}
    assert told(storage_view(**leaving), scene(storage=6)) == {}


def test_restart_eviction_and_loss_of_a_pod_retire_nobody():
    view = storage_view(n3=NodeState.AWAY)
    without = scene(pods=[pod(name) for name in names(9) if name != "storage-3"])
    assert told(view, without) == {}
    assert told(storage_view(), scene(pods=[])) == {}


def test_killed_pod_beyond_the_replicas_is_retired_though_it_is_silent():
    assert told(storage_view(n8=NodeState.AWAY), scene(storage=8, running=8)) == {"storage-8": False}


@pytest.mark.parametrize("replicas", [0, 2])
def test_fewer_than_a_swarm_is_a_pause(replicas: int):
    assert told(storage_view(), scene(storage=replicas)) == {}


def test_release_that_is_removed_retires_nobody():
    ending = {"storage": Workload("storage", "s", Role.STORAGE, 6, ending=True)}
    assert told(storage_view(), scene(workloads=ending, pods=[])) == {}
    assert told(storage_view(), scene(workloads={}, pods=[])) == {}


def test_node_whose_volume_is_gone_is_gone_for_good():
    claims = {f"data-{name}": f"claim of {name}" for name in names(9) if name != "storage-3"}
    lost = scene(claims=claims, pods=[pod(name) for name in names(9) if name != "storage-3"])
    assert told(storage_view(n3=NodeState.AWAY), lost) == {"storage-3": True}
    assert told(storage_view(), lost) == {}, "it still gives signs of life"
    renewed = replace(lost, claims={**claims, "data-storage-3": "another"})
    assert told(storage_view(n3=NodeState.AWAY), renewed) == {"storage-3": True}


def test_more_of_a_swarm_than_it_survives_is_given_up_by_an_operator_alone():
    """Of three members one may be lost; the claims of two are gone."""
    claims = {
        f"data-{name}": f"claim of {name}" for name in names(9) if name not in ("storage-3", "storage-4", "storage-8")
    }
    lost = scene(claims=claims, pods=[])
    view = storage_view(n3=NodeState.AWAY, n4=NodeState.AWAY, n8=NodeState.AWAY)
    assert told(view, lost) == {"storage-8": True}


def test_no_list_of_claims_at_all_gives_up_nobody_of_a_swarm():
    silent = {f"n{number}": NodeState.AWAY for number in range(9)}
    assert told(storage_view(**silent), scene(claims={}, pods=[])) == {}


def test_relay_beyond_the_replicas_leaves_and_is_gone_with_its_pod():
    assert told(storage_view(), scene(relays=1)) == {"relay-1": False}
    view = paper_view([*storage_view().storage(), node(0, Role.RELAY), node(1, Role.RELAY, state=NodeState.LEAVING)])
    assert told(view, scene(relays=1)) == {}
    gone = scene(relays=1, pods=[pod(name) for name in names(9) if name != "relay-1"])
    assert told(view, gone) == {"relay-1": True}


def test_node_of_others_is_never_retired():
    view = storage_view()
    assert retirements(view, scene(storage=3, running=3, pods=[]), {}) == []


def test_retirements_are_in_order():
    view = storage_view()
    found = retirements(view, scene(storage=6), homes(view, scene(), shown()))
    assert found == sorted(found, key=lambda each: each.node_id)
    assert {type(each) for each in found} == {Retirement}


# What is shown


def test_every_node_of_the_view_is_shown_once_and_then_left_alone():
    view = storage_view()
    first = changes(view, {}, {})
    assert {each.name for each in first.created} == {name_of(each) for each in view.nodes.values()}
    assert len({each.name for each in first.created}) == len(view.nodes)
    assert {each for each, _ in first.happened} == {Happening.REGISTERED}
    records = {each.name: Record(each.name, "", each.node_id, each.status, 1) for each in first.created}
    again = changes(view, {}, records)
    assert (again.created, again.updated, again.deleted, again.happened) == ([], [], [], [])


@pytest.mark.parametrize(
    ("before", "after", "happening"),
    [
        (NodeState.ACTIVE, NodeState.AWAY, Happening.WENT_AWAY),
        (NodeState.AWAY, NodeState.ACTIVE, Happening.RETURNED),
        (NodeState.ACTIVE, NodeState.LEAVING, Happening.LEAVING),
        (NodeState.ACTIVE, NodeState.DECOMMISSIONED, Happening.EXPELLED),
        (NodeState.DECOMMISSIONED, NodeState.ACTIVE, Happening.RETURNED),
    ],
)
def test_change_of_state_is_one_update_and_one_event(before: NodeState, after: NodeState, happening: Happening):
    old, new = storage_view(n0=before), storage_view(n0=after)
    records = {each.name: Record(each.name, "", each.node_id, each.status, 1) for each in changes(old, {}, {}).created}
    found = changes(new, {}, records)
    assert [each.name for each in found.updated] == [name_of(node(0))]
    assert list(found.happened) == [(happening, name_of(node(0)))]


def test_move_is_shown_and_is_no_churn():
    still, moving = node(0, swarm_id=SWARMS[0]), node(0, swarm_id=SWARMS[0], move=Move(SWARMS[1], 12))
    records = {
        each.name: Record(each.name, "", each.node_id, each.status, 1)
        for each in changes(paper_view([still]), {}, {}).created
    }
    found = changes(paper_view([moving]), {}, records)
    (status,) = (each.status for each in found.updated)
    assert (status["health"], status["swarm"], status["nextSwarm"]) == ("Moving", "0" * 16, "8" + "0" * 15)
    assert list(found.happened) == []


def test_node_that_left_the_view_is_removed_and_told():
    view = storage_view()
    record = Record("storage-feed", "uid", bytes(32), {}, 3)
    found = changes(view, {}, {"storage-feed": record})
    assert list(found.deleted) == [record]
    assert (Happening.LEFT, "storage-feed") in found.happened


def test_nothing_that_is_shown_names_an_address_or_an_operator():
    view, seen = storage_view(), scene()
    told_of = repr(changes(view, homes(view, seen, shown()), {}))
    assert not [each.address for each in view.nodes.values() if each.address.rpartition(":")[0] in told_of]
    assert view.nodes[node(0).node_id].region not in told_of


# What the API server answers


def test_objects_are_read_as_the_api_server_writes_them():
    meta = {
        "name": "net-storage-3",
        "uid": "u",
        "ownerReferences": [{"kind": "StatefulSet", "name": "net-storage", "controller": True}],
    }
    item = {
        "metadata": meta,
        "spec": {
            "volumes": [
                {"name": "genesis", "configMap": {}},
                {"name": "data", "persistentVolumeClaim": {"claimName": "data-net-storage-3"}},
            ],
            "containers": [
                {"ports": [{"name": "metrics", "containerPort": 9440}, {"name": "grpc", "containerPort": 7440}]}
            ],
        },
        "status": {"phase": "Running", "podIP": "10.244.0.9"},
    }
    assert pod_of(item) == Pod("net-storage-3", "u", "net-storage", "data-net-storage-3", ("10.244.0.9", 7440))
    assert (
        pod_of({**item, "metadata": {**meta, "ownerReferences": [{"kind": "Job", "name": "j", "controller": True}]}})
        is None
    )
    pending = pod_of({**item, "status": {"phase": "Pending"}})
    assert pending is not None
    assert pending.address is None
    labels = {"app.kubernetes.io/component": "storage"}
    stateful = {"metadata": {"name": "net-storage", "uid": "w", "labels": labels}, "spec": {"replicas": 6}}
    assert workload_of(stateful) == Workload("net-storage", "w", Role.STORAGE, 6)
    assert workload_of({**stateful, "metadata": {**stateful["metadata"], "deletionTimestamp": "now"}}).ending


def test_record_is_read_back_as_it_was_written():
    view, seen = storage_view(), scene()
    known = homes(view, seen, shown())
    for wanted in changes(view, known, {}).created:
        item = {
            "metadata": {"name": wanted.name, "uid": "u"},
            "spec": {"nodeId": wanted.node_id.hex(), "role": wanted.role},
            "status": {**wanted.status, "serial": 7},
        }
        record = record_of(item)
        assert (record.status, record.serial) == (dict(wanted.status), 7)
        assert homes(view, replace(seen, records={wanted.name: record}), {}) == {wanted.node_id: known[wanted.node_id]}
