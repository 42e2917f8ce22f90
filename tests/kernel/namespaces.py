"""Network namespaces of the tests' own, so that Linux' own stack is the other side of a tunnel."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent.parent / "examples"
PREFIX = "wintun-test-"
HANG = 300  # seconds after which a program is taken to hang


def run(*command: str, timeout: float = HANG) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end; a failing one fails the test with what it said."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, (
        f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
    )
    return done


class Program:
    """A program running in a namespace."""

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_line(self) -> str:
        """The next line of its output; what it complained of instead if it ended."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"{' '.join(self.command)} ended: {self.process.communicate()[1]}"
        return line.rstrip("\n")

    def finish(self, *, terminate: bool = False) -> str:
        """Waits until it ends, and well; returns the rest of its output."""
        if terminate:
            self.process.send_signal(signal.SIGTERM)
        out, errors = self.process.communicate(timeout=HANG)
        assert self.process.returncode == 0, f"{self.process.returncode}: {out}{errors}"
        return out

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Namespace:
    """A network namespace, and the programs started in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.programs: list[Program] = []
        run("ip", "netns", "add", name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *arguments: str) -> str:
        return run("ip", "-n", self.name, *arguments).stdout

    def run(self, *command: str) -> str:
        return run("ip", "netns", "exec", self.name, *command).stdout

    def start(self, script: Path, *arguments: str) -> Program:
        """Starts a Python script with this interpreter."""
        command = [sys.executable, "-u", str(script), *arguments]
        program = Program(["ip", "netns", "exec", self.name, *command])
        self.programs.append(program)
        return program

    def remove(self) -> None:
        for program in self.programs:
            program.kill()
        run("ip", "netns", "del", self.name)


def why_not() -> str | None:
    """Why namespaces and tun devices cannot be made here, or None."""
    if not sys.platform.startswith("linux"):
        return "needs Linux"
    for program in ("ip", "ping"):
        if shutil.which(program) is None:
            return f"needs the program {program}"
    if os.geteuid() != 0:
        return "needs root"
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        return f"needs /dev/net/tun: {error.strerror}"
    name = f"{PREFIX}{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    subprocess.run(["ip", "netns", "del", name], capture_output=True)
    return f"needs network namespaces: {made.stderr.strip()}" if made.returncode else None


def remove_stale() -> None:
    """Removes the namespaces of test runs that were killed."""
    names = [line.split()[0] for line in run("ip", "netns", "list").stdout.splitlines() if line]
    for name in names:
        owner = name[len(PREFIX) :].partition("-")[0]
        if name.startswith(PREFIX) and owner.isdigit() and not Path("/proc", owner).exists():
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
