"""Keys that check each signature once: the members of a simulated swarm all check the same ones."""

from functools import cached_property

from essaim.protocol.keys import VerifyKey


class RememberedKey(VerifyKey):
    """A `VerifyKey` of equal bytes, and its answers so far. Each is the real one's: what is forged stays refused."""

    @cached_property
    def _answers(self) -> dict[tuple[bytes, bytes], bool]:
        return {}

    def verifies(self, signature: bytes, message: bytes) -> bool:
        asked = signature, message
        if asked not in self._answers:
            self._answers[asked] = super().verifies(signature, message)
        return self._answers[asked]
