/* SPDX-License-Identifier: MIT
 *
 * Loading a Wintun implementation and finding its functions.
 */
#include "library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    platform_mutex lock;
    library *loaded; /* newest first; never shortened */
    library *current;
    WINTUN_LOGGER_CALLBACK logger;
} libraries;

/* The list is whole at any moment: entries are put before it, and never taken out. */
static void
renew_lock(void)
{
    platform_mutex_init(&libraries.lock);
}

void
library_initialize(void)
{
    renew_lock();
    platform_on_fork(renew_lock);
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

library *
library_load(const char *path, DWORD *code, char *text, size_t text_size)
{
    platform_mutex_lock(&libraries.lock);
    library *found = find_loaded(path);
    if (found == NULL) {
        found = open_library(path, code, text, text_size);
        if (found != NULL) {
            found->next = libraries.loaded;
            libraries.loaded = found;
            found->wintun.SetLogger(libraries.logger);
        }
    }
    if (found != NULL) {
        libraries.current = found;
    }
    platform_mutex_unlock(&libraries.lock);
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

void
library_set_logger(WINTUN_LOGGER_CALLBACK logger)
{
    platform_mutex_lock(&libraries.lock);
    libraries.logger = logger;
    for (library *each = libraries.loaded; each != NULL; each = each->next) {
        each->wintun.SetLogger(logger);
    }
    platform_mutex_unlock(&libraries.lock);
}
