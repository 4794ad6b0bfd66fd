"""Codes of the signed view, to which a later version may add: docs/protocol/README.md, "Changes"."""

from enum import IntEnum


class OpenEnum(IntEnum):
    """An enumeration whose unknown codes (above 0) are members, too: not listed, equal to none of those that are."""

    @classmethod
    def _missing_(cls, value: object) -> "OpenEnum | None":
        if not isinstance(value, int) or value <= 0:
            return None
        later = int.__new__(cls, value)
        later._name_ = "LATER"
        later._value_ = value
        return later

    @property
    def known(self) -> bool:
        """Whether this version knows what it means."""
        return self.name in type(self).__members__
