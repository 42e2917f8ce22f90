/* SPDX-License-Identifier: MIT
 *
 * The lock over what a process has one of. It makes itself at its first use, so that the library
 * needs no code that runs when it is loaded.
 */
#include "global.h"

#include "platform/atomics.h"
#include "platform/platform.h"

enum { LOCK_ABSENT, LOCK_IN_THE_MAKING, LOCK_READY };

static atom_u32 lock_state;
static platform_mutex lock;
static atom_u64 random_state;

static void
renew_lock(void)
{
    platform_mutex_init(&lock);
}

static void
make_lock(void)
{
    uint32_t state = LOCK_ABSENT;
    if (atom_u32_cas(&lock_state, &state, LOCK_IN_THE_MAKING)) {
        renew_lock();
        platform_on_fork(renew_lock);
        atom_u32_store(&lock_state, LOCK_READY);
    }
    while (atom_u32_load(&lock_state) != LOCK_READY) {
        platform_yield();
    }
}

void
global_lock(void)
{
    if (atom_u32_load(&lock_state) != LOCK_READY) {
        make_lock();
    }
    platform_mutex_lock(&lock);
}

void
global_unlock(void)
{
    platform_mutex_unlock(&lock);
}

uint64_t
global_random(void)
{
    /* The finisher of MurmurHash3 over a counter, the time and where this process was loaded. */
    uint64_t value = (atom_u64_add(&random_state, 1) + 1) * UINT64_C(0x9E3779B97F4A7C15);
    value ^= platform_filetime() ^ ((uint64_t)platform_clock_ns() << 20);
    value += (uint64_t)(uintptr_t)&random_state << 16;
    value = (value ^ (value >> 33)) * UINT64_C(0xFF51AFD7ED558CCD);
    value = (value ^ (value >> 33)) * UINT64_C(0xC4CEB9FE1A85EC53);
    return value ^ (value >> 33);
}
