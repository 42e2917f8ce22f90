"""Runs the command line."""

import signal
import sys

if __name__ == "__main__":
    try:
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # by the package (__init__.py)
            signal.signal(signal.SIGINT, signal.default_int_handler)

        from .cli.main import main

        sys.exit(main())
    except KeyboardInterrupt:  # before or after main, which deals with it itself
        sys.exit(130)
