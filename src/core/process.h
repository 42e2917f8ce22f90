/* SPDX-License-Identifier: MIT
 *
 * The process that this code runs in: how many forks lie behind it, and how long one of its threads
 * waits for others.
 */
#ifndef CORE_PROCESS_H
#define CORE_PROCESS_H

#include "platform/atomics.h"
#include "platform/platform.h"

/* How long one thread waits for others that are about to leave. They do so at once, except a thread
 * that the interpreter's exit has stopped, or the own one inside a call that calls back. */
#define PATIENCE_NS INT64_C(1000000000)

/* Must come before the other functions, once. */
void process_initialize(void);

extern atom_u32 process_forks;

/* How many forks lie between the process that loaded this and the one that runs it. Whatever was
 * made at another number belongs to another process, whose threads this one does not have and whose
 * locks it may have found taken. */
static inline uint32_t
fork_count(void)
{
    return PLATFORM_HAS_FORK ? atom_u32_load(&process_forks) : 0;
}

/* Waits, not longer than patience_ns, while the condition holds. */
void wait_while(bool (*condition)(void *context), void *context, int64_t patience_ns);

#endif
