/* SPDX-License-Identifier: MIT
 *
 * The driver's half of a session: its side of the rings, what it was told to do with packets, and
 * what its threads need to wait for each other.
 */
#ifndef SIMULATOR_DRIVER_H
#define SIMULATOR_DRIVER_H

#include "host.h"
#include "settings.h"

enum {
    DRIVER_ARRIVED, /* packets to receive: the client's read-wait event */
    DRIVER_BELL,    /* packets were sent, or the thread that takes them has something else to do */
    DRIVER_RESUMED, /* the thread that receives from the wire may go on after a stop */
    DRIVER_STOP,    /* manual-reset: the driver's threads shall end */
    DRIVER_EVENTS
};

#define DRIVER_THREADS 2

typedef struct driver {
    far_side side;
    host host;
    settings wanted; /* of the session: wire, packet_size and socket do not change */
    wire_reader *reader;
    uint32_t capacity;

    atom_u32 stopping;
    atom_u32 unheard; /* a wire without a thread: a packet that is not IP may be in the ring */
    platform_event events[DRIVER_EVENTS];
    unsigned event_count;
    platform_thread threads[DRIVER_THREADS];
    unsigned thread_count;
} driver;

/* The driver begins as zeros. Takes over what the settings refer to. False if there is no memory or
 * no handle; driver_destroy is to be called all the same. */
bool driver_init(driver *self, ring *receive, ring *send, uint32_t capacity, interfaces *ip,
                 counters *counters, settings wanted);
void driver_destroy(driver *self);

/* Starts a thread that runs function(self); false if it cannot be started. */
bool driver_start_thread(driver *self, platform_thread_function function);

/* Waits until the threads have ended. */
void driver_stop(driver *self);

/* The adapter is going: the client's calls fail from now on, and the threads end. */
void driver_end_rings(driver *self);

/* Changes what is done with packets; when it returns, nothing else is done. */
void driver_set_flow(driver *self, SIMULATOR_FLOW flow);

/* Something was sent. A wire without a thread, for which nobody waits, looks at once; is_ip:
 * whether what was sent is a packet that the driver lets pass. */
void driver_hear(driver *self, bool is_ip);

static inline bool
driver_is_stopping(driver *self)
{
    return atom_u32_load(&self->stopping) != 0;
}

/* Wakes the thread that takes what was sent. */
void driver_ring_bell(driver *self);

/* Waits for one of the events; deadline_ns: of platform_clock_ns, negative for none. */
void driver_wait(driver *self, int event, int64_t deadline_ns);

#endif
