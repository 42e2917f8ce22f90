# SPDX-License-Identifier: MIT
"""What somebody may have meant who set an attribute that there is not."""

from __future__ import annotations

# Names that other packages have for a setting, and that are spelt unlike it.
_ALIASES = {"ip": "addr", "ipv4": "addr4", "ipv6": "addr6", "capacity": "ring_capacity"}


def settings_like(kind: type, name: str) -> str:
    """Returns the settings of a class whose names are like this one, as in "'addr' or 'mtu'"."""
    from difflib import get_close_matches

    settings = [
        each for each in dir(kind) if getattr(getattr(kind, each, None), "fset", None) is not None
    ]
    likely = get_close_matches(name.lower(), settings)
    alias = _ALIASES.get(name.lower())
    if alias in settings:
        likely.insert(0, alias)
    return " or ".join(map(repr, likely))
