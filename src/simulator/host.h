/* SPDX-License-Identifier: MIT
 *
 * The built-in host: the stack that Windows has on the other side of an adapter, as far as a client
 * without a driver needs it. It speaks first when a session starts, answers pings to the adapter's
 * addresses, and pings when it is told to.
 */
#ifndef SIMULATOR_HOST_H
#define SIMULATOR_HOST_H

#include "ip_helper.h"
#include "platform/platform.h"

struct delivery;

/* Echo requests that an answer is still taken for. */
#define HOST_PINGS 1024

typedef struct host_ping {
    bool waiting;
    ADDRESS_FAMILY family;
    uint16_t sequence;
    UCHAR neighbour[16];
} host_ping;

typedef struct host {
    /* What was asked for, under the lock. */
    platform_mutex lock;
    uint32_t pings_left;
    int64_t ping_interval_ns;
    int64_t next_ping_ns;

    /* The driver's thread alone. */
    bool reported[2]; /* multicast memberships, by family */
    unsigned solicitations;
    int64_t next_solicitation_ns;
    uint16_t identifier;
    uint16_t sequence;
    host_ping pings[HOST_PINGS]; /* by sequence number */
} host;

void host_init(host *self);
void host_destroy(host *self);

/* Asks for pings; the driver's thread is to be woken. */
void host_order_pings(host *self, DWORD count, DWORD interval_ms);

/* Sends what it is time for. Returns when to call again, by platform_clock_ns, negative for never.
 */
int64_t host_speak(host *self, struct delivery *burst);

/* Takes one packet that the client sent, and may answer it. */
void host_receive(host *self, struct delivery *burst, const BYTE *packet, uint32_t size);

#endif
