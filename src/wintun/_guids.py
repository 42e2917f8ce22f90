# SPDX-License-Identifier: MIT
"""GUIDs of adapters, in the layout that Windows has in memory."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import uuid
    from typing import Union

    GuidInput = Union[uuid.UUID, str, bytes]


def random_guid() -> bytes:
    """Returns a GUID of random bits (version 4 of RFC 9562) in Windows' layout."""
    number = bytearray(os.urandom(16))
    number[7] = number[7] & 0x0F | 0x40
    number[8] = number[8] & 0x3F | 0x80
    return bytes(number)


def guid_bytes(guid: GuidInput | None) -> bytes | None:
    """Returns a GUID in the layout that it has in Windows' memory."""
    if guid is None:
        return None
    import uuid

    if isinstance(guid, uuid.UUID):
        return guid.bytes_le
    if isinstance(guid, bytes):
        if len(guid) != 16:
            raise ValueError(f"guid must be 16 bytes, not {len(guid)}: {guid!r}")
        return guid
    if not isinstance(guid, str):
        raise TypeError(f"guid must be a uuid.UUID, str or bytes, not {type(guid).__name__}")
    try:
        return uuid.UUID(guid).bytes_le
    except ValueError:
        raise ValueError(f"not a GUID: {guid!r}") from None
