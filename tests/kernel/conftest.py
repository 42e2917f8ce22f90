"""Fixtures of the tests against Linux' own network stack."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from .namespaces import PREFIX, Namespace, remove_stale, why_not


@pytest.fixture(scope="session")
def kernel() -> None:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    remove_stale()


@pytest.fixture
def namespace(kernel: None) -> Iterator[Namespace]:
    """An empty network namespace."""
    made = Namespace(f"{PREFIX}{os.getpid()}-a")
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture
def joined(namespace: Namespace) -> Iterator[tuple[Namespace, Namespace]]:
    """Two namespaces joined by a cable: 10.77.0.1 and 10.77.0.2."""
    other = Namespace(f"{PREFIX}{os.getpid()}-b")
    try:
        namespace.ip(
            "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", other.name
        )
        for number, end in enumerate((namespace, other), 1):
            end.ip("address", "add", f"10.77.0.{number}/24", "dev", "cable")
            end.ip("link", "set", "cable", "up")
        yield namespace, other
    finally:
        other.remove()
