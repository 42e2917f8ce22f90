/* SPDX-License-Identifier: MIT
 *
 * What a host says unasked when it comes to a link: the multicast groups that it joins, for each IP
 * family as soon as the adapter has it, and three solicitations of routers.
 */
#ifndef SIMULATOR_ANNOUNCER_H
#define SIMULATOR_ANNOUNCER_H

#include "far_side.h"
#include "interfaces.h"

/* The driver's thread alone uses it. Begins as zeros. */
typedef struct announcer {
    interfaces *ip;
    bool reported[SETTINGS_FAMILIES]; /* multicast memberships */
    unsigned solicitations;
    int64_t next_solicitation_ns;
} announcer;

/* Sends what it is time for. Returns when to call again, by platform_clock_ns, negative for never.
 */
int64_t announcer_speak(announcer *self, delivery *burst);

#endif
