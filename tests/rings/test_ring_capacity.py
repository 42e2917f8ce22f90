# SPDX-License-Identifier: MIT
"""Which ring capacities a session can be started with."""

from __future__ import annotations

from typing import Callable

import pytest

import wintun
from helpers import MAX_CAPACITY, MIN_CAPACITY

WRONG_CAPACITIES = [
    0,
    1,
    -1,
    -MIN_CAPACITY,
    MIN_CAPACITY - 1,
    MIN_CAPACITY + 1,
    3 * MIN_CAPACITY,
    0x400001,
    MAX_CAPACITY - 1,
    MAX_CAPACITY + 1,
    2 * MAX_CAPACITY,
    2**32 + MIN_CAPACITY,
    2**64 + MIN_CAPACITY,
    -(2**64),
]


@pytest.mark.driver
@pytest.mark.parametrize("capacity", [MIN_CAPACITY, 0x40000, 0x400000, MAX_CAPACITY])
def test_a_session_starts_with_each_power_of_two_between_the_limits(
    adapter: wintun.Adapter, capacity: int
) -> None:
    with adapter.start_session(capacity) as session:
        assert session.capacity == capacity


@pytest.mark.driver
@pytest.mark.parametrize("capacity", WRONG_CAPACITIES)
def test_a_wrong_capacity_is_refused_before_wintun_sees_it(
    adapter: wintun.Adapter, capacity: int
) -> None:
    with pytest.raises(ValueError, match="capacity must be"):
        adapter.start_session(capacity)
    adapter.start_session(MIN_CAPACITY).end()


@pytest.mark.driver
@pytest.mark.parametrize("capacity", ["0x20000", None, 131072.0, b""])
def test_a_capacity_that_is_no_integer_is_a_type_error(
    adapter: wintun.Adapter, capacity: object
) -> None:
    with pytest.raises(TypeError):
        adapter.start_session(capacity)  # type: ignore[arg-type]


@pytest.mark.driver
@pytest.mark.parametrize("capacity", WRONG_CAPACITIES)
def test_a_device_refuses_a_wrong_capacity_by_name_and_keeps_the_one_it_has(
    make_device: Callable[..., wintun.TunDevice], capacity: int
) -> None:
    with pytest.raises(ValueError, match="capacity must be"):
        make_device(capacity=capacity)
    device = make_device(capacity=0x40000)
    with pytest.raises(ValueError, match=str(capacity)):
        device.ring_capacity = capacity
    assert device.ring_capacity == 0x40000


@pytest.mark.driver
def test_a_new_ring_capacity_takes_effect_when_the_device_comes_up_next(
    make_device: Callable[..., wintun.TunDevice],
) -> None:
    device = make_device(capacity=MIN_CAPACITY)
    device.up()
    device.ring_capacity = 0x40000
    assert device.session is not None
    assert device.session.capacity == MIN_CAPACITY
    device.down()
    device.up()
    assert device.session is not None
    assert device.session.capacity == 0x40000
