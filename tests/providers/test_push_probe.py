"""`essaim-push probe`, as an operator runs it."""

import asyncio
import json
import os
import sys
from io import StringIO

import pytest

from essaim_push.providers.probe import probe
from push_receivers import ROOT, receiver


async def run(folder, *arguments: str, text: str = "") -> tuple[int, str, str]:
    command = [
        sys.executable,
        "-c",
        "import sys; from essaim_push.providers.probe import probe; sys.exit(probe(sys.argv[1:]))",
    ]
    process = await asyncio.create_subprocess_exec(
        *command, "--data-dir", str(folder), *arguments, cwd=ROOT, env={**os.environ},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    told, complained = await process.communicate(text.encode())
    return process.returncode or 0, told.decode(), complained.decode()


async def test_probe_tries_credentials_and_notifies_nobody(tmp_path):
    with receiver("apns", tmp_path / "apns") as apple, receiver("fcm", tmp_path / "fcm") as google:
        authorities = tmp_path / "both.pem"
        authorities.write_text("".join((tmp_path / each / "ca.pem").read_text() for each in ("apns", "fcm")))
        named = [
            f"--{name.replace('_', '-')}={apple.about[name]}" for name in ("apns_key_id", "apns_team", "apns_topic")
        ]
        given = (
            *("--provider-ca", str(authorities), "--apns-key", apple.about["credentials"], *named),
            *("--apns-url", apple.about["url"], "--fcm-url", google.about["url"]),
            *("--fcm-account", google.about["credentials"]),
        )
        (code, told, _), (wrong, complaint, _) = await asyncio.gather(
            run(tmp_path, *given), run(tmp_path / "other", *given, "--apns-team", "ZZZ123ZZZZ")
        )

        assert (code, told.count("credentials are accepted")) == (0, 2), told
        assert wrong == 1 and "apns      try again: credentials" in complaint
        assert not any("payload" in each for each in await apple.received())
        assert not any("message" in each for each in await google.received())


async def test_probe_sends_one_wake(tmp_path):
    with receiver("web-push", tmp_path / "web") as service:
        text = json.dumps(service.about["subscription"])
        given = ("--provider-ca", service.about["ca"], "--endpoint", "-", "--preview")
        code, told, _ = await run(tmp_path, *given, "--endpoint-networks", "127.0.0.0/8", text=text)
        assert code == 0 and told.startswith("web_push  delivered, in "), told
        assert len(await service.received()) == 1

        code, told, _ = await run(tmp_path, *given, text=text)
        assert code == 1 and told.startswith("web_push  rejected: forbidden"), told
        assert service.about["subscription"]["endpoint"] not in told


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--endpoint", "-"), "{}"),
        (("--endpoint", "-"), "no JSON"),
        (("--endpoint", "-"), '{"fcm": "0123456789abcdef"}'),
        (("--endpoint", "/no/such/file"), ""),
        (("--apns-key", "/no/such/file"), ""),
        (("--fcm-account", "/no/such/file"), ""),
        (("--endpoint-networks", "10.0.0.1/8"), ""),
    ],
)
def test_probe_of_wrong_input_is_one_sentence(tmp_path, capsys, monkeypatch, arguments, text):
    monkeypatch.setattr("sys.stdin", StringIO(text))
    code = probe(["--data-dir", str(tmp_path), *arguments])
    told, complaint = capsys.readouterr()

    assert code == 2 and told == ""
    assert complaint.startswith("essaim-push probe: ") and complaint.count("\n") == 1 and complaint.endswith(".\n")
