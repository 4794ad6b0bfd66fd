"""Room for the epochs of a closed group: whoever gives many, pushes out their own before those of anybody else."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping

from essaim.protocol.group.epoch import Epoch
from essaim_client.store.closed_groups import Heard

EPOCHS_MAX = 64


def without_room(
    epochs: Mapping[bytes, Epoch],
    heard: Mapping[bytes, Heard],
    needed: Collection[bytes],
    fits: Callable[[Epoch], bool],
) -> list[bytes]:
    """The ids of those beyond 64: of who has given most, what nobody speaks in any more, then what was heard first.

    `epochs` are in the order of their coming; `needed`: ids of those that stay, whoever gave them.
    """
    gone: list[bytes] = []
    left = {epoch_id: heard[epoch_id] for epoch_id in epochs}
    while len(left) > EPOCHS_MAX:
        counts = Counter(each.giver for epoch_id, each in left.items() if epoch_id not in needed)
        most = max(counts.values())
        free = [each for each in left if each not in needed and counts[left[each].giver] == most]
        gone.append(next((each for each in free if not fits(epochs[each])), free[0]))
        del left[gone[-1]]
    return gone
