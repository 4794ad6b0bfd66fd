"""After a power cut of a whole swarm every member comes to say again that it lacks nothing, whatever of its marks was
lost, in whichever order the links come up, and though some break once more on the way."""

from itertools import permutations, product
from random import Random

import pytest

from essaim.testing.effort import examples
from essaim_storage import effects, events
from essaim_storage.reconcile import BackgroundTimer, RoundTimer
from essaim_storage.tuning import Tuning
from simulated.stage import OWN, B, C, Stage, envelope

IDS = (OWN, B, C)
LINKS = tuple(permutations(IDS, 2))
"""Each leads one way."""
TUNING = Tuning(digest_ids=4, fetch_ids=3, message_records=4)


class Swarm:
    """Three machines. What one says reaches the other in order, over a link of its own that stands, or waits for it."""

    def __init__(self, settled: tuple[bool, ...], rng: Random) -> None:
        self.rng = rng
        self.up: set[tuple[bytes, bytes]] = set()
        self.way: dict[tuple[bytes, bytes], list[object]] = {link: [] for link in LINKS}
        self.stages = {}
        for own_id, is_settled in zip(IDS, settled, strict=True):
            stage = Stage(*(each for each in IDS if each != own_id), own_id=own_id, complete=False, tuning=TUNING)
            kept = [envelope(str(number)) for number in range(12) if rng.random() < 0.9]
            puts = [effects.PutEnvelope(at, each, False) for at, each in enumerate(kept, 1)]
            stage.store.apply([*puts, effects.SetSettled(is_settled)])
            self.stages[own_id] = stage
        for stage in self.stages.values():
            stage.start()

    def do(self, own_id: bytes, event: object) -> None:
        stage = self.stages[own_id]
        found = stage.do(event)
        while True:
            for effect in found:
                if isinstance(effect, effects.Send):
                    self.way[own_id, effect.to].append(effect.message)
            if not stage.commits:
                return
            found = stage.commit()

    def carry(self) -> bool:
        """One message, over a link that stands. False: there is none."""
        ready = [link for link in LINKS if link in self.up and self.way[link]]
        if not ready:
            return False
        sender, receiver = self.rng.choice(ready)
        message = self.way[sender, receiver].pop(0)
        self.do(receiver, events.PeerMessage(sender, message, 1))
        return True

    def link(self, link: tuple[bytes, bytes]) -> None:
        """The first end hears of it; what it had to say before, it says after that."""
        self.up.add(link)
        held, self.way[link] = self.way[link], []
        self.do(link[0], events.LinkUp(link[1]))
        self.way[link] += held

    def cut(self, link: tuple[bytes, bytes]) -> None:
        self.up.discard(link)
        self.way[link].clear()
        self.do(link[0], events.LinkDown(link[1]))

    def tick(self) -> None:
        for own_id in IDS:
            self.do(own_id, events.Fired(BackgroundTimer()))


@pytest.mark.parametrize("settled", list(product((False, True), repeat=3)))
def test_members_become_complete_after_a_power_cut_of_all(settled: tuple[bool, ...]) -> None:
    for seed in range(examples(12)):
        rng = Random(seed)
        swarm = Swarm(settled, rng)
        order = [*LINKS, *rng.sample(LINKS, 2)]
        rng.shuffle(order)
        for link in order:
            if link in swarm.up:
                swarm.cut(link)
            swarm.link(link)
            for _ in range(rng.randrange(12)):
                swarm.carry()
        for _ in range(3):
            while swarm.carry():
                pass
            for sender, receiver in LINKS:  # a round whose answers went down with a link ends by its timer
                swarm.do(sender, events.Fired(RoundTimer(receiver)))
            swarm.tick()
        while swarm.carry():
            pass
        incomplete = [own_id for own_id, stage in swarm.stages.items() if stage.node.incomplete]
        assert not incomplete, f"seed {seed}"
        assert len({stage.store.all_ids() for stage in swarm.stages.values()}) == 1, f"seed {seed}"
