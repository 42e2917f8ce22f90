/* SPDX-License-Identifier: MIT
 *
 * Makes calls to the system fail that a loaded library makes, by changing the slots through which
 * it calls what it imports. For 64-bit ELF as Linux loads it.
 */
#define _GNU_SOURCE

#include "plan.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* X(result, name, parameters, arguments, what it returns when it fails) */
#define SYSTEM_CALLS(X)                                                                            \
    X(int, pipe, (int *ends), (ends), -1)                                                          \
    X(int, pipe2, (int *ends, int flags), (ends, flags), -1)                                       \
    X(int, open, (const char *path, int flags), (path, flags), -1)                                 \
    X(int, fcntl, (int file, int command, int value), (file, command, value), -1)                  \
    X(int, poll, (struct pollfd * polled, nfds_t count, int ms), (polled, count, ms), -1)          \
    X(ssize_t, read, (int file, void *bytes, size_t size), (file, bytes, size), -1)                \
    X(ssize_t, write, (int file, const void *bytes, size_t size), (file, bytes, size), -1)         \
    X(ssize_t, recv, (int file, void *bytes, size_t size, int how), (file, bytes, size, how), -1)  \
    X(ssize_t, send, (int file, const void *bytes, size_t size, int how),                          \
      (file, bytes, size, how), -1)                                                                \
    X(int, getsockopt, (int file, int level, int name, void *value, socklen_t *size),              \
      (file, level, name, value, size), -1)                                                        \
    X(int, getpeername, (int file, struct sockaddr *name, socklen_t *size), (file, name, size),    \
      -1)                                                                                          \
    X(void *, mmap, (void *at, size_t size, int protection, int flags, int file, off_t offset),    \
      (at, size, protection, flags, file, offset), MAP_FAILED)                                     \
    X(int, mprotect, (void *at, size_t size, int protection), (at, size, protection), -1)          \
    X(int, access, (const char *path, int mode), (path, mode), -1)                                 \
    X(int, nanosleep, (const struct timespec *wanted, struct timespec *left), (wanted, left), -1)  \
    X(void *, dlopen, (const char *path, int mode), (path, mode), NULL)                            \
    X(void *, dlsym, (void *library, const char *name), (library, name), NULL)                     \
    X(int, pthread_create,                                                                         \
      (pthread_t * thread, const pthread_attr_t *attributes, void *(*start)(void *), void *given), \
      (thread, attributes, start, given), errno)

/* X(name, parameters, arguments, the block that it takes away) */
#define ALLOCATIONS(X)                                                                             \
    X(malloc, (size_t size), (size), NULL)                                                         \
    X(calloc, (size_t count, size_t size), (count, size), NULL)                                    \
    X(realloc, (void *memory, size_t size), (memory, size), memory)

enum {
#define NUMBER_SYSTEM(Result, name, parameters, arguments, failure) NUMBER_##name,
#define NUMBER_ALLOCATION(name, parameters, arguments, before) NUMBER_##name,
    SYSTEM_CALLS(NUMBER_SYSTEM) ALLOCATIONS(NUMBER_ALLOCATION) FUNCTIONS
};

#define MOST_LIBRARIES 4
#define MOST_SITES 1024

typedef struct library {
    const char *name; /* the end of its path */
    uintptr_t base;
    uintptr_t start;
    uintptr_t end;
    plan plans[FUNCTIONS];
    atomic_int blocks;                    /* allocated and not freed */
    _Atomic(uintptr_t) sites[MOST_SITES]; /* where calls returned to, from base */
} library;

static library libraries[MOST_LIBRARIES];
static int library_count;

/* --- The calls ------------------------------------------------------------------------------- */

/* The library that a call returns to; NULL where it is the caller of the library's function, since
 * that ends with the call and a compiler has then jumped to it. */
static library *
library_at(const void *address)
{
    for (int i = 0; i < library_count; i++) {
        if ((uintptr_t)address >= libraries[i].start && (uintptr_t)address < libraries[i].end) {
            return &libraries[i];
        }
    }
    return NULL;
}

static void
note_site(library *caller, uintptr_t site)
{
    for (int i = 0; i < MOST_SITES; i++) {
        uintptr_t known = 0;
        if (atomic_compare_exchange_strong(&caller->sites[i], &known, site) || known == site) {
            return;
        }
    }
    abort();
}

static void
count_blocks(const void *address, int more)
{
    library *caller = library_at(address);
    if (caller != NULL) {
        (void)atomic_fetch_add(&caller->blocks, more);
    }
}

static bool
fails(int function, const void *address)
{
    library *caller = library_at(address);
    if (caller == NULL) {
        return false;
    }
    note_site(caller, (uintptr_t)address - caller->base);
    return plan_meet(&caller->plans[function]);
}

#define DEFINE_SYSTEM(Result, name, parameters, arguments, failure)                                \
    static Result or_fail_##name parameters                                                        \
    {                                                                                              \
        return fails(NUMBER_##name, __builtin_return_address(0)) ? failure : name arguments;       \
    }
SYSTEM_CALLS(DEFINE_SYSTEM)

#define DEFINE_ALLOCATION(name, parameters, arguments, before)                                     \
    static void *or_fail_##name parameters                                                         \
    {                                                                                              \
        const void *address = __builtin_return_address(0);                                         \
        int replaced = (before) != NULL;                                                           \
        void *given = fails(NUMBER_##name, address) ? NULL : name arguments;                       \
        if (given != NULL) {                                                                       \
            count_blocks(address, 1 - replaced);                                                   \
        }                                                                                          \
        return given;                                                                              \
    }
ALLOCATIONS(DEFINE_ALLOCATION)

static void
counted_free(void *memory)
{
    if (memory != NULL) {
        count_blocks(__builtin_return_address(0), -1);
    }
    free(memory);
}

static const struct {
    const char *name;
    void *function;
} replacements[] = {
#define LIST_SYSTEM(Result, name, parameters, arguments, failure)                                  \
    {#name, (void *)(uintptr_t)or_fail_##name},
#define LIST_ALLOCATION(name, parameters, arguments, before)                                       \
    {#name, (void *)(uintptr_t)or_fail_##name},
    SYSTEM_CALLS(LIST_SYSTEM) ALLOCATIONS(LIST_ALLOCATION){"free", (void *)(uintptr_t)counted_free},
};

#define REPLACEMENTS (sizeof(replacements) / sizeof(replacements[0]))

/* --- Changing the slots ---------------------------------------------------------------------- */

static void
store(void **slot, void *function)
{
    uintptr_t page = (uintptr_t)slot & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
    if (mprotect((void *)page, (uintptr_t)(slot + 1) - page, PROT_READ | PROT_WRITE) != 0) {
        abort();
    }
    *slot = function;
}

static void
replace(const ElfW(Rela) * relocations, size_t size, uintptr_t base, const ElfW(Sym) * symbols,
        const char *names)
{
    for (size_t i = 0; i < size / sizeof(*relocations); i++) {
        const char *name = names + symbols[ELF64_R_SYM(relocations[i].r_info)].st_name;
        for (size_t j = 0; j < REPLACEMENTS; j++) {
            if (strcmp(name, replacements[j].name) == 0) {
                store((void **)(base + relocations[i].r_offset), replacements[j].function);
            }
        }
    }
}

static void
replace_all(uintptr_t base, const ElfW(Dyn) * dynamic)
{
    uintptr_t values[DT_NUM] = {0};
    for (; dynamic->d_tag != DT_NULL; dynamic++) {
        if (dynamic->d_tag < DT_NUM) {
            values[dynamic->d_tag] = dynamic->d_un.d_ptr;
        }
    }
    const void *symbols = (const void *)values[DT_SYMTAB];
    const char *names = (const char *)values[DT_STRTAB];
    replace((const void *)values[DT_RELA], values[DT_RELASZ], base, symbols, names);
    replace((const void *)values[DT_JMPREL], values[DT_PLTRELSZ], base, symbols, names);
}

static int
visit(struct dl_phdr_info *info, size_t size, void *context)
{
    library *wanted = context;
    const ElfW(Dyn) *dynamic = NULL;
    size_t length = strlen(info->dlpi_name);
    size_t end = strlen(wanted->name);
    (void)size;
    if (length < end || strcmp(info->dlpi_name + length - end, wanted->name) != 0) {
        return 0;
    }
    wanted->base = info->dlpi_addr;
    wanted->start = UINTPTR_MAX;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_LOAD) {
            wanted->start = start < wanted->start ? start : wanted->start;
            wanted->end = start + header->p_memsz;
        } else if (header->p_type == PT_DYNAMIC) {
            dynamic = (const void *)start;
        }
    }
    library_count++;
    replace_all(info->dlpi_addr, dynamic);
    return 1;
}

/* Counts the calls from now on of the loaded library whose path ends so; once a library. Returns
 * its number, or -1 if there is none. name must stay. */
EXPORT int
interpose_library(const char *name)
{
    library *wanted = &libraries[library_count];
    wanted->name = name;
    return dl_iterate_phdr(visit, wanted) != 0 ? library_count - 1 : -1;
}

/* --- Plans ----------------------------------------------------------------------------------- */

/* The name of a function that can be made to fail; NULL after the last. */
EXPORT const char *
interpose_function(int function)
{
    return function < FUNCTIONS ? replacements[function].name : NULL;
}

EXPORT void
interpose_plan(int library, int function, int pass, int fail, int error)
{
    plan_set(&libraries[library].plans[function], pass, fail, error);
}

EXPORT int
interpose_calls(int library, int function)
{
    return atomic_load(&libraries[library].plans[function].calls);
}

EXPORT int
interpose_met(int library, int function)
{
    return atomic_load(&libraries[library].plans[function].met);
}

EXPORT int
interpose_blocks(int library)
{
    return atomic_load(&libraries[library].blocks);
}

/* Where calls have returned to, as offsets into the library; 0 after the last. */
EXPORT uintptr_t
interpose_site(int library, int index)
{
    return index < MOST_SITES ? atomic_load(&libraries[library].sites[index]) : 0;
}
