"""Runs the command line."""

import sys

if __name__ == "__main__":
    try:
        from .cli.main import main

        sys.exit(main())
    except KeyboardInterrupt:  # before or after main, which deals with it itself
        sys.exit(130)
