/* SPDX-License-Identifier: MIT
 *
 * A session: the two rings of an adapter, both their sides, and the driver's threads.
 */
#ifndef SIMULATOR_SESSION_H
#define SIMULATOR_SESSION_H

#include "adapter.h"
#include "host.h"
#include "ring_client.h"
#include "ring_driver.h"

enum {
    SESSION_ARRIVED, /* packets to receive: the client's read-wait event */
    SESSION_BELL,    /* packets were sent, or the thread that takes them has something else to do */
    SESSION_RESUMED, /* the thread that receives from the wire may go on after a pause */
    SESSION_STOP,    /* manual-reset: the driver's threads shall end */
    SESSION_EVENTS
};

#define SESSION_THREADS 2

struct WINTUN_SESSION {
    struct WINTUN_SESSION *next; /* under the global lock */
    adapter *adapter;
    uint32_t capacity;
    SIMULATOR_WIRE wire;
    DWORD packet_size;
    wire_socket *socket;
    wire_reader *reader;

    atom_u32 paused;
    atom_u32 stopping;
    platform_event events[SESSION_EVENTS];
    unsigned event_count;
    platform_thread threads[SESSION_THREADS];
    unsigned thread_count;
    host host;

    /* Each side has cache lines of its own. */
    UCHAR apart1[64];
    ring_receiver receiver;
    UCHAR apart2[64];
    ring_sender sender;
    UCHAR apart3[64];
    ring_producer producer;
    UCHAR apart4[64];
    ring_consumer consumer;
    UCHAR apart5[64];
};

/* NULL and a Win32 code on failure. */
struct WINTUN_SESSION *session_start(adapter *owner, DWORD capacity, DWORD *code);

/* Stops the driver's threads and frees the rings. */
void session_end(struct WINTUN_SESSION *self);

/* The adapter is going: the client's calls fail from now on, and its waits end. Needs the adapter's
 * lock. */
void session_terminate(struct WINTUN_SESSION *self);

/* Returns when no thread of the driver touches the rings any more, or lets them go on. Needs the
 * adapter's lock. */
void session_pause(struct WINTUN_SESSION *self, bool paused);

/* The client's next receive finds a packet that cannot be. Needs the adapter's lock. */
void session_corrupt(struct WINTUN_SESSION *self);

void session_count(DWORD *sessions, DWORD *held_packets);

#endif
