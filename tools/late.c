// SPDX-License-Identifier: MIT
/* Lets threads get their turn late, as on a machine that is far too busy. For LD_PRELOAD on Linux.
 *
 * Of the threads that start one in LATE_START is late, and of the waits that end one in LATE_WAKE,
 * each for up to LATE_MS milliseconds: variables of the environment, 2, 300 and 1000 by default.
 * The waits are those that CPython, its event loops and both libraries of the package use. What a
 * wait answers stays as it was. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

typedef struct start {
    void *(*function)(void *);
    void *argument;
} start;

static long
setting(const char *name, long otherwise)
{
    const char *value = getenv(name);
    return value ? atol(value) : otherwise;
}

static void *
real(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    return found ? found : (abort(), NULL);
}

/* A counter mixed as splitmix64 does: no lock, and another sequence in each process. */
static uint32_t
chance(void)
{
    static _Atomic uint64_t state;
    uint64_t mixed = atomic_fetch_add(&state, 0x9e3779b97f4a7c15) + (uint64_t)getpid();
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return (uint32_t)(mixed >> 32);
}

static void
be_late(const char *which, long otherwise)
{
    long one_in = setting(which, otherwise);
    if (one_in <= 0 || chance() % (uint32_t)one_in != 0) {
        return;
    }
    int before = errno;
    long milliseconds = (long)(chance() % (uint32_t)(setting("LATE_MS", 1000) + 1));
    struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0) {
    }
    errno = before;
}

static void *
run_late(void *argument)
{
    start given = *(start *)argument;
    free(argument);
    be_late("LATE_START", 2);
    return given.function(given.argument);
}

int
pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *),
               void *argument)
{
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    *(void **)&create = real("pthread_create");
    start *given = malloc(sizeof *given);
    if (!given) {
        return EAGAIN;
    }
    *given = (start){function, argument};
    int error = create(thread, attributes, run_late, given);
    if (error != 0) {
        free(given);
    }
    return error;
}

#define LATE(name, parameters, arguments)                                                          \
    int name parameters                                                                            \
    {                                                                                              \
        static _Atomic(void *) found;                                                              \
        void *known = atomic_load(&found);                                                         \
        if (!known) {                                                                              \
            known = real(#name);                                                                   \
            atomic_store(&found, known);                                                           \
        }                                                                                          \
        int(*wait) parameters;                                                                     \
        *(void **)&wait = known;                                                                   \
        int answer = wait arguments;                                                               \
        be_late("LATE_WAKE", 300);                                                                 \
        return answer;                                                                             \
    }

typedef const struct timespec *until;

LATE(poll, (struct pollfd * list, nfds_t count, int timeout), (list, count, timeout))
LATE(ppoll, (struct pollfd * list, nfds_t count, until timeout, const sigset_t *mask),
     (list, count, timeout, mask))
LATE(select, (int count, fd_set *in, fd_set *out, fd_set *others, struct timeval *timeout),
     (count, in, out, others, timeout))
LATE(epoll_wait, (int epoll, struct epoll_event *list, int count, int timeout),
     (epoll, list, count, timeout))
LATE(epoll_pwait,
     (int epoll, struct epoll_event *list, int count, int timeout, const sigset_t *mask),
     (epoll, list, count, timeout, mask))
LATE(sem_wait, (sem_t * semaphore), (semaphore))
LATE(sem_timedwait, (sem_t * semaphore, until time), (semaphore, time))
LATE(sem_clockwait, (sem_t * semaphore, clockid_t clock, until time), (semaphore, clock, time))
LATE(pthread_cond_timedwait, (pthread_cond_t * condition, pthread_mutex_t *mutex, until time),
     (condition, mutex, time))
LATE(pthread_cond_wait, (pthread_cond_t * condition, pthread_mutex_t *mutex), (condition, mutex))
LATE(pthread_cond_clockwait,
     (pthread_cond_t * condition, pthread_mutex_t *mutex, clockid_t clock, until time),
     (condition, mutex, clock, time))
