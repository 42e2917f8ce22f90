/* SPDX-License-Identifier: MIT
 *
 * The lock over what a process has one of: its adapters and sessions, the settings, the faults and
 * the logger. Order of locks: an adapter's own lock, then this one, then locks of leaves.
 */
#ifndef SIMULATOR_GLOBAL_H
#define SIMULATOR_GLOBAL_H

#include <stdint.h>

void global_lock(void);
void global_unlock(void);

/* A number that no other call is likely to get: identifiers, not secrets. */
uint64_t global_random(void);

#endif
