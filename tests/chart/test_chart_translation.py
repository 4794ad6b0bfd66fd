"""The post-renderer of the old test cluster: what it changes is its list, and nothing else."""

import copy
from importlib import util
from pathlib import Path

import pytest

E2E = Path(__file__).resolve().parent.parent / "e2e"


@pytest.fixture(scope="module")
def translate():
    spec = util.spec_from_file_location("translate", E2E / "plugins" / "old-kubernetes" / "translate.py")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_entry_of_the_list_changes_something(translate, scenario):
    told = translate.translate(copy.deepcopy(scenario.docs))
    assert {change.what for change in translate.CHANGES} == {line.partition(": ")[2] for line in told}


def test_nothing_else_is_changed(translate, scenario):
    """Field by field: what is gone or other is named by the list."""
    docs = copy.deepcopy(scenario.docs)
    translate.translate(docs)
    differing = {path for old, new in zip(scenario.docs, docs, strict=True) for path in differences(old, new)}
    assert differing == {
        "PodDisruptionBudget.apiVersion",
        "PodDisruptionBudget.spec.unhealthyPodEvictionPolicy",
        "StatefulSet.spec.minReadySeconds",
        "StatefulSet.spec.persistentVolumeClaimRetentionPolicy",
    }


def differences(old, new):
    """Paths of fields, two levels below the kind."""
    for key in old.keys() | new.keys():
        if key == "spec":
            below = old["spec"].keys() | new["spec"].keys()
            yield from (
                f"{old['kind']}.spec.{each}" for each in below if old["spec"].get(each) != new["spec"].get(each)
            )
        elif old.get(key) != new.get(key):
            yield f"{old['kind']}.{key}"


def test_chart_refuses_an_old_cluster_until_a_value_lowers_it(render):
    refused = render("tiny", kube="1.20.2").refusal
    assert "Kubernetes v1.20.2 is older than 1.31, the oldest that this chart is made for" in refused
    assert not render("tiny", "minimumKubernetesVersion=1.20", kube="1.20.2").refusal
