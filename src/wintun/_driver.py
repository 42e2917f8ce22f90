"""The version of the driver that runs."""

from __future__ import annotations

from . import _wintun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._records import DriverVersion


def get_driver_version() -> DriverVersion:
    """Returns the version of the Wintun driver that the system has loaded.

    The system loads the driver when the first adapter is created or opened.

    Raises:
        FileNotFoundError: The driver is not loaded (`winerror` 2).
        OSError: The system refused to tell.
    """
    from ._records import DriverVersion

    version = _wintun.get_driver_version()
    return DriverVersion(version >> 16, version & 0xFFFF)
