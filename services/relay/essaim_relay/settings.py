"""What a relay can be told."""

from essaim.runtime.settings import NodeSettings


class RelaySettings(NodeSettings, service="relay"):
    """Settings of the relay."""
