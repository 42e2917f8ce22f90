/* SPDX-License-Identifier: MIT
 *
 * What each kind of wire does in the driver's threads.
 */
#include "wires.h"

#include <string.h>

#include "packet.h"
#include "times.h"

/* Packets after which the rings' other side gets to see what was done. */
#define BURST 64

/* How often a thread that has nothing to do gives its processor away before it waits. */
#define IDLE_YIELDS 20
#define FULL_YIELDS 2000

#define FULL_SLEEP_NS INT64_C(50000)
#define FULL_SLEEP_MAX_NS NS_PER_MS

/* The part of a ring that is free before a flood fills it up again. */
#define FLOOD_SHARE 8

static bool
is_stopped(driver *self)
{
    return far_side_flow(&self->side) == SIMULATOR_FLOW_STOPPED;
}

/* How a thread waits for a full ring to be emptied, for which there is no event. */
static void
wait_for_room(unsigned *rounds)
{
    *rounds += 1;
    if (*rounds < FULL_YIELDS) {
        platform_yield();
        return;
    }
    int64_t duration_ns = FULL_SLEEP_NS * (*rounds - FULL_YIELDS + 1);
    platform_sleep_ns(duration_ns < FULL_SLEEP_MAX_NS ? duration_ns : FULL_SLEEP_MAX_NS);
}

/* --- From the client to the wire ------------------------------------------------------------- */

typedef struct crossing {
    driver *driver;
    delivery replies; /* begun for the wires that answer */
} crossing;

/* What a wire does with a packet; false leaves it in the ring. */
typedef bool (*accept_function)(crossing *burst, const BYTE *packet, uint32_t size);

static bool
accept_host(crossing *burst, const BYTE *packet, uint32_t size)
{
    host_receive(&burst->driver->host, &burst->replies, packet, size);
    return true;
}

static bool
accept_socket(crossing *burst, const BYTE *packet, uint32_t size)
{
    return wire_socket_send(burst->driver->wanted.socket, packet, size);
}

static bool
accept_flood(crossing *burst, const BYTE *packet, uint32_t size)
{
    (void)burst;
    (void)packet;
    (void)size;
    return true;
}

static bool
accept_loop(crossing *burst, const BYTE *packet, uint32_t size)
{
    BYTE *room = delivery_reserve(&burst->replies, size);
    if (room != NULL) {
        memcpy(room, packet, size);
    }
    return room != NULL;
}

/* Returns how many packets crossed or were dropped. */
static unsigned
cross_burst(driver *self, accept_function accept, bool answers)
{
    crossing burst;
    collection sent;
    const BYTE *packet;
    uint32_t size;
    unsigned count = 0;
    burst.driver = self;
    collection_begin(&sent, &self->side);
    if (answers) {
        delivery_begin(&burst.replies, &self->side);
    }
    for (; count < BURST && !is_stopped(self); count++) {
        packet = collection_peek(&sent, &size);
        if (packet == NULL) {
            break;
        }
        if (far_side_flow(&self->side) == SIMULATOR_FLOW_DROPPING) {
            collection_drop(&sent, size);
        } else if (accept(&burst, packet, size)) {
            collection_take(&sent, size);
        } else {
            break;
        }
    }
    if (answers) {
        delivery_end(&burst.replies);
    }
    collection_end(&sent);
    return count;
}

/* Waits for packets by the protocol of the rings: says that the bell is wanted, then looks again.
 */
static void
wait_for_packets(driver *self, int64_t deadline_ns)
{
    ring *shared = self->side.consumer.shared;
    for (int i = 0; i < IDLE_YIELDS; i++) {
        if (ring_has_packets(&self->side.consumer)) {
            return;
        }
        platform_yield();
    }
    atom_u32_store(&shared->alertable, 1);
    if (!ring_has_packets(&self->side.consumer)) {
        driver_wait(self, DRIVER_BELL, deadline_ns);
    }
    atom_u32_store(&shared->alertable, 0);
}

static void
run_sender(driver *self, accept_function accept, bool answers)
{
    unsigned rounds = 0;
    while (!driver_is_stopping(self)) {
        if (is_stopped(self)) {
            driver_wait(self, DRIVER_BELL, -1);
        } else if (cross_burst(self, accept, answers) > 0) {
            rounds = 0;
        } else if (ring_has_packets(&self->side.consumer)) {
            wait_for_room(&rounds);
        } else {
            wait_for_packets(self, -1);
        }
    }
}

static void
run_host(void *argument)
{
    driver *self = argument;
    unsigned rounds = 0;
    while (!driver_is_stopping(self)) {
        if (is_stopped(self)) {
            driver_wait(self, DRIVER_BELL, -1);
            continue;
        }
        int64_t deadline_ns = -1;
        delivery burst;
        delivery_begin(&burst, &self->side);
        if (!is_stopped(self)) {
            deadline_ns = host_speak(&self->host, &burst);
        }
        delivery_end(&burst);
        if (cross_burst(self, accept_host, true) > 0) {
            rounds = 0;
        } else if (ring_has_packets(&self->side.consumer)) {
            wait_for_room(&rounds);
        } else {
            wait_for_packets(self, deadline_ns);
        }
    }
}

static void
run_socket_sender(void *argument)
{
    run_sender(argument, accept_socket, false);
}

static void
run_flood_sender(void *argument)
{
    run_sender(argument, accept_flood, false);
}

static void
run_loop(void *argument)
{
    run_sender(argument, accept_loop, true);
}

/* --- From the wire to the client ------------------------------------------------------------- */

static void
receive_burst(driver *self)
{
    delivery burst;
    const BYTE *packet;
    uint32_t size;
    delivery_begin(&burst, &self->side);
    for (unsigned i = 0; i < BURST && !is_stopped(self); i++) {
        packet = wire_reader_next(self->reader, &size);
        if (packet == NULL) {
            break;
        }
        (void)delivery_add(&burst, packet, size);
    }
    delivery_end(&burst);
}

static void
run_socket_receiver(void *argument)
{
    driver *self = argument;
    while (!driver_is_stopping(self)) {
        if (is_stopped(self)) {
            driver_wait(self, DRIVER_RESUMED, -1);
        } else if (wire_reader_wait(self->reader, self->events[DRIVER_STOP].wait)) {
            receive_burst(self);
        }
    }
}

/* Returns how many packets fitted. */
static unsigned
flood_burst(driver *self, const BYTE *pattern, uint32_t *number)
{
    unsigned count = 0;
    delivery burst;
    BYTE *room;
    delivery_begin(&burst, &self->side);
    while (count < PLATFORM_SIGNAL_BURST && !is_stopped(self) &&
           (room = delivery_reserve(&burst, self->wanted.packet_size)) != NULL) {
        memcpy(room, pattern, self->wanted.packet_size);
        packet_write_number(room, (*number)++);
        count++;
        if (count % BURST == 0) {
            delivery_publish(&burst);
        }
    }
    delivery_end(&burst);
    return count;
}

/* Bytes that must be free in a ring that was full before more comes. Networks hand over bursts; a
 * flood that followed the client packet by packet would do little but hand it the cache line with
 * the ring's head and tail. */
static uint32_t
flood_room(const driver *self)
{
    uint32_t packet = ring_room(self->wanted.packet_size);
    uint32_t share = self->capacity / FLOOD_SHARE;
    return packet > share ? packet : share;
}

static void
run_flood_receiver(void *argument)
{
    driver *self = argument;
    BYTE pattern[WINTUN_MAX_IP_PACKET_SIZE];
    uint32_t number = 0;
    uint32_t enough = flood_room(self);
    unsigned rounds = 0;
    bool full = false;
    packet_write_numbered(pattern, self->wanted.packet_size);
    while (!driver_is_stopping(self)) {
        if (far_side_flow(&self->side) != SIMULATOR_FLOW_RUNNING) {
            driver_wait(self, DRIVER_RESUMED, -1);
        } else if (full && !ring_has_room(&self->side.producer, enough)) {
            wait_for_room(&rounds);
        } else {
            full = flood_burst(self, pattern, &number) == 0;
            rounds = full ? rounds : 0;
        }
    }
}

/* --- Start ----------------------------------------------------------------------------------- */

/* The threads of each kind of wire; NULL where it needs none. */
static const platform_thread_function wires[][DRIVER_THREADS] = {
    {run_host, NULL},
    {NULL, NULL}, /* memory: WintunSimulatorDeliver and WintunSimulatorCollect do it all */
    {run_socket_sender, run_socket_receiver},
    {run_flood_sender, run_flood_receiver},
    {run_loop, NULL},
};

bool
wires_start(driver *self)
{
    for (unsigned i = 0; i < DRIVER_THREADS; i++) {
        platform_thread_function function = wires[self->wanted.wire][i];
        if (function != NULL && !driver_start_thread(self, function)) {
            return false;
        }
    }
    return true;
}
