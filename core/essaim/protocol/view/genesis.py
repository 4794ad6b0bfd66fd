"""The genesis: whom to trust and how to begin. Its hash names the network."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from essaim.protocol.kdf import blake2b256
from essaim.protocol.keys import KeyRefusedError, SigningKey, VerifyKey
from essaim.protocol.view.authority import sign, signers, threshold
from essaim.protocol.view.parameters import Parameters
from essaim.protocol.view.refusal import BadSignatureError, MalformedError
from essaim.protocol.view.wire import parse, require
from essaim.view.v1 import view_pb2

NETWORK_LABEL = b"essaim/genesis/v1"
SIGNATURE_LABEL = b"essaim/genesis-signature/v1"
MAX_AUTHORITIES = 100


@dataclass(frozen=True)
class Genesis:
    """A genesis that every one of its authorities has signed. Make one with `parse` or `create`."""

    signed: bytes
    """The serialised SignedGenesis: what a genesis file holds."""
    network_id: bytes
    network_name: str
    authorities: tuple[VerifyKey, ...]
    parameters: Parameters
    discovery_certificates: tuple[bytes, ...]
    """DER; a node that dials discovery trusts exactly these."""
    created_ms: int

    @cached_property
    def threshold(self) -> int:
        """How many authorities must sign a view."""
        return threshold(len(self.authorities))

    @classmethod
    def parse(cls, signed: bytes) -> "Genesis":
        """The genesis in a file's bytes; MalformedError, BadSignatureError."""
        outer = parse(view_pb2.SignedGenesis, signed)
        inner = parse(view_pb2.Genesis, outer.genesis)
        require(0 < len(inner.authorities) <= MAX_AUTHORITIES, "a genesis names 1 to 100 authorities")
        require(len(set(inner.authorities)) == len(inner.authorities), "an authority is named twice")
        try:
            authorities = tuple(VerifyKey(raw) for raw in inner.authorities)
        except KeyRefusedError as error:
            raise MalformedError("an authority's key is none") from error
        if len(signers(authorities, outer.signatures, SIGNATURE_LABEL, outer.genesis)) < len(authorities):
            raise BadSignatureError("a genesis is signed by each of its authorities")
        return cls(
            signed=signed,
            network_id=blake2b256(NETWORK_LABEL, outer.genesis),
            network_name=inner.network_name,
            authorities=authorities,
            parameters=Parameters.from_message(inner.parameters),
            discovery_certificates=tuple(inner.discovery_certificates),
            created_ms=inner.created_ms,
        )

    @classmethod
    def create(
        cls,
        network_name: str,
        authorities: Sequence[SigningKey],
        parameters: Parameters,
        discovery_certificates: Sequence[bytes],
        created_ms: int,
    ) -> "Genesis":
        """A new genesis, signed by all authorities; the same arguments give the same bytes."""
        inner = view_pb2.Genesis(
            network_name=network_name,
            authorities=[key.public.raw for key in authorities],
            parameters=parameters.to_message(),
            discovery_certificates=discovery_certificates,
            created_ms=created_ms,
        ).SerializeToString(deterministic=True)
        signatures = [sign(index, key, SIGNATURE_LABEL, inner) for index, key in enumerate(authorities)]
        outer = view_pb2.SignedGenesis(genesis=inner, signatures=signatures)
        return cls.parse(outer.SerializeToString(deterministic=True))
