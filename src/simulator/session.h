/* SPDX-License-Identifier: MIT
 *
 * A session: the two rings of an adapter, the client's side of them and the driver's.
 */
#ifndef SIMULATOR_SESSION_H
#define SIMULATOR_SESSION_H

#include "adapter.h"
#include "driver.h"
#include "ring_client.h"

struct WINTUN_SESSION {
    struct WINTUN_SESSION *next; /* under the global lock */
    adapter *adapter;
    uint32_t capacity;

    /* Each side has cache lines of its own. */
    UCHAR apart1[64];
    ring_receiver receiver;
    UCHAR apart2[64];
    ring_sender sender;
    UCHAR apart3[64];
    ring_lapse lapse;
    driver driver;
};

/* NULL and a Win32 code on failure. */
struct WINTUN_SESSION *session_start(adapter *owner, DWORD capacity, DWORD *code);

/* Stops the driver's threads and frees the rings. */
void session_end(struct WINTUN_SESSION *self);

/* The session of an adapter, by its name, which cannot end before session_leave: that has the
 * adapter's lock. NULL and a Win32 code. */
struct WINTUN_SESSION *session_enter(const char *name, DWORD *code);
void session_leave(struct WINTUN_SESSION *self);

/* Sends a packet of the client's. */
void session_send(struct WINTUN_SESSION *self, const BYTE *packet);

/* --- Faults, each between session_enter and session_leave --- */

/* The client's next receive finds a packet that cannot be. */
void session_corrupt(struct WINTUN_SESSION *self);

/* The client's next receive finds a packet with other bytes, and the next one a packet that cannot
 * be. */
void session_overrun(struct WINTUN_SESSION *self);

/* The driver does not see what is sent next until something is sent after it. */
void session_lose_wakeup(struct WINTUN_SESSION *self);

void session_count(DWORD *sessions, DWORD *held_packets);

#endif
