"""What a cluster keeps of a deployment beside its volumes: events, objects, logs; none of it may name a person (N8)."""

import json

from canary.forms import Canary, Kind
from canary.traces import leaks
from deployment import Deployment
from essaim.protocol.account import AccountId
from essaim_client.messaging.addresses import outbox, public_inbox

OBJECTS = "pods,statefulsets,jobs,services,configmaps,secrets,persistentvolumeclaims"


def canaries_of(accounts: list[AccountId]) -> list[Canary]:
    """Their ids and the mailboxes that follow from them."""
    found = [Canary(Kind.ACCOUNT, form) for each in accounts for form in (each.raw, str(each).encode())]
    policies = [policy(each) for each in accounts for policy in (public_inbox, outbox)]
    return found + [Canary(Kind.MAILBOX, each.mailbox_id) for each in policies]


def leavings(deployment: Deployment) -> dict[str, bytes]:
    """By what it is. Logs are of this life of each container, and of the one before where there was one."""
    told = {what: json.dumps(deployment.get(what)).encode() for what in ("events", OBJECTS)}
    for pod in (each["metadata"]["name"] for each in deployment.get("pods")["items"]):
        for before in ("", "--previous"):
            log = deployment.kubectl("logs", pod, "--all-containers", *filter(None, [before]), fails=True)
            told[f"{pod} log{before}"] = log.stdout.encode()
    return told


def named(deployment: Deployment, accounts: list[AccountId]) -> tuple[int, list[str]]:
    """How many bytes were searched, and where somebody was found."""
    told = leavings(deployment)
    found = leaks(told, canaries_of(accounts))
    return sum(map(len, told.values())), sorted({f"{each.where}: {each.kind}, {each.form}" for each in found})
