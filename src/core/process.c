/* SPDX-License-Identifier: MIT
 *
 * Forks, and patience with other threads.
 */
#include "process.h"

/* Looks after a yield each, before they are a sleep apart. */
#define YIELDS 64
#define SLEEP_NS INT64_C(1000000)

atom_u32 process_forks;

static void
count_fork(void)
{
    (void)atom_u32_add(&process_forks, 1);
}

void
process_initialize(void)
{
    platform_on_fork(count_fork);
}

void
wait_while(bool (*condition)(void *context), void *context, int64_t patience_ns)
{
    int64_t deadline_ns = platform_clock_ns() + patience_ns;
    for (unsigned look = 0; condition(context) && platform_clock_ns() < deadline_ns; look++) {
        if (look < YIELDS) {
            platform_yield();
        } else {
            platform_sleep_ns(SLEEP_NS);
        }
    }
}
