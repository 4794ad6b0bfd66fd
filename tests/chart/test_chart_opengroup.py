"""A host of open groups in the chart: on SQLite alone, on PostgreSQL with replicas, with the page and without."""

ON = "opengroup.enabled=true"


def test_host_is_off_until_asked_for(render):
    assert not render("default").of("StatefulSet", "opengroup")


def test_host_alone_keeps_rooms_and_key_on_its_volume(render):
    rendered = render("default", ON)
    (owner,) = rendered.of("StatefulSet", "opengroup")
    pod = owner["spec"]["template"]["spec"]
    names = {each["name"] for each in pod["containers"][0]["env"]}
    assert not names & {"ESSAIM_OPENGROUP_DATABASE", "ESSAIM_OPENGROUP_HOST_KEY", "ESSAIM_OPENGROUP_PAGE"}
    assert owner["spec"]["replicas"] == 1
    assert {each["name"] for each in pod["volumes"]} == {"genesis", "scripts", "operator"}
    assert not rendered.of("Service", "opengroup-page")
    policies = {each["metadata"]["name"] for each in rendered.of("NetworkPolicy", "opengroup")}
    assert policies == {
        f"net-essaim-{each}"
        for each in (
            "relay-to-opengroup",
            "opengroup-from-relay",
            "opengroup-to-discovery",
            "discovery-from-opengroup",
            "grade-to-opengroup",
            "discovery-to-opengroup",
            "opengroup-from-discovery",
            "opengroup-from-grade",
            "opengroup-metrics",
        )
    }


def test_replicas_share_database_and_key_and_reach_both(render):
    rendered = render("rooms")
    (owner,) = rendered.of("StatefulSet", "opengroup")
    container = owner["spec"]["template"]["spec"]["containers"][0]
    env = {each["name"]: each for each in container["env"]}
    assert env["ESSAIM_OPENGROUP_DATABASE"]["valueFrom"]["secretKeyRef"] == {"name": "rooms-database", "key": "url"}
    assert env["ESSAIM_OPENGROUP_HOST_KEY"]["value"] == "/etc/essaim/host/host-key"
    assert env["ESSAIM_OPENGROUP_PAGE"]["value"] == "0.0.0.0:8080"
    assert env["ESSAIM_OPENGROUP_FOLLOWERS"]["value"] == "20000"
    assert env["ESSAIM_OPENGROUP_NAME"]["value"] == "Example rooms"
    assert {"name": "page", "containerPort": 8080, "protocol": "TCP"} in container["ports"]
    (to_database,) = rendered.of("NetworkPolicy", "opengroup-to-database")
    assert to_database["spec"]["egress"][0]["ports"] == [{"protocol": "TCP", "port": 5432}]
    (page,) = rendered.of("NetworkPolicy", "opengroup-page")
    assert page["spec"]["ingress"][0]["ports"] == [{"protocol": "TCP", "port": 8080}]
    (service,) = rendered.of("Service", "opengroup-page")
    assert service["spec"]["type"] == "ClusterIP"


def test_what_cannot_work_is_refused_in_words(render):
    two = render("default", ON, "opengroup.replicas=2")
    assert "opengroup.database.secret" in two.refusal
    lost = render("default", ON, "opengroup.database.secret=x")
    assert "opengroup.database.to is empty" in lost.refusal
    typo = render("default", ON, "opengroup.databse.secret=x")
    assert "databse" in typo.refusal
