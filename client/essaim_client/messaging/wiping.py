"""Everything of this account, or of this device, is deleted on the swarm; and what proves it."""

from dataclasses import dataclass

from essaim.protocol.configuration_mailbox import ConfigurationMailbox
from essaim.protocol.generation import GenerationMailbox
from essaim.protocol.mailbox.policy import Policy
from essaim_client.mailbox.access import Authority
from essaim_client.mailbox.notices import Notices
from essaim_client.mailbox.receipts import Proof
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.messaging.configuration_sync import ConfigurationSync
from essaim_client.messaging.own_inbox import OwnInbox
from essaim_client.messaging.own_mailboxes import OwnMailboxes
from essaim_client.messaging.profile import Profile


@dataclass(frozen=True)
class Wiped:
    """One mailbox that is empty, as `nodes` have signed (node ids); `proof` holds without the network."""

    mailbox: str
    nodes: frozenset[bytes]
    proof: Proof


class Wiping:
    """On the swarm; the local files are the home's own to remove."""

    def __init__(self, swarms: Swarms, profile: Profile, configuration: ConfigurationSync, inbox: OwnInbox) -> None:
        self._swarms = swarms
        self._inbox = inbox
        self._profile = profile
        self._configuration = configuration
        self._mailboxes = OwnMailboxes(profile)
        self._notices = Notices(swarms)

    async def device(self) -> list[Wiped]:
        """What only this device can name."""
        mailbox = GenerationMailbox.of(self._profile.device.keys)
        return [await self._wipe("generation", mailbox.policy, Authority(mailbox.signer))]

    async def account(self) -> list[Wiped]:
        """Inbox, outbox and configuration of the account: it is gone for everybody (NotAManagerError)."""
        outbox = self._mailboxes.manifest()
        wiped = [await self._wipe("inbox", self._mailboxes.inbox_policy, Authority(self._mailboxes.inbox_owner()))]
        for policy, owner in self._inbox.owned(self._swarms.clock.now_ms()):
            wiped.append(await self._wipe("private inbox", policy, owner))
        kept = self._configuration.kept_key()
        if kept is not None:
            mailbox = ConfigurationMailbox(kept[1])
            wiped.append(await self._wipe("configuration", mailbox.policy, Authority(mailbox.signer)))
        wiped.append(await self._wipe("outbox", self._mailboxes.outbox_policy, outbox))
        return [*wiped, *await self.device()]

    async def _wipe(self, name: str, policy: Policy, owner: Authority) -> Wiped:
        proof = await self._notices.delete_all(policy, owner)
        return Wiped(name, proof.holders(), proof)
