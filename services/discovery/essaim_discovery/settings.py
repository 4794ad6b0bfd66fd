"""What discovery can be told. Everything that others must agree on is in the genesis instead."""

from essaim.runtime.settings import NodeSettings


class DiscoverySettings(NodeSettings, service="discovery"):
    """Settings of discovery."""
