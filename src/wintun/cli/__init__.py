"""The command line, `python -m wintun`."""
