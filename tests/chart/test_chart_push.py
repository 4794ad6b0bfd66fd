"""A push host in the chart: on SQLite alone, on PostgreSQL with replicas, and where its pods may dial."""

import pytest

ON = "push.enabled=true"
PRIVATE = {"10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"}


def test_push_host_is_off_until_asked_for(render):
    assert not render("default").of("StatefulSet", "push")


def test_push_host_alone_keeps_queue_and_keys_on_its_volume(render):
    (owner,) = render("default", ON).of("StatefulSet", "push")
    pod = owner["spec"]["template"]["spec"]
    names = {each["name"] for each in pod["containers"][0]["env"]}
    assert not {name for name in names if name.endswith(("_DATABASE", "_HOST_KEY", "_WEB_PUSH_KEY", "_APNS_KEY"))}
    assert owner["spec"]["replicas"] == 1
    assert {each["name"] for each in pod["volumes"]} == {"genesis", "scripts", "operator"}
    assert render("default", ON).of("PodDisruptionBudget", "push")


def test_push_host_dials_public_addresses_and_names_alone(render):
    (policy,) = render("default", ON).of("NetworkPolicy", "push-to-endpoints")
    to_endpoints, to_names = policy["spec"]["egress"]
    [block] = to_endpoints["to"]
    assert block["ipBlock"]["cidr"] == "0.0.0.0/0" and set(block["ipBlock"]["except"]) == PRIVATE
    assert to_endpoints["ports"] == [{"protocol": "TCP", "port": 443}]
    assert {each["port"] for each in to_names["ports"]} == {53}


def test_push_replicas_share_database_keys_and_credentials(render):
    rendered = render("push")
    (owner,) = rendered.of("StatefulSet", "push")
    container = owner["spec"]["template"]["spec"]["containers"][0]
    env = {each["name"]: each for each in container["env"]}
    assert env["ESSAIM_PUSH_DATABASE"]["valueFrom"]["secretKeyRef"] == {"name": "push-database", "key": "url"}
    assert env["ESSAIM_PUSH_HOST_KEY"]["value"] == "/etc/essaim/host/host-key"
    assert env["ESSAIM_PUSH_WEB_PUSH_KEY"]["value"] == "/etc/essaim/providers/web-push.pem"
    assert env["ESSAIM_PUSH_APNS_KEY"]["value"] == "/etc/essaim/providers/apns.p8"
    assert env["ESSAIM_PUSH_FCM_ACCOUNT"]["value"] == "/etc/essaim/providers/fcm.json"
    assert "ESSAIM_PUSH_PROVIDER_CA" not in env
    mounts = {each["name"]: each for each in container["volumeMounts"]}
    assert mounts["providers"]["readOnly"] and mounts["host-key"]["readOnly"]
    (to_database,) = rendered.of("NetworkPolicy", "push-to-database")
    assert to_database["spec"]["egress"][0]["ports"] == [{"protocol": "TCP", "port": 5432}]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("push.replicas=2", "push.providers.webPushKey"),
        ("push.database.secret=x", "push.database.to is empty"),
        ("push.providers.apnsKey=apns.p8", "push.providers.secret is empty"),
        ("push.databse.secret=x", "databse"),
    ],
)
def test_push_host_that_cannot_work_is_refused_in_words(render, value, said):
    assert said in render("default", ON, value).refusal
