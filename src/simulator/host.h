/* SPDX-License-Identifier: MIT
 *
 * The built-in host: the stack that Windows has on the other side of an adapter, as far as a client
 * without a driver needs it. It speaks first when a session starts, answers pings to the adapter's
 * addresses, and pings when it is told to.
 */
#ifndef SIMULATOR_HOST_H
#define SIMULATOR_HOST_H

#include "announcer.h"
#include "pinger.h"

typedef struct host {
    interfaces *ip;
    announcer announcer;
    pinger pinger;
} host;

/* The host begins as zeros. */
void host_init(host *self, interfaces *ip);
void host_destroy(host *self);

/* Sends what it is time for. Returns when to call again, by platform_clock_ns, negative for never.
 */
int64_t host_speak(host *self, delivery *burst);

/* Takes one packet that the client sent, and may answer it. */
void host_receive(host *self, delivery *burst, const BYTE *packet, uint32_t size);

#endif
