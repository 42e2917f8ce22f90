/* SPDX-License-Identifier: MIT
 *
 * An allocator for Python that fails by a plan, and otherwise asks the one that it replaces.
 */
#include "plan.h"

#include <stddef.h>

/* As Python's PyMemAllocatorEx. */
typedef struct allocator {
    void *context;
    void *(*malloc)(void *context, size_t size);
    void *(*calloc)(void *context, size_t count, size_t size);
    void *(*realloc)(void *context, void *memory, size_t size);
    void (*free)(void *context, void *memory);
} allocator;

/* Whether the plan is followed. */
EXPORT atomic_int allocator_active;

static plan allocations;

/* Only the thread that made the plan: no other is prepared for it. */
static _Thread_local int planned;

EXPORT void
allocator_plan(int pass, int fail)
{
    plan_set(&allocations, pass, fail, ENOMEM);
    planned = 1;
}

/* Returns how many allocations were asked for. */
EXPORT int
allocator_end(void)
{
    planned = 0;
    return atomic_load(&allocations.calls);
}

static int
fails(void)
{
    return planned && atomic_load(&allocator_active) && plan_meet(&allocations);
}

static void *
allocate(void *context, size_t size)
{
    const allocator *original = context;
    return fails() ? NULL : original->malloc(original->context, size);
}

static void *
allocate_zeros(void *context, size_t count, size_t size)
{
    const allocator *original = context;
    return fails() ? NULL : original->calloc(original->context, count, size);
}

static void *
reallocate(void *context, void *memory, size_t size)
{
    const allocator *original = context;
    return fails() ? NULL : original->realloc(original->context, memory, size);
}

static void
release(void *context, void *memory)
{
    const allocator *original = context;
    original->free(original->context, memory);
}

/* Stores one that replaces original, which must stay. */
EXPORT void
allocator_wrap(allocator *original, allocator *wrapper)
{
    *wrapper = (allocator){original, allocate, allocate_zeros, reallocate, release};
}
