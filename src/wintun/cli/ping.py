"""The system's own ping, running in the background."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable

from wintun import _library

from .output import CommandError

# A new address cannot be used for the moment in which the system looks for duplicates of it.
_RETRY_SECONDS = 1.0
_RETRIES = 10


class SystemPings:
    """Some that run at the same time."""

    def __init__(self) -> None:
        self._pings: list[_SystemPing] = []

    def add(self, wanted: Iterable[tuple[int, object, object]]) -> None:
        """Takes a version of IP, a source address and a target for each; `check` starts them."""
        for version, source, target in wanted:
            self._pings.append(_SystemPing(_command(version, str(source), str(target))))

    def check(self) -> None:
        """Starts those that do not run; CommandError when one keeps failing."""
        for ping in self._pings:
            ping.check()

    def stop(self) -> None:
        """Ends them all."""
        while self._pings:
            self._pings.pop().stop()


class _SystemPing:
    """Pings until it is stopped; started again if it ends by itself."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._failures = 0
        self._retry_at = 0.0
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        self._process: subprocess.Popen[bytes] | None = None

    def check(self) -> None:
        if self._process is None:
            if time.monotonic() >= self._retry_at:
                self._start()
        elif self._process.poll() is not None:
            self._process = None
            self._failures += 1
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            if self._failures > _RETRIES:
                raise CommandError(f"{' '.join(self._command)}: {self._last_line()}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self._output.close()

    def _start(self) -> None:
        self._output.seek(0)
        self._output.truncate()
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise CommandError(f"cannot run {self._command[0]}: {error.strerror}") from None

    def _last_line(self) -> str:
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it ends at once")


def _command(version: int, source: str, target: str) -> list[str]:
    if sys.platform == "win32":
        # By absolute path: Windows looks for a bare name in the current folder, too.
        program = os.path.join(_library.system_directory(), "ping.exe")
        return [program, f"-{version}", "-t", "-S", source, target]
    found = shutil.which("ping")
    if found is None:
        raise CommandError("there is no ping on this system; Debian has it in iputils-ping")
    return [found, f"-{version}", "-n", "-i", "0.5", "-I", source, target]
