/* SPDX-License-Identifier: MIT
 *
 * The pings of the built-in host: echo requests to a neighbour of each of the adapter's addresses,
 * and a check of the replies.
 */
#ifndef SIMULATOR_PINGER_H
#define SIMULATOR_PINGER_H

#include "far_side.h"
#include "interfaces.h"
#include "packet.h"

/* Echo requests that an answer is still taken for. */
#define PINGER_PINGS 1024

typedef struct pinger_ping {
    bool waiting;
    ADDRESS_FAMILY family;
    uint16_t sequence;
    UCHAR neighbour[16];
} pinger_ping;

typedef struct pinger {
    interfaces *ip;

    /* What was asked for, under the lock. */
    platform_mutex lock;
    uint32_t pings_left;
    int64_t ping_interval_ns;
    int64_t next_ping_ns;

    /* The driver's thread alone. */
    uint16_t identifier;
    uint16_t sequence;
    pinger_ping pings[PINGER_PINGS]; /* by sequence number */
} pinger;

void pinger_init(pinger *self, interfaces *ip);
void pinger_destroy(pinger *self);

/* Whether one of the adapter's addresses has a neighbour to ping. */
bool pinger_has_neighbour(pinger *self);

/* Asks for pings; the driver's thread is to be woken. */
void pinger_order(pinger *self, DWORD count, DWORD interval_ms);

/* Sends what it is time for. Returns when to call again, by platform_clock_ns, negative for never.
 */
int64_t pinger_speak(pinger *self, delivery *burst);

/* Takes an echo reply, whose checksum is right. */
void pinger_take_reply(pinger *self, delivery *burst, const packet_view *view);

#endif
