/* SPDX-License-Identifier: MIT
 *
 * What is counted of an adapter.
 */
#ifndef SIMULATOR_COUNTERS_H
#define SIMULATOR_COUNTERS_H

#include "platform/atomics.h"

/* In the order of control.h's SIMULATOR_STATISTICS. */
typedef struct counters {
    atom_u64 delivered_packets;
    atom_u64 delivered_bytes;
    atom_u64 dropped_full;
    atom_u64 dropped_too_big;
    atom_u64 dropped_paused;
    atom_u64 collected_packets;
    atom_u64 collected_bytes;
    atom_u64 discarded_not_ip;
    atom_u64 discarded_paused;
    atom_u64 not_for_host;
    atom_u64 pings_sent;
    atom_u64 pings_answered;
    atom_u64 bad_checksums;
} counters;

#endif
