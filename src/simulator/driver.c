/* SPDX-License-Identifier: MIT
 *
 * The driver's threads of a session, and what each kind of wire does in them.
 */
#include "driver.h"

#include <string.h>

#include "far_side.h"
#include "host.h"
#include "packet.h"

#define NS_PER_MS INT64_C(1000000)

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
is_stopping(struct WINTUN_SESSION *session)
{
    return atom_u32_load(&session->stopping) != 0;
}

static bool
is_paused(struct WINTUN_SESSION *session)
{
    return atom_u32_load(&session->paused) != 0;
}

/* Waits for one of the session's events; deadline_ns: of platform_clock_ns, negative for none. */
static void
wait_for(struct WINTUN_SESSION *session, int event, int64_t deadline_ns)
{
    int64_t timeout_ns = -1;
    if (deadline_ns >= 0) {
        timeout_ns = deadline_ns - platform_clock_ns();
        timeout_ns = timeout_ns > 0 ? timeout_ns : 0;
    }
    (void)platform_wait(session->events[SESSION_STOP].wait, &session->events[event].wait, 1,
                        timeout_ns);
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
    struct WINTUN_SESSION *session;
    delivery replies; /* begun for the wires that answer */
} crossing;

/* What a wire does with a packet; false leaves it in the ring. */
typedef bool (*accept_function)(crossing *burst, const BYTE *packet, uint32_t size);

static bool
accept_host(crossing *burst, const BYTE *packet, uint32_t size)
{
    host_receive(&burst->session->host, &burst->replies, packet, size);
    return true;
}

static bool
accept_socket(crossing *burst, const BYTE *packet, uint32_t size)
{
    return wire_socket_send(burst->session->socket, packet, size);
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

/* Returns how many packets crossed. */
static unsigned
cross_burst(struct WINTUN_SESSION *session, accept_function accept, bool answers)
{
    crossing burst;
    collection sent;
    const BYTE *packet;
    uint32_t size;
    unsigned count = 0;
    burst.session = session;
    collection_begin(&sent, session);
    if (answers) {
        delivery_begin(&burst.replies, session);
    }
    while (count < BURST && !is_paused(session) &&
           (packet = collection_peek(&sent, &size)) != NULL && accept(&burst, packet, size)) {
        collection_take(&sent, size);
        count++;
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
wait_for_packets(struct WINTUN_SESSION *session, int64_t deadline_ns)
{
    ring *shared = session->consumer.shared;
    for (int i = 0; i < IDLE_YIELDS; i++) {
        if (ring_has_packets(&session->consumer)) {
            return;
        }
        platform_yield();
    }
    atom_u32_store(&shared->alertable, 1);
    if (!ring_has_packets(&session->consumer)) {
        wait_for(session, SESSION_BELL, deadline_ns);
    }
    atom_u32_store(&shared->alertable, 0);
}

static void
run_sender(struct WINTUN_SESSION *session, accept_function accept, bool answers)
{
    unsigned rounds = 0;
    while (!is_stopping(session)) {
        if (is_paused(session)) {
            wait_for(session, SESSION_BELL, -1);
        } else if (cross_burst(session, accept, answers) > 0) {
            rounds = 0;
        } else if (ring_has_packets(&session->consumer)) {
            wait_for_room(&rounds);
        } else {
            wait_for_packets(session, -1);
        }
    }
}

static void
run_host(void *argument)
{
    struct WINTUN_SESSION *session = argument;
    while (!is_stopping(session)) {
        if (is_paused(session)) {
            wait_for(session, SESSION_BELL, -1);
            continue;
        }
        int64_t deadline_ns = -1;
        delivery burst;
        delivery_begin(&burst, session);
        if (!is_paused(session)) {
            deadline_ns = host_speak(&session->host, &burst);
        }
        delivery_end(&burst);
        if (cross_burst(session, accept_host, true) == 0) {
            wait_for_packets(session, deadline_ns);
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
receive_burst(struct WINTUN_SESSION *session)
{
    delivery burst;
    const BYTE *packet;
    uint32_t size;
    delivery_begin(&burst, session);
    for (unsigned i = 0; i < BURST && !is_paused(session); i++) {
        packet = wire_reader_next(session->reader, &size);
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
    struct WINTUN_SESSION *session = argument;
    while (!is_stopping(session)) {
        if (is_paused(session)) {
            wait_for(session, SESSION_RESUMED, -1);
        } else if (wire_reader_wait(session->reader, session->events[SESSION_STOP].wait)) {
            receive_burst(session);
        }
    }
}

/* Returns how many packets fitted. */
static unsigned
flood_burst(struct WINTUN_SESSION *session, const BYTE *pattern, uint32_t *number)
{
    unsigned count = 0;
    delivery burst;
    BYTE *room;
    delivery_begin(&burst, session);
    while (count < PLATFORM_SIGNAL_BURST && !is_paused(session) &&
           (room = delivery_reserve(&burst, session->packet_size)) != NULL) {
        memcpy(room, pattern, session->packet_size);
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
flood_room(const struct WINTUN_SESSION *session)
{
    uint32_t packet = ring_room(session->packet_size);
    uint32_t share = session->capacity / FLOOD_SHARE;
    return packet > share ? packet : share;
}

static void
run_flood_receiver(void *argument)
{
    struct WINTUN_SESSION *session = argument;
    BYTE pattern[WINTUN_MAX_IP_PACKET_SIZE];
    uint32_t number = 0;
    uint32_t enough = flood_room(session);
    unsigned rounds = 0;
    bool full = false;
    packet_write_numbered(pattern, session->packet_size);
    while (!is_stopping(session)) {
        if (is_paused(session)) {
            wait_for(session, SESSION_RESUMED, -1);
        } else if (full && !ring_has_room(&session->producer, enough)) {
            wait_for_room(&rounds);
        } else {
            full = flood_burst(session, pattern, &number) == 0;
            rounds = full ? rounds : 0;
        }
    }
}

/* --- Start and stop -------------------------------------------------------------------------- */

/* The threads of each kind of wire; NULL where it needs none. */
static const struct {
    platform_thread_function functions[SESSION_THREADS];
} wires[] = {
    {{run_host, NULL}},
    {{NULL, NULL}}, /* memory: WintunSimulatorDeliver and WintunSimulatorCollect do it all */
    {{run_socket_sender, run_socket_receiver}},
    {{run_flood_sender, run_flood_receiver}},
    {{run_loop, NULL}},
};

bool
driver_start(struct WINTUN_SESSION *session)
{
    for (unsigned i = 0; i < SESSION_THREADS; i++) {
        platform_thread_function function = wires[session->wire].functions[i];
        platform_thread *thread = &session->threads[session->thread_count];
        if (function != NULL) {
            if (!platform_thread_start(thread, function, session)) {
                return false;
            }
            session->thread_count++;
        }
    }
    return true;
}

void
driver_stop(struct WINTUN_SESSION *session)
{
    atom_u32_store(&session->stopping, 1);
    if (session->event_count > SESSION_STOP) {
        platform_event_set(&session->events[SESSION_STOP]);
    }
    while (session->thread_count > 0) {
        platform_thread_join(session->threads[--session->thread_count]);
    }
}
