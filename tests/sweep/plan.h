/* SPDX-License-Identifier: MIT
 *
 * Which calls fail: a plan counts the calls of something, lets some pass, then makes some fail. So
 * a test learns by one run which calls there are, and makes each of them fail in a run of its own.
 */
#ifndef PLAN_H
#define PLAN_H

#include <errno.h>
#include <stdatomic.h>

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

typedef struct plan {
    atomic_int calls;
    atomic_int pass; /* how many pass first, */
    atomic_int fail; /* how many fail then, */
    atomic_int met;  /* and how many have failed */
    int error;       /* errno of those that fail */
} plan;

static inline void
plan_set(plan *self, int pass, int fail, int error)
{
    atomic_store(&self->fail, 0);
    atomic_store(&self->calls, 0);
    atomic_store(&self->met, 0);
    self->error = error;
    atomic_store(&self->pass, pass);
    atomic_store(&self->fail, fail);
}

/* One call: whether it fails. */
static inline int
plan_meet(plan *self)
{
    (void)atomic_fetch_add(&self->calls, 1);
    if (atomic_fetch_sub(&self->pass, 1) > 0 || atomic_fetch_sub(&self->fail, 1) <= 0) {
        return 0;
    }
    (void)atomic_fetch_add(&self->met, 1);
    errno = self->error;
    return 1;
}

#endif
