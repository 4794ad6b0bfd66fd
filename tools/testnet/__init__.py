"""A whole network on loopback: discovery, relays, storage nodes, each a real process with real TLS.

python -m testnet up | status | kill NAME | start NAME | add storage N | retire NAME | drain NAME | down
                                                     (in tools/; state in --folder)
Testnet(folder, layout).up()                         (demo, tests, bench)
"""

from testnet.layout import Layout
from testnet.network import Testnet

__all__ = ["Layout", "Testnet"]
