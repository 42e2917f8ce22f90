"""Which Wintun implementation the process uses.

A library is loaded by its absolute path only, never by a bare name: that would let a file in the
current folder or on PATH into a process that mostly runs as Administrator.
"""

from __future__ import annotations

import errno
import os
import sys
from io import FileIO

from . import _wintun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

ENVIRONMENT_VARIABLE = "WINTUN_DLL"

# SHA-256 of wintun.dll for each architecture that Python runs on, by version: each release of the
# driver that a wheel may carry, the newest last.
OFFICIAL_SHA256 = {
    "0.14.1": {
        "win-amd64": "e5da8447dc2c320edc0fc52fa01885c103de8c118481f683643cacc3220dafce",
        "win-arm64": "f7ba89005544be9d85231a9e0d5f23b2d15b3311667e2dad0debd344918a3f80",
        "win32": "d694fa46ab4cfebcb2632d094c7aa97278eef2f8052438621766d863ae98a931",
    },
}
OFFICIAL_VERSION = list(OFFICIAL_SHA256)[-1]

_ERROR_FILE_NOT_FOUND = 2
_ERROR_FILE_CORRUPT = 1392
_ERROR_BAD_PATHNAME = 161
_ERROR_BAD_EXE_FORMAT = 193


def load(path: str | os.PathLike[str]) -> None:
    """Loads a Wintun implementation and uses it for all adapters that are made from then on.

    Adapters that exist stay with the library that they were made with. Loading a library twice is
    fine. A file loaded this way is not compared with the official one.

    Args:
        path: Absolute path of the shared library.

    Raises:
        TypeError: The path is not a `str` or a path object that gives one.
        ValueError: The path is not absolute.
        FileNotFoundError: There is no such file.
        OSError: The file is no Wintun library for this process.
    """
    name = os.fspath(path)
    if not isinstance(name, str):
        raise TypeError(f"path must be a str or os.PathLike[str], not {type(path).__name__}")
    if not _is_absolute(name):
        raise ValueError(f"path must be absolute: {name!r}")
    _load_absolute(name)


def library_path() -> str | None:
    """Returns the absolute path of the Wintun implementation that is in use.

    None as long as none was needed: the default one is loaded by the first call that needs it.
    """
    path = _wintun.library_path()
    return None if path is None else os.fsdecode(path)


def load_default() -> None:
    """Loads the library that is meant where the program did not choose one.

    The extension calls this when it needs a library and has none.
    """
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    if chosen:
        if not _is_absolute(chosen):
            raise _error(
                f"the environment variable {ENVIRONMENT_VARIABLE} must be an absolute path",
                chosen,
                errno.EINVAL,
                _ERROR_BAD_PATHNAME,
            )
        try:
            _load_absolute(chosen)
        except OSError as error:
            raise _error(
                f"{error.strerror}; the environment variable {ENVIRONMENT_VARIABLE} names this "
                "file",
                chosen,
                error.errno or errno.EIO,
                getattr(error, "winerror", 0),
            ) from error
    elif sys.platform == "win32":
        _load_official()
    else:
        _load_absolute(simulator_path())


def simulator_path() -> str:
    """Returns the absolute path of the simulator that is part of the package."""
    return _beside("wintunsim.dll" if sys.platform == "win32" else "libwintunsim.so")


def bundled_path() -> str:
    """Returns the absolute path of the bundled wintun.dll, whether there is one or not."""
    return _beside("wintun.dll")


def file_sha256(path: str) -> str:
    """Returns the SHA-256 of a file as 64 hexadecimal digits."""
    import hashlib

    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def hold(path: str) -> BinaryIO:
    """Opens a file that on Windows nobody can change, rename or delete until it is closed.

    Nor can a folder on the way to it be renamed. So what is read from it is what is loaded by its
    path meanwhile.
    """
    descriptor = _wintun.hold_file(os.fsencode(path))
    if sys.platform == "win32":
        import msvcrt

        handle = descriptor
        try:
            descriptor = msvcrt.open_osfhandle(handle, os.O_RDONLY | os.O_NOINHERIT)
        except BaseException:
            _wintun.close_event(handle)
            raise
    try:
        return FileIO(descriptor)  # it alone leaves the descriptor open where it fails
    except BaseException:
        os.close(descriptor)
        raise


def official_sha256() -> dict[str, str]:
    """Returns the SHA-256 of each official wintun.dll for this Python, by version."""
    import sysconfig

    platform = sysconfig.get_platform()
    return {
        version: hashes[platform]
        for version, hashes in OFFICIAL_SHA256.items()
        if platform in hashes
    }


def official_version(sha256: str) -> str | None:
    """Returns the version of the official wintun.dll that has a SHA-256, for any architecture."""
    for version, hashes in OFFICIAL_SHA256.items():
        if sha256 in hashes.values():
            return version
    return None


def check_official(file: BinaryIO, path: str) -> None:
    """Raises OSError unless a file, opened, is an official wintun.dll for this Python."""
    import hashlib

    expected = official_sha256()
    found = hashlib.sha256(file.read()).hexdigest()
    if found not in expected.values():
        known = " or ".join(f"{version}: {sha256}" for version, sha256 in expected.items())
        raise _error(
            f"this is not the official wintun.dll (SHA-256 {found}, not that of {known or 'any'}) "
            f"and was not loaded; reinstall the package, or name another file in "
            f"{ENVIRONMENT_VARIABLE}",
            path,
            errno.EINVAL,
            _ERROR_FILE_CORRUPT,
        )


def _load_official() -> None:
    """Loads the bundled library, if it is the official one, or else the system's."""
    bundled = bundled_path()
    if os.path.exists(bundled):
        # Held, so that nobody can put another file there between the look at it and its loading.
        with hold(bundled) as file:
            check_official(file, bundled)
            _load_absolute(bundled)
        return
    installed = os.path.join(system_directory(), "wintun.dll")
    if os.path.exists(installed):
        _load_absolute(installed)
        return
    raise _error(
        f"there is no wintun.dll in the package or in {os.path.dirname(installed)}; download "
        f"version {OFFICIAL_VERSION} from https://www.wintun.net and put its absolute path into "
        f"{ENVIRONMENT_VARIABLE}",
        bundled,
        errno.ENOENT,
        _ERROR_FILE_NOT_FOUND,
    )


def _load_absolute(path: str) -> None:
    # Windows blames a missing module, and would say the same of one that the file itself needs.
    if not os.path.exists(path):
        raise _error("no such file", path, errno.ENOENT, _ERROR_FILE_NOT_FOUND)
    try:
        _wintun.load_library(os.fsencode(path))
    except OSError as error:
        if getattr(error, "winerror", None) != _ERROR_BAD_EXE_FORMAT:
            raise
        import sysconfig

        raise _error(
            f"this library is for another architecture than this Python ({sysconfig.get_platform()}"
            "), or it is damaged",
            path,
            errno.ENOEXEC,
            _ERROR_BAD_EXE_FORMAT,
        ) from error


def _beside(name: str) -> str:
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), name)


def _is_absolute(path: str) -> bool:
    if sys.platform == "win32" and not os.path.splitdrive(path)[0]:
        return False  # "\folder" is relative to the current drive
    return os.path.isabs(path)


def system_directory() -> str:
    """Returns the path of System32 as the system knows it, not as the environment says."""
    if sys.platform != "win32":
        raise NotImplementedError
    import ctypes

    buffer = ctypes.create_unicode_buffer(260)
    length = ctypes.windll.kernel32.GetSystemDirectoryW(buffer, len(buffer))
    if not 0 < length < len(buffer):
        raise ctypes.WinError()
    return buffer.value


def _error(text: str, path: str, number: int, winerror: int) -> OSError:
    # Not by the constructor: on Windows that chooses another class by the Win32 code.
    error = OSError(number, text, path)
    setattr(error, "winerror", winerror)  # noqa: B010
    vars(error)["winerror"] = winerror  # which Windows' OSError forgets when it is pickled
    return error
