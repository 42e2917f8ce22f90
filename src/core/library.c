/* SPDX-License-Identifier: MIT
 *
 * Loading a Wintun implementation and finding its functions.
 */
#include "library.h"

#include "quiet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    platform_mutex lock; /* guards the rest; no library is called while it is held */
    library *loaded;     /* newest first; never shortened */
    library *current;
} libraries;

/* The list is whole at any moment: entries are put before it, and never taken out. */
static void
renew_lock(void)
{
    platform_mutex_init(&libraries.lock);
}

bool
library_initialize(WINTUN_LOGGER_CALLBACK logger)
{
    renew_lock();
    platform_on_fork(renew_lock);
    return quiet_initialize(logger);
}

/* ISO C has no cast from an object pointer to a function pointer; every system that loads libraries
 * promises that the bytes are the same. */
static void
store_function(void *member, void *symbol)
{
    memcpy(member, &symbol, sizeof(symbol));
}

/* Returns the name of a function that the library lacks, or NULL. */
static const char *
resolve_wintun(void *handle, WINTUN_API *api)
{
#define RESOLVE(Result, Name, TYPE, Parameters)                                                    \
    do {                                                                                           \
        void *symbol = platform_library_symbol(handle, "Wintun" #Name);                            \
        if (symbol == NULL) {                                                                      \
            return "Wintun" #Name;                                                                 \
        }                                                                                          \
        store_function(&api->Name, symbol);                                                        \
    } while (0);
    WINTUN_FUNCTIONS(RESOLVE)
#undef RESOLVE
    return NULL;
}

static void
resolve_ip_helper(void *handle, IP_HELPER_API *api)
{
#define RESOLVE(Result, Name, Parameters)                                                          \
    do {                                                                                           \
        void *symbol = platform_library_symbol(handle, #Name);                                     \
        store_function(&api->Name, symbol != NULL ? symbol : platform_ip_helper_symbol(#Name));    \
    } while (0);
    IP_HELPER_FUNCTIONS(RESOLVE)
#undef RESOLVE
}

static library *
find_loaded(const char *path)
{
    library *found = libraries.loaded;
    while (found != NULL && strcmp(found->path, path) != 0) {
        found = found->next;
    }
    return found;
}

static void
close_library(library *opened)
{
    platform_library_close(opened->handle);
    free(opened->path);
    free(opened);
}

static library *
open_library(const char *path, DWORD *code, char *text, size_t text_size)
{
    const char *missing = NULL;
    size_t path_size = strlen(path) + 1;
    library *opened = NULL;
    void *handle = platform_library_open(path, code, text, text_size);
    if (handle == NULL) {
        return NULL;
    }
    *code = ERROR_NOT_ENOUGH_MEMORY;
    opened = calloc(1, sizeof(*opened));
    if (opened == NULL) {
        goto cleanup_handle;
    }
    opened->path = malloc(path_size);
    if (opened->path == NULL) {
        goto cleanup_library;
    }
    memcpy(opened->path, path, path_size);
    opened->handle = handle;
    *code = ERROR_PROC_NOT_FOUND;
    missing = resolve_wintun(handle, &opened->wintun);
    opened->last_error = platform_library_last_error(handle);
    if (missing == NULL && opened->last_error == NULL) {
        missing = "GetLastError";
    }
    if (missing != NULL) {
        (void)snprintf(text, text_size, "it has no function %s: not a Wintun 0.14 library",
                       missing);
        goto cleanup_path;
    }
    resolve_ip_helper(handle, &opened->ip_helper);
    return opened;
cleanup_path:
    free(opened->path);
cleanup_library:
    free(opened);
cleanup_handle:
    platform_library_close(handle);
    return NULL;
}

/* Makes the library the current one; instead of it the one that has its path already, if any. */
static library *
make_current(const char *path, library *opened)
{
    platform_mutex_lock(&libraries.lock);
    library *found = find_loaded(path);
    if (found == NULL && opened != NULL) {
        opened->next = libraries.loaded;
        libraries.loaded = opened;
        found = opened;
    }
    if (found != NULL) {
        libraries.current = found;
    }
    platform_mutex_unlock(&libraries.lock);
    return found;
}

library *
library_load(const char *path, DWORD *code, char *text, size_t text_size)
{
    library *found = make_current(path, NULL);
    if (found != NULL) {
        return found;
    }
    /* Without the lock: what runs in the library while it is loaded may log, and the log callback
     * may load, too. */
    library *opened = open_library(path, code, text, text_size);
    if (opened == NULL) {
        return NULL;
    }
    opened->wintun.SetLogger(quiet_log);
    found = make_current(path, opened);
    if (found != opened) {
        /* Another thread has loaded it meanwhile: the system counts the file twice. */
        close_library(opened);
    }
    return found;
}

library *
library_current(void)
{
    platform_mutex_lock(&libraries.lock);
    library *current = libraries.current;
    platform_mutex_unlock(&libraries.lock);
    return current;
}
