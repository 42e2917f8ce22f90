/* SPDX-License-Identifier: MIT
 *
 * The life of a session.
 */
#include "session.h"

#include <stdlib.h>

#include "global.h"
#include "packet.h"
#include "wires.h"

/* More than any packet has. */
#define IMPOSSIBLE_SIZE 0x7FFFFFFF

static struct WINTUN_SESSION *all;

static bool
is_capacity(DWORD capacity)
{
    return capacity >= WINTUN_MIN_RING_CAPACITY && capacity <= WINTUN_MAX_RING_CAPACITY &&
           (capacity & (capacity - 1)) == 0;
}

/* --- Start ----------------------------------------------------------------------------------- */

static void
destroy(struct WINTUN_SESSION *self)
{
    driver_destroy(&self->driver);
    platform_mutex_destroy(&self->receiver.lock);
    platform_mutex_destroy(&self->sender.lock);
    ring_destroy(self->receiver.shared, self->capacity);
    ring_destroy(self->sender.shared, self->capacity);
    free(self);
}

static settings
settings_of_adapter(adapter *owner)
{
    global_lock();
    settings wanted = owner->wanted;
    if (wanted.socket != NULL) {
        wire_socket_retain(wanted.socket);
    }
    global_unlock();
    return wanted;
}

static bool
init_sides(struct WINTUN_SESSION *self)
{
    platform_mutex_init(&self->receiver.lock);
    platform_mutex_init(&self->sender.lock);
    self->receiver.capacity = self->sender.capacity = self->capacity;
    bool ready = driver_init(&self->driver, self->receiver.shared, self->sender.shared,
                             self->capacity, &self->adapter->ip, &self->adapter->counters,
                             settings_of_adapter(self->adapter));
    if (ready) {
        self->sender.bell = self->driver.events[DRIVER_BELL];
        self->sender.lapse = self->driver.side.consumer.lapse = &self->lapse;
    }
    return ready;
}

/* NULL if there is no memory. */
static struct WINTUN_SESSION *
make_session(adapter *owner, DWORD capacity)
{
    ring *receive = ring_create(capacity);
    ring *send = ring_create(capacity);
    struct WINTUN_SESSION *self = calloc(1, sizeof(*self));
    if (receive == NULL || send == NULL || self == NULL) {
        ring_destroy(receive, capacity);
        ring_destroy(send, capacity);
        free(self);
        return NULL;
    }
    self->adapter = owner;
    self->capacity = capacity;
    self->receiver.shared = receive;
    self->sender.shared = send;
    return self;
}

static void
terminate(struct WINTUN_SESSION *self)
{
    driver_end_rings(&self->driver);
}

/* Needs the adapter's lock, so that a removal comes before or after it as a whole. */
static struct WINTUN_SESSION *
start_locked(adapter *owner, DWORD capacity, DWORD *code)
{
    if (owner->removed || atom_u32_load(&owner->disabled) != 0) {
        *code = ERROR_FILE_NOT_FOUND;
        return NULL;
    }
    if (owner->session != NULL) {
        *code = ERROR_ALREADY_INITIALIZED;
        return NULL;
    }
    if (!is_capacity(capacity)) {
        *code = ERROR_INVALID_PARAMETER;
        return NULL;
    }
    *code = ERROR_NOT_ENOUGH_MEMORY;
    struct WINTUN_SESSION *self = make_session(owner, capacity);
    if (self == NULL) {
        return NULL;
    }
    if (!init_sides(self) || !wires_start(&self->driver)) {
        driver_stop(&self->driver);
        destroy(self);
        return NULL;
    }
    owner->session = self;
    owner->terminate = terminate;
    atom_u32_store(&owner->ip.up, 1);
    return self;
}

struct WINTUN_SESSION *
session_start(adapter *owner, DWORD capacity, DWORD *code)
{
    platform_mutex_lock(&owner->lock);
    struct WINTUN_SESSION *self = start_locked(owner, capacity, code);
    platform_mutex_unlock(&owner->lock);
    if (self != NULL) {
        adapter_retain(owner);
        global_lock();
        self->next = all;
        all = self;
        global_unlock();
    }
    return self;
}

/* --- End ------------------------------------------------------------------------------------- */

static void
unlist(struct WINTUN_SESSION *self)
{
    global_lock();
    struct WINTUN_SESSION **link = &all;
    while (*link != self) {
        link = &(*link)->next;
    }
    *link = self->next;
    global_unlock();
}

void
session_end(struct WINTUN_SESSION *self)
{
    adapter *owner = self->adapter;
    driver_stop(&self->driver);
    unlist(self);
    /* Whoever controls the far side does so under this lock: afterwards nobody can get here. */
    platform_mutex_lock(&owner->lock);
    if (owner->session == self) {
        owner->session = NULL;
        atom_u32_store(&owner->ip.up, 0);
    }
    platform_mutex_unlock(&owner->lock);
    destroy(self);
    adapter_release(owner);
}

/* --- Use ------------------------------------------------------------------------------------- */

struct WINTUN_SESSION *
session_enter(const char *name, DWORD *code)
{
    *code = ERROR_INVALID_PARAMETER;
    adapter *found = name != NULL ? adapter_find(name) : NULL;
    if (found == NULL) {
        *code = name != NULL ? ERROR_NOT_FOUND : *code;
        return NULL;
    }
    platform_mutex_lock(&found->lock);
    if (found->session != NULL) {
        *code = ERROR_SUCCESS;
        return found->session;
    }
    platform_mutex_unlock(&found->lock);
    adapter_release(found);
    *code = ERROR_INVALID_HANDLE;
    return NULL;
}

void
session_leave(struct WINTUN_SESSION *self)
{
    adapter *owner = self->adapter;
    platform_mutex_unlock(&owner->lock);
    adapter_release(owner);
}

void
session_send(struct WINTUN_SESSION *self, const BYTE *packet)
{
    uint32_t size = *ring_size_of(self->sender.shared, packet) & ~RING_MARK;
    bool is_ip = packet_is_ip(packet, size);
    ring_send(&self->sender, packet);
    driver_hear(&self->driver, is_ip);
}

/* --- Faults ---------------------------------------------------------------------------------- */

/* The offset of the client's next packet, delivered if none is there. Needs both locks. */
static uint32_t
next_unread(struct WINTUN_SESSION *self, uint32_t size)
{
    ring_producer *producer = &self->driver.side.producer;
    if (self->receiver.next == producer->tail) {
        BYTE *packet = ring_produce(producer, size);
        for (uint32_t i = 0; packet != NULL && i < size; i++) {
            packet[i] = 0x45;
        }
    }
    return self->receiver.next;
}

void
session_corrupt(struct WINTUN_SESSION *self)
{
    delivery burst;
    delivery_begin(&burst, &self->driver.side);
    platform_mutex_lock(&self->receiver.lock);
    /* A packet without a byte fits beside any other. */
    uint32_t next = next_unread(self, 0);
    *ring_size_at(self->receiver.shared, next) = IMPOSSIBLE_SIZE;
    platform_mutex_unlock(&self->receiver.lock);
    delivery_end(&burst);
}

void
session_overrun(struct WINTUN_SESSION *self)
{
    ring *shared = self->receiver.shared;
    delivery burst;
    delivery_begin(&burst, &self->driver.side);
    platform_mutex_lock(&self->receiver.lock);
    ring_producer *producer = &self->driver.side.producer;
    uint32_t next = next_unread(self, IPV4_HEADER_SIZE);
    uint32_t size = *ring_size_at(shared, next);
    if (next != producer->tail && size <= WINTUN_MAX_IP_PACKET_SIZE) {
        uint32_t second = ring_wrap(self->capacity, next + ring_room(size));
        for (uint32_t i = 0; i < size; i++) {
            shared->data[next + sizeof(uint32_t) + i] ^= 0xFF;
        }
        if (second == producer->tail) {
            (void)ring_produce(producer, 0);
        }
        *ring_size_at(shared, second) = IMPOSSIBLE_SIZE;
    }
    platform_mutex_unlock(&self->receiver.lock);
    delivery_end(&burst);
}

void
session_lose_wakeup(struct WINTUN_SESSION *self)
{
    uint32_t none = RING_LAPSE_NONE;
    (void)atom_u32_cas(&self->lapse.state, &none, RING_LAPSE_NEXT);
}

/* --- Counts ---------------------------------------------------------------------------------- */

void
session_count(DWORD *sessions, DWORD *held_packets)
{
    *sessions = 0;
    *held_packets = 0;
    global_lock();
    for (struct WINTUN_SESSION *self = all; self != NULL; self = self->next) {
        *sessions += 1;
        platform_mutex_lock(&self->receiver.lock);
        *held_packets += self->receiver.held;
        platform_mutex_unlock(&self->receiver.lock);
        platform_mutex_lock(&self->sender.lock);
        *held_packets += self->sender.held;
        platform_mutex_unlock(&self->sender.lock);
    }
    global_unlock();
}
