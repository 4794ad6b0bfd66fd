"""A node's keys stay the same, are its own alone, and are never replaced in silence."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from essaim.network.tls import Certificate
from essaim.runtime.identity import load_identity
from essaim.runtime.refusal import StartError
from essaim.runtime.volume import Hold, write_durably
from essaim.testing.clock import FakeClock
from essaim.testing.randomness import SeededRandom


def test_identity_is_made_once(tmp_path: Path) -> None:
    random = SeededRandom(1)
    first = load_identity(tmp_path / "node", random=random)
    second = load_identity(tmp_path / "node", random=random)
    assert first == second
    assert len(first.node_id) == 32
    assert second.signing.public.verifies(first.signing.sign(b"x"), b"x")


def test_identity_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    load_identity(tmp_path / "node")
    assert (tmp_path / "node").stat().st_mode & 0o777 == 0o700
    assert {file.name for file in (tmp_path / "node").iterdir()} == {"identity.key", "tls.key", "tls.der"}
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "node").iterdir()} == {0o600}


def test_identity_is_not_in_its_repr(tmp_path: Path) -> None:
    identity = load_identity(tmp_path, random=SeededRandom(1))
    assert identity.signing.seed.hex() not in repr(identity)
    assert repr(identity.signing.seed) not in repr(identity)
    assert "PRIVATE KEY" not in repr(identity)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("identity.key", b""),
        ("identity.key", b"short"),
        ("tls.der", b"no certificate"),
        ("tls.key", b"no key"),
        ("tls.key", Certificate.make().key_pem),
    ],
)
def test_damaged_file_is_refused_not_replaced(tmp_path: Path, name: str, content: bytes) -> None:
    load_identity(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StartError, match="damaged"):
        load_identity(tmp_path)
    assert (tmp_path / name).read_bytes() == content


def test_volume_that_takes_nothing_is_one_sentence(tmp_path: Path) -> None:
    """The limit of a file's size stands for a full volume: the system refuses the write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(StartError, match="the data folder cannot be used: File too large"):
            load_identity(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_crash_between_the_tls_files_is_mended(tmp_path: Path) -> None:
    before = load_identity(tmp_path)
    (tmp_path / "tls.der").unlink()
    after = load_identity(tmp_path)
    assert after.node_id == before.node_id
    assert after.certificate != before.certificate


def test_write_leaves_the_old_content_when_it_fails(tmp_path: Path) -> None:
    target = tmp_path / "file"
    write_durably(target, b"old")
    with pytest.raises(TypeError):
        write_durably(target, "no bytes")  # type: ignore[arg-type]
    assert target.read_bytes() == b"old"


def test_folder_is_held_by_one(tmp_path: Path) -> None:
    held = Hold(tmp_path)
    with pytest.raises(StartError, match="another process"):
        Hold(tmp_path)
    held.release()
    Hold(tmp_path).release()


def test_folder_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match="cannot be used"):
        Hold(tmp_path / "file")


def test_randomness_of_a_seed_is_the_same_twice() -> None:
    one, two = SeededRandom(7), SeededRandom(7)
    assert [one(16), one(5)] == [two(16), two(5)]
    assert SeededRandom(8)(16) != SeededRandom(7)(16)


def test_clock_stands_until_moved() -> None:
    clock = FakeClock()
    before = clock.now_ms()
    clock.advance(1_500)
    clock.advance(-500)
    assert clock.now_ms() == before + 1_000


def test_status_is_read_without_grpc_or_runtime() -> None:
    """A client must be able to read a refusal without a server's dependencies."""
    code = "import json, sys, essaim.protocol.status; print(json.dumps(sorted(sys.modules)))"
    modules = json.loads(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)
    assert not {"grpc", "prometheus_client", "structlog", "pydantic_settings", "asyncio"} & set(modules)
