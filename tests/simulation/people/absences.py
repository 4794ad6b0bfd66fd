"""Stories with months and years between: mail, configuration and even the outbox (400 days) expire on the way."""

from contextlib import suppress

from essaim.protocol.manifest import ManifestForkError, ManifestRollbackError
from essaim_client.messaging.directory import UnknownAccountError
from people.gadgets import Gadget
from people.story import DAY, Story


class Absences(Story):
    """What is not sent is said: nobody of the other side was there for longer than an outbox lives, or two managers of
    theirs, who have not heard of each other for as long, have not met again.

    A store that is put back is looked after before more time goes by, as whoever does so would see to it: one from
    before a device was linked, and asleep until no outbox says so, would not know of that device, nor anybody its keys.
    """

    waits = (1, 300, DAY, 8 * DAY, 32 * DAY, 75 * DAY, 130 * DAY, 400 * DAY)

    async def say(self, side: int, gadget: Gadget) -> None:
        with suppress(UnknownAccountError, ManifestForkError, ManifestRollbackError):
            await super().say(side, gadget)

    async def comment(self, side: int, gadget: Gadget) -> None:
        with suppress(UnknownAccountError, ManifestForkError, ManifestRollbackError):
            await super().comment(side, gadget)

    async def put_a_copy_back(self, side: int, gadget: Gadget) -> None:
        await super().put_a_copy_back(side, gadget)
        await gadget.rest()
