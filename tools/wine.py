"""Runs a Windows program under Wine: wine.py PROGRAM [ARGUMENT ...].

Windows' Python wants whole standard handles: it gets an empty input and a pipe for its output,
whatever this process was started with.
"""

from __future__ import annotations

import subprocess
import sys


def main() -> int:
    process = subprocess.Popen(
        ["wine", *sys.argv[1:]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    while True:
        data = process.stdout.read1(65536)  # type: ignore[attr-defined]
        if not data:
            return process.wait()
        sys.stdout.buffer.write(data.replace(b"\r\n", b"\n"))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
