"""The named tuples that the package returns; apart, for `typing` takes long to import."""

from __future__ import annotations

from typing import NamedTuple


class DriverVersion(NamedTuple):
    """Version of the driver that runs, as in "0.14"."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


class Statistics(NamedTuple):
    """What passed through a session, or through a device since it was made, over all its sessions.

    `received` is what the program read from the system, `sent` what it wrote to it. All are ints
    that only grow, but `packets_held`.
    """

    packets_received: int
    bytes_received: int
    packets_sent: int
    bytes_sent: int
    ring_full: int
    packets_unsent: int
    packets_unread: int
    waits: int
    spins: int
    packets_not_ip: int
    packets_held: int
    restarts: int


_TEXTS = {
    "packets_received": "Packets that were read out of the ring.",
    "bytes_received": "Bytes of the packets that were read.",
    "packets_sent": "Packets that were written into the ring.",
    "bytes_sent": "Bytes of the packets that were written.",
    "ring_full": "Writes that were refused because the ring was full: those packets were not sent.",
    "packets_unsent": "Packets that were allocated for sending and given back unsent.",
    "packets_unread": "Packets that were received, but lost because nobody asked for them before "
    "the end of the session, or because there was no memory for them.",
    "waits": "Times that a thread went to sleep to wait for a packet.",
    "spins": "Times that a thread looked for packets for a while before it went to sleep.",
    "packets_not_ip": "Packets that were sent and are neither IPv4 of at least 20 bytes nor IPv6 "
    "of at least 40: the driver discards them. They are counted in `packets_sent`, too.",
    "packets_held": "Packets in the rings that the program holds now: received in place and not "
    "yet released, or allocated and not yet sent. A ring has room again only behind the oldest.",
    "restarts": "Sessions that a device started in place of one whose ring was corrupt; 0 for a "
    "session.",
}
for _name, _text in _TEXTS.items():
    getattr(Statistics, _name).__doc__ = _text

NOTHING = Statistics(*(0 for _ in Statistics._fields))
"""What has passed before anything has."""
