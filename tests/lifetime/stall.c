/* SPDX-License-Identifier: MIT
 *
 * To be loaded before everything else: stops a thread where it is about to take a lock of the
 * extension's, as a busy system may do, for as long as the test wants.
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT void stall_prepare(void);
EXPORT void stall_next_lock(void);
EXPORT void stall_wait_until_reached(void);
EXPORT void stall_release(void);

static sem_t reached;
static sem_t released;
static _Thread_local int armed;

void
stall_prepare(void)
{
    (void)sem_init(&reached, 0, 0);
    (void)sem_init(&released, 0, 0);
}

/* The calling thread's next lock of the extension's. */
void
stall_next_lock(void)
{
    armed = 1;
}

void
stall_wait_until_reached(void)
{
    (void)sem_wait(&reached);
}

void
stall_release(void)
{
    (void)sem_post(&released);
}

static int
is_in_extension(const void *address)
{
    Dl_info found;
    return dladdr(address, &found) != 0 && strstr(found.dli_fname, "/_wintun.") != NULL;
}

EXPORT int
pthread_mutex_lock(pthread_mutex_t *mutex)
{
    static int (*original)(pthread_mutex_t *mutex);
    if (original == NULL) {
        void *symbol = dlsym(RTLD_NEXT, "pthread_mutex_lock");
        memcpy(&original, &symbol, sizeof(symbol));
    }
    if (armed && is_in_extension(__builtin_return_address(0))) {
        armed = 0;
        (void)sem_post(&reached);
        (void)sem_wait(&released);
    }
    return original(mutex);
}
