"""The command line's arguments and exit codes: 0 done, 1 failed, 2 bad arguments, 130 Ctrl-C."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import wintun
from wintun import _addresses

from . import wires
from .demo import DEFAULT_ADDRESSES, Demo
from .numbers import number_of
from .output import CommandError, OutputClosedError, error_text, print_error

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit code of the process."""
    try:
        wintun.set_logger(None)  # what goes wrong is told here, in one line
        parser = make_parser()
        options = parser.parse_args(arguments)
        if sys.stdout is not None:
            sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        return _run(parser, options)
    except OutputClosedError:
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except CommandError as failure:
        print_error(str(failure))
    except OSError as error:
        print_error(error_text(error))
    return EXIT_FAILED


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    if options.command == "info":
        from .info import run_info

        return run_info(options.json)
    addresses = options.addresses
    with_ipv6 = addresses is None or any(address.version == 6 for address in addresses)
    if options.mtu is not None and options.mtu < 1280 and with_ipv6:
        parser.error("an MTU below 1280 is for IPv4 alone: give --address with IPv4 addresses only")
    return Demo(options.wire, addresses, options.mtu, options.count, options.json).run()


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m wintun", description="Wintun, the layer 3 TUN driver of Windows."
    )
    parser.add_argument("--version", action="version", version=f"wintun {wintun.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_info(commands.add_parser("info", help="tell which library is used, and what it can do"))
    _add_demo(commands.add_parser("demo", help="create an adapter, show its packets, answer pings"))
    return parser


def _add_info(parser: argparse.ArgumentParser) -> None:
    parser.description = "Tells which library is used, and whether adapters can be created."
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Creates an adapter, prints each packet that it reads or writes, and answers every ping to "
        "an address of its subnets other than its own. Something pings it: the system's ping where "
        "the adapter is real, else the other end of the simulator's wire."
    )
    parser.add_argument(
        "--count",
        type=_count,
        default=0,
        metavar="N",
        help="end after N answered pings (default: 0, go on until Ctrl-C)",
    )
    parser.add_argument(
        "--address",
        dest="addresses",
        action="append",
        type=_address,
        metavar="ADDR/PREFIX",
        help="address of the adapter; may be repeated (default: "
        + " and ".join(DEFAULT_ADDRESSES)
        + ")",
    )
    parser.add_argument(
        "--mtu", type=_mtu, metavar="N", help="MTU, 68 to 65535; with IPv6 at least 1280"
    )
    parser.add_argument(
        "--wire",
        type=wires.parse,
        default=wires.default(),
        metavar="builtin|tun|udp:[PORT@]HOST:PORT",
        help="use the simulator, with this at the other end: a simulated host, a tun device of "
        "Linux (needs root), or a UDP socket, with PORT on this side (default: the real driver on "
        "Windows, else builtin)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, an object a line")


def _count(text: str) -> int:
    return _number(text, 0, 2**31 - 1)


def _mtu(text: str) -> int:
    return _number(text, 68, 65535)


def _number(text: str, least: int, most: int) -> int:
    number = number_of(text)
    if number is None or not least <= number <= most:
        raise argparse.ArgumentTypeError(f"not a number from {least} to {most}: {text!r}")
    return number


def _address(text: str) -> _addresses.Interface:
    try:
        interface = _addresses.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if interface.network.num_addresses < 2:
        raise argparse.ArgumentTypeError(
            f"no room for a neighbour in the subnet of {text!r}: give a shorter prefix, as in "
            f"{interface.ip}/{24 if interface.version == 4 else 64}"
        )
    return interface
