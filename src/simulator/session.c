/* SPDX-License-Identifier: MIT
 *
 * The life of a session.
 */
#include "session.h"

#include <stdlib.h>

#include "driver.h"
#include "far_side.h"
#include "global.h"

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
init_sides(struct WINTUN_SESSION *self, ring *receive, ring *send)
{
    platform_mutex_init(&self->receiver.lock);
    platform_mutex_init(&self->sender.lock);
    platform_mutex_init(&self->producer.lock);
    platform_mutex_init(&self->consumer.lock);
    self->receiver.shared = self->producer.shared = receive;
    self->sender.shared = self->consumer.shared = send;
    self->receiver.capacity = self->producer.capacity = self->capacity;
    self->sender.capacity = self->consumer.capacity = self->capacity;
}

static bool
create_events(struct WINTUN_SESSION *self)
{
    while (self->event_count < SESSION_EVENTS) {
        bool manual_reset = self->event_count == SESSION_STOP;
        if (!platform_event_create(&self->events[self->event_count], manual_reset)) {
            return false;
        }
        self->event_count++;
    }
    self->producer.arrived = self->events[SESSION_ARRIVED];
    self->sender.bell = self->events[SESSION_BELL];
    return true;
}

static bool
take_settings(struct WINTUN_SESSION *self)
{
    global_lock();
    const settings *wanted = &self->adapter->wanted;
    self->wire = wanted->wire;
    self->packet_size = wanted->packet_size;
    self->socket = wanted->socket;
    if (self->socket != NULL) {
        wire_socket_retain(self->socket);
    }
    atom_u32_store(&self->paused, wanted->paused ? 1 : 0);
    global_unlock();
    if (self->socket != NULL) {
        self->reader = wire_reader_open(self->socket);
    }
    return (self->socket == NULL) == (self->reader == NULL);
}

static void
destroy(struct WINTUN_SESSION *self)
{
    if (self->reader != NULL) {
        wire_reader_close(self->reader);
    }
    if (self->socket != NULL) {
        wire_socket_release(self->socket);
    }
    while (self->event_count > 0) {
        platform_event_close(&self->events[--self->event_count]);
    }
    host_destroy(&self->host);
    platform_mutex_destroy(&self->receiver.lock);
    platform_mutex_destroy(&self->sender.lock);
    platform_mutex_destroy(&self->producer.lock);
    platform_mutex_destroy(&self->consumer.lock);
    ring_destroy(self->receiver.shared, self->capacity);
    ring_destroy(self->sender.shared, self->capacity);
    free(self);
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
    init_sides(self, receive, send);
    host_init(&self->host);
    return self;
}

/* Needs the adapter's lock, so that a removal comes before or after it as a whole. */
static struct WINTUN_SESSION *
start_locked(adapter *owner, DWORD capacity, DWORD *code)
{
    if (owner->removed) {
        *code = ERROR_FILE_NOT_FOUND;
        return NULL;
    }
    if (owner->session != NULL) {
        *code = ERROR_ALREADY_INITIALIZED;
        return NULL;
    }
    *code = ERROR_NOT_ENOUGH_MEMORY;
    struct WINTUN_SESSION *self = make_session(owner, capacity);
    if (self == NULL) {
        return NULL;
    }
    if (!create_events(self) || !take_settings(self) || !driver_start(self)) {
        driver_stop(self);
        destroy(self);
        return NULL;
    }
    owner->session = self;
    owner->terminate = session_terminate;
    atom_u32_store(&owner->ip.up, 1);
    return self;
}

struct WINTUN_SESSION *
session_start(adapter *owner, DWORD capacity, DWORD *code)
{
    if (!is_capacity(capacity)) {
        *code = ERROR_INVALID_PARAMETER;
        return NULL;
    }
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
    driver_stop(self);
    unlist(self);
    /* Whoever controls the far side does so under this lock: afterwards nobody can get here. */
    platform_mutex_lock(&owner->lock);
    owner->session = NULL;
    atom_u32_store(&owner->ip.up, 0);
    platform_mutex_unlock(&owner->lock);
    destroy(self);
    adapter_release(owner);
}

void
session_terminate(struct WINTUN_SESSION *self)
{
    atom_u32_store(&self->stopping, 1);
    platform_event_set(&self->events[SESSION_STOP]);
    platform_mutex_lock(&self->producer.lock);
    ring_end_producing(&self->producer);
    platform_mutex_unlock(&self->producer.lock);
    platform_mutex_lock(&self->consumer.lock);
    ring_end_consuming(&self->consumer);
    platform_mutex_unlock(&self->consumer.lock);
}

/* --- Control --------------------------------------------------------------------------------- */

void
session_pause(struct WINTUN_SESSION *self, bool paused)
{
    atom_u32_store(&self->paused, paused ? 1 : 0);
    if (paused) {
        /* Who is at the rings now gets to the end of its burst. */
        platform_mutex_lock(&self->consumer.lock);
        platform_mutex_unlock(&self->consumer.lock);
        platform_mutex_lock(&self->producer.lock);
        platform_mutex_unlock(&self->producer.lock);
    } else {
        platform_event_set(&self->events[SESSION_BELL]);
        platform_event_set(&self->events[SESSION_RESUMED]);
    }
}

void
session_corrupt(struct WINTUN_SESSION *self)
{
    delivery burst;
    delivery_begin(&burst, self);
    platform_mutex_lock(&self->receiver.lock);
    ring *shared = self->receiver.shared;
    if (self->receiver.next == self->producer.tail) {
        /* Nothing is there to be spoilt: a packet without a byte, which fits beside any other. */
        (void)ring_produce(&self->producer, 0);
    }
    *ring_size_at(shared, self->receiver.next) = IMPOSSIBLE_SIZE;
    platform_mutex_unlock(&self->receiver.lock);
    delivery_end(&burst);
}

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
