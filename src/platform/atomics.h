/* SPDX-License-Identifier: MIT
 *
 * Atomic integers, by C11 where the compiler has them and by Windows' Interlocked functions where
 * it does not (MSVC in C mode). Sequentially consistent unless the name says otherwise.
 */
#ifndef ATOMICS_H
#define ATOMICS_H

#include <stdbool.h>
#include <stdint.h>

/* ATOMICS_INTERLOCKED takes Windows' functions with any compiler, so that they are checked by those
 * that are not MSVC. */
#if (defined(_MSC_VER) && !defined(__clang__)) || defined(ATOMICS_INTERLOCKED)

#include "win32_types.h"

#include <intrin.h>

/* Between a load and whatever comes after it. All stores are Interlocked, which are barriers of
 * both kinds: so a load needs to be no more than this, and does not take the line for itself as an
 * Interlocked function would. A processor of the x86 family keeps the order by itself, and only the
 * compiler has to be told. */
#if defined(_M_IX86) || defined(_M_X64) || defined(__i386__) || defined(__x86_64__)
#define ATOM_LOADED() _ReadWriteBarrier()
#else
#define ATOM_LOADED() MemoryBarrier()
#endif

typedef struct atom_u32 {
    volatile LONG value;
} atom_u32;

typedef struct atom_u64 {
    volatile LONG64 value;
} atom_u64;

static inline uint32_t
atom_u32_load(atom_u32 *atom)
{
    LONG value = atom->value;
    ATOM_LOADED();
    return (uint32_t)value;
}

static inline void
atom_u32_store(atom_u32 *atom, uint32_t value)
{
    (void)InterlockedExchange(&atom->value, (LONG)value);
}

/* For a value that a lock orders and that others only peek at. */
static inline void
atom_u32_note(atom_u32 *atom, uint32_t value)
{
    atom->value = (LONG)value;
}

/* Returns the value before the addition; add the two's complement to subtract. */
static inline uint32_t
atom_u32_add(atom_u32 *atom, uint32_t value)
{
    return (uint32_t)InterlockedExchangeAdd(&atom->value, (LONG)value);
}

/* Stores desired if the value is *expected; otherwise stores the value in *expected. */
static inline bool
atom_u32_cas(atom_u32 *atom, uint32_t *expected, uint32_t desired)
{
    LONG before = InterlockedCompareExchange(&atom->value, (LONG)desired, (LONG)*expected);
    bool stored = before == (LONG)*expected;
    *expected = (uint32_t)before;
    return stored;
}

/* Stores desired if the value is *expected; otherwise stores the value in *expected. */
static inline bool
atom_u64_cas(atom_u64 *atom, uint64_t *expected, uint64_t desired)
{
    LONG64 before = InterlockedCompareExchange64(&atom->value, (LONG64)desired, (LONG64)*expected);
    bool stored = before == (LONG64)*expected;
    *expected = (uint64_t)before;
    return stored;
}

/* A 32-bit processor loads 64 bits in two halves, but for this one function; and not every compiler
 * has the others of that width there. */
#if defined(_WIN64)
static inline uint64_t
atom_u64_load(atom_u64 *atom)
{
    LONG64 value = atom->value;
    ATOM_LOADED();
    return (uint64_t)value;
}

/* Returns the value before the exchange. */
static inline uint64_t
atom_u64_exchange(atom_u64 *atom, uint64_t value)
{
    return (uint64_t)InterlockedExchange64(&atom->value, (LONG64)value);
}

static inline uint64_t
atom_u64_add(atom_u64 *atom, uint64_t value)
{
    return (uint64_t)InterlockedExchangeAdd64(&atom->value, (LONG64)value);
}
#else
static inline uint64_t
atom_u64_load(atom_u64 *atom)
{
    return (uint64_t)InterlockedCompareExchange64(&atom->value, 0, 0);
}

/* Returns the value before the exchange. */
static inline uint64_t
atom_u64_exchange(atom_u64 *atom, uint64_t value)
{
    uint64_t before = atom_u64_load(atom);
    while (!atom_u64_cas(atom, &before, value)) {
    }
    return before;
}

static inline uint64_t
atom_u64_add(atom_u64 *atom, uint64_t value)
{
    uint64_t before = atom_u64_load(atom);
    while (!atom_u64_cas(atom, &before, before + value)) {
    }
    return before;
}
#endif

/* For counters that nobody orders anything by. */
static inline void
atom_u64_count(atom_u64 *atom, uint64_t value)
{
    (void)atom_u64_add(atom, value);
}

#else

#include <stdatomic.h>

typedef struct atom_u32 {
    _Atomic uint32_t value;
} atom_u32;

typedef struct atom_u64 {
    _Atomic uint64_t value;
} atom_u64;

static inline uint32_t
atom_u32_load(atom_u32 *atom)
{
    return atomic_load(&atom->value);
}

static inline void
atom_u32_store(atom_u32 *atom, uint32_t value)
{
    atomic_store(&atom->value, value);
}

/* For a value that a lock orders and that others only peek at. */
static inline void
atom_u32_note(atom_u32 *atom, uint32_t value)
{
    atomic_store_explicit(&atom->value, value, memory_order_relaxed);
}

/* Returns the value before the addition; add the two's complement to subtract. */
static inline uint32_t
atom_u32_add(atom_u32 *atom, uint32_t value)
{
    return atomic_fetch_add(&atom->value, value);
}

/* Stores desired if the value is *expected; otherwise stores the value in *expected. */
static inline bool
atom_u32_cas(atom_u32 *atom, uint32_t *expected, uint32_t desired)
{
    return atomic_compare_exchange_strong(&atom->value, expected, desired);
}

static inline uint64_t
atom_u64_load(atom_u64 *atom)
{
    return atomic_load(&atom->value);
}

/* Returns the value before the exchange. */
static inline uint64_t
atom_u64_exchange(atom_u64 *atom, uint64_t value)
{
    return atomic_exchange(&atom->value, value);
}

static inline uint64_t
atom_u64_add(atom_u64 *atom, uint64_t value)
{
    return atomic_fetch_add(&atom->value, value);
}

/* For counters that nobody orders anything by. */
static inline void
atom_u64_count(atom_u64 *atom, uint64_t value)
{
    (void)atomic_fetch_add_explicit(&atom->value, value, memory_order_relaxed);
}

static inline bool
atom_u64_cas(atom_u64 *atom, uint64_t *expected, uint64_t desired)
{
    return atomic_compare_exchange_strong(&atom->value, expected, desired);
}

#endif

#endif
