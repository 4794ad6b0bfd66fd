"""The Double Ratchet (Signal, revision 4, section 4.4): one session between two devices.

message   header on the wire | ChaCha20-Poly1305(message key, the header's nonce, plaintext, associated data)
associated data = the session's 32 bytes || the header on the wire
"""

from collections.abc import Iterator

from essaim.protocol.device import Random
from essaim.protocol.ratchet.aead import MAC_SIZE, seal, unseal
from essaim.protocol.ratchet.chain import Chain, ChainName, step_root
from essaim.protocol.ratchet.errors import (
    DuplicateError,
    NotOursError,
    NotYetAnsweredError,
    TooManySkippedError,
    UnreadableError,
)
from essaim.protocol.ratchet.header import Header, body_nonce, open_header, wire_size
from essaim.protocol.ratchet.pair import RatchetPair, RatchetPublic
from essaim.protocol.ratchet.skipped import MAX_SKIP, SkippedKey, SkippedKeys
from essaim.protocol.ratchet.state import State
from essaim.protocol.ratchet.suite import HYBRID, Suite


def overhead(suite: Suite) -> int:
    """How much longer a message is than its plaintext: 2364 bytes with the hybrid suite."""
    return wire_size(suite) + MAC_SIZE


class DoubleRatchet:
    """A session. `state` is replaced as a whole when a message is sealed or accepted, and by nothing else."""

    def __init__(self, state: State) -> None:
        self.state = state

    @classmethod
    def initiate(  # RatchetInitAliceHE
        cls,
        secret: bytes,
        header_keys: tuple[bytes, bytes],
        receiver: RatchetPublic,
        associated_data: bytes,
        random: Random,
        suite: Suite = HYBRID,
    ) -> "DoubleRatchet":
        """Alice. `header_keys` are her first one and the responder's next one; `receiver` is his signed prekeys."""
        own = RatchetPair.create(suite, random)
        state = State(
            suite, associated_data, secret, own, b"", None, None, 0, header_keys[0], header_keys[1], SkippedKeys()
        )
        return cls(_step_sending(state, receiver, 0))

    @classmethod
    def respond(  # RatchetInitBobHE
        cls,
        secret: bytes,
        header_keys: tuple[bytes, bytes],
        own: RatchetPair,
        associated_data: bytes,
        suite: Suite = HYBRID,
    ) -> "DoubleRatchet":
        """Bob, with the private parts of his signed prekeys as his first ratchet keys."""
        state = State(
            suite, associated_data, secret, own, b"", None, None, 0, header_keys[1], header_keys[0], SkippedKeys()
        )
        return cls(state)

    @classmethod
    def decode(cls, data: bytes) -> "DoubleRatchet":
        return cls(State.decode(data))

    def encode(self) -> bytes:
        return self.state.encode()

    @property
    def answered(self) -> bool:
        """Whether the other side was ever heard in this session."""
        return self.state.receiving is not None

    @property
    def export_key(self) -> bytes | None:
        """The newest key that the other side has, too: of the step that it made last. None before it was heard."""
        exports = self.state.exports
        return exports[-2].key if self.answered and len(exports) > 1 else None

    @property
    def export_keys(self) -> list[bytes]:
        """Those that the other side may use, the newest first."""
        return [each.key for each in reversed(self.state.exports)]

    def receiving_keys(self) -> list[tuple[bytes, int]]:
        """The header keys of the current and the next receiving chain, each with the next number in it."""
        current = self.state.receiving
        following = [(self.state.next_receiving, 0)]
        return [(current.name.header_key, current.number), *following] if current else following

    def encrypt(self, plaintext: bytes, random: Random) -> bytes:
        state = self.state
        if state.sending is None:
            raise NotYetAnsweredError("nothing can be sent in this session before something was received")
        header = Header(state.own.public.encode(), state.ciphertext, state.previous, state.sending.number)
        wire = header.write(state.suite, state.sending.name.header_key, random)
        sending, message_key = state.sending.step()
        self.state = state._replace(sending=sending)
        return wire + seal(message_key, body_nonce(state.suite, wire), plaintext, state.associated_data + wire)

    def decrypt(self, message: bytes, now: int, random: Random) -> bytes:
        """The plaintext, and a new `state`. Refused (`RatchetError`, `MalformedError`): the state is as it was."""
        size = wire_size(self.state.suite)
        if len(message) < size + MAC_SIZE:
            raise UnreadableError("too short for a message")
        wire, box = message[:size], message[size:]
        state, message_key = _key_for(self.state, wire, now, random)
        plaintext = unseal(message_key, body_nonce(state.suite, wire), box, state.associated_data + wire)
        if plaintext is None:
            raise UnreadableError("the message was altered")
        self.state = state
        return plaintext

    def expire(self, now: int) -> bool:
        """Erase skipped keys that are past their time; whether there were any."""
        skipped = self.state.skipped.unexpired(now)
        changed = len(skipped) != len(self.state.skipped)
        self.state = self.state._replace(skipped=skipped)
        return changed


def _names(state: State) -> Iterator[ChainName]:
    """Every chain whose messages may come, the likely ones first."""
    current = state.receiving.name if state.receiving else None
    if current is not None:
        yield current
    yield from (name for name in state.skipped.chains() if name != current)
    yield ChainName(state.next_receiving, b"")


def _key_for(state: State, wire: bytes, now: int, random: Random) -> tuple[State, bytes]:
    """The message key for a header, and the state that follows if the message turns out to be genuine."""
    if len(state.skipped):
        state = state._replace(skipped=state.skipped.unexpired(now))
    for name in _names(state):
        header = open_header(state.suite, name, wire)
        if header is not None:
            return _key_in_chain(state, name, header, now, random)
    raise NotOursError("no header key of this session opens the message")


def _key_in_chain(state: State, name: ChainName, header: Header, now: int, random: Random) -> tuple[State, bytes]:
    message_key = state.skipped.find(name, header.number)
    if message_key is not None:
        return state._replace(skipped=state.skipped.without(name, header.number)), message_key
    current = state.receiving
    if name.peer and (current is None or name != current.name):
        raise DuplicateError("a message of an earlier chain, opened before or past its time")
    if current is None or name != current.name:
        state = _turn(state, header, now, random)
    assert state.receiving is not None
    return _advance(state, state.receiving, header.number, now)


def _advance(state: State, chain: Chain, number: int, now: int) -> tuple[State, bytes]:
    """Take the key of message `number` from the current chain, keeping those of the messages before it."""
    if number < chain.number:
        raise DuplicateError("this message was opened before")
    if number > chain.number:
        state, chain = _skip(state, chain, number, now)
    receiving, message_key = chain.step()
    return state._replace(receiving=receiving), message_key


def _skip(state: State, chain: Chain, until: int, now: int) -> tuple[State, Chain]:
    """SkipMessageKeysHE: the keys up to message `until` are kept for when their messages come."""
    if until - chain.number > MAX_SKIP:
        raise TooManySkippedError(f"more than {MAX_SKIP} messages would be skipped")
    added = {}
    while chain.number < until:
        number = chain.number
        chain, message_key = chain.step()
        added[chain.name, number] = SkippedKey(now, message_key)
    return state._replace(skipped=state.skipped.with_added(added)), chain


def _turn(state: State, header: Header, now: int, random: Random) -> State:
    """DHRatchetHE: the other side has new keys. Finish its old chain, follow it, and make new keys of our own."""
    old = state.receiving
    if old is not None and old.number < header.previous <= old.number + MAX_SKIP:
        state, _ = _skip(state, old, header.previous, now)  # more than that are given up, the session is not
    sender = header.sender
    root = step_root(state.suite, state.root_key, state.own.receive(sender, header.ciphertext))
    name = ChainName(state.next_receiving, sender.agreement.raw)
    state = state._replace(
        root_key=root.root_key,
        receiving=Chain(name, root.chain_key, 0),
        next_receiving=root.next_header_key,
        exports=state.exports.with_added(root.export_key, now),
        previous=state.sending.number if state.sending else 0,
        own=RatchetPair.create(state.suite, random),
    )
    return _step_sending(state, sender, now)


def _step_sending(state: State, receiver: RatchetPublic, now: int) -> State:
    shared, ciphertext = state.own.send(receiver)
    root = step_root(state.suite, state.root_key, shared)
    name = ChainName(state.next_sending, state.own.agreement.public.raw)
    return state._replace(
        root_key=root.root_key,
        ciphertext=ciphertext,
        sending=Chain(name, root.chain_key, 0),
        next_sending=root.next_header_key,
        exports=state.exports.with_added(root.export_key, now),
    )
