"""From what was observed to a grade. A: all that is promised. B, C: TLS with something less. F: do not use it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from essaim.network.tls import SERVER_NAME
from essaim_client.linkgrade.probe import Observed

TLS13 = 0x0304
SUITES = {0x1301: "AES-128-GCM", 0x1302: "AES-256-GCM", 0x1303: "ChaCha20-Poly1305"}
X25519MLKEM768 = 0x11EC
GROUPS = {X25519MLKEM768: "X25519MLKEM768", 0x001D: "X25519", 0x0017: "P-256", 0x0018: "P-384", 0x0019: "P-521"}


class Grade(Enum):
    """Best first."""

    A = "A"
    B = "B"
    C = "C"
    F = "F"


@dataclass(frozen=True)
class Finding:
    """One of the things that were looked at; `grade`: the best that a link can get with it."""

    what: str
    grade: Grade
    words: str


def judge(seen: Observed, certificates: Sequence[bytes]) -> list[Finding]:
    """`certificates`: what the signed view gives the node, DER."""
    if not seen.reached:
        return [Finding("reached", Grade.F, "nobody answers there")]
    return [*_handshake(seen), _certificate(seen, certificates), *_lesser(seen), *_told(seen)]


def overall(findings: Sequence[Finding]) -> Grade:
    """The worst."""
    return max((each.grade for each in findings), key=lambda grade: list(Grade).index(grade))


def _handshake(seen: Observed) -> Iterator[Finding]:
    chosen = seen.chosen
    if chosen is None:
        yield Finding("version", Grade.F, "no TLS")
        return
    good = chosen.version == TLS13
    yield Finding("version", Grade.A if good else Grade.C, "TLS 1.3" if good else f"0x{chosen.version:04x}")
    suite = SUITES.get(chosen.suite, f"0x{chosen.suite:04x}")
    yield Finding("suite", Grade.A if chosen.suite in SUITES else Grade.C, suite)
    group = GROUPS.get(chosen.group, f"0x{chosen.group:04x}")
    yield Finding("key exchange", Grade.A if chosen.group == X25519MLKEM768 else Grade.B, group)


def _certificate(seen: Observed, certificates: Sequence[bytes]) -> Finding:
    shown = seen.certificate is not None and seen.certificate in certificates
    if shown and seen.accepted:
        return Finding("certificate", Grade.A, "the view's")
    return Finding("certificate", Grade.F, "none" if seen.certificate is None else "not the view's")


def _lesser(seen: Observed) -> Iterator[Finding]:
    """What somebody gets who asks for less."""
    words = f"{seen.older} accepted" if seen.older else "refused"
    yield Finding("older TLS", Grade.C if seen.older else Grade.A, words)
    yield Finding("plaintext", Grade.F if seen.plaintext else Grade.A, "accepted" if seen.plaintext else "refused")


def _told(seen: Observed) -> Iterator[Finding]:
    """What a bystander learns of whom is dialled."""
    name = seen.told.name if seen.told is not None else ""
    words = "the constant" if name == SERVER_NAME else ("another than the constant" if name else "none seen")
    yield Finding("name sent", Grade.A if name == SERVER_NAME else Grade.C, words)
    yield Finding("names asked", Grade.C if seen.asked else Grade.A, ", ".join(sorted(set(seen.asked))) or "none")
