/* SPDX-License-Identifier: MIT
 *
 * An allocator for Python that fails by a plan, and otherwise asks the one that it replaces.
 */
#ifdef __linux__
#define _GNU_SOURCE
#endif

#include "plan.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#ifdef __linux__
#include <dlfcn.h>
#include <execinfo.h>
#endif

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

/* Whether the allocation that failed was asked for by the package's C, at whatever depth. */
EXPORT atomic_int allocator_in_extension;

static plan allocations;

/* Only the thread that made the plan: no other is prepared for it. */
static _Thread_local int planned;

EXPORT void
allocator_plan(int pass, int fail)
{
    plan_set(&allocations, pass, fail, ENOMEM);
    atomic_store(&allocator_in_extension, 0);
    planned = 1;
}

/* Returns how many allocations were asked for. */
EXPORT int
allocator_end(void)
{
    planned = 0;
    return atomic_load(&allocations.calls);
}

#define DEEPEST 100

static bool
is_in_extension(void)
{
    bool found = false;
#ifdef __linux__
    void *frames[DEEPEST];
    int count = backtrace(frames, DEEPEST);
    for (int i = 0; i < count && !found; i++) {
        Dl_info info;
        found = dladdr(frames[i], &info) != 0 && strstr(info.dli_fname, "/_wintun.") != NULL;
    }
#endif
    return found;
}

static bool
fails(void)
{
    if (!planned || !atomic_load(&allocator_active) || !plan_meet(&allocations)) {
        return false;
    }
    atomic_store(&allocator_in_extension, is_in_extension());
    return true;
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
