"""Objects that stand for something of the process: a copy of one would be a second owner."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, SupportsIndex


class NotCopyable:
    """Refuses to be copied and pickled."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: SupportsIndex, /) -> NoReturn:
        raise TypeError(
            f"cannot copy or pickle a {type(self).__qualname__}: it belongs to this process"
        )
