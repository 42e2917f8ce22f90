/* SPDX-License-Identifier: MIT
 *
 * What Packet and PacketBatch share: memory of packets that Python code may look into through
 * buffers, and that is given back once.
 *
 * One word counts the exported buffers or says that the memory was given back: so it is never
 * pulled from under a memoryview, in whatever threads the two are.
 */
#ifndef RING_MEMORY_H
#define RING_MEMORY_H

#include "core/packet.h"
#include "core/session.h"

#include "module.h"

/* How texts name it. */
typedef struct ring_memory_words {
    const char *name;        /* "packet" */
    const char *not_to_send; /* why send() refuses what was received */
} ring_memory_words;

/* The head of the objects. */
typedef struct ring_memory {
    PyObject_HEAD
    module_state *state;
    PyObject *weak_references;
    shared_session *session; /* a reference, and for each packet in the ring a hold on its gate */
    const ring_memory_words *words;
    packet_memory *packets;
    Py_ssize_t count;
    atom_u32 exports; /* buffers, or RING_MEMORY_GIVEN_BACK */
    bool for_sending;
} ring_memory;

#define RING_MEMORY_GIVEN_BACK UINT32_C(0x80000000)

static inline bool
ring_memory_is_given_back(ring_memory *self)
{
    return atom_u32_load(&self->exports) == RING_MEMORY_GIVEN_BACK;
}

/* Sets what a new object starts with, and takes a reference to the session. */
void ring_memory_begin(ring_memory *self, module_state *state, shared_session *session,
                       const ring_memory_words *words, bool for_sending);

/* Discards what was not given back, and gives the session back; for tp_dealloc, which frees the
 * object then. */
void ring_memory_end(ring_memory *self);

/* Keeps the memory until ring_memory_let_go. False with an exception set: it was given back. */
bool ring_memory_keep(ring_memory *self);

static inline void
ring_memory_let_go(ring_memory *self)
{
    (void)atom_u32_add(&self->exports, UINT32_MAX);
}

/* Fills a buffer of owner's with one of the packets, for bf_getbuffer: 0, or -1 with an exception
 * set. ring_memory_let_go ends it. */
int ring_memory_get_buffer(ring_memory *self, PyObject *owner, Py_ssize_t index, Py_buffer *view,
                           int flags);

/* The methods that both have. */
PyObject *ring_memory_send(PyObject *object, PyObject *ignored);
PyObject *ring_memory_release(PyObject *object, PyObject *ignored);
PyObject *ring_memory_enter(PyObject *object, PyObject *ignored);

#define RING_MEMORY_METHODS(send_documentation, release_documentation)                             \
    {"send", ring_memory_send, METH_NOARGS, send_documentation},                                   \
        {"release", ring_memory_release, METH_NOARGS, release_documentation},                      \
        {"__enter__", ring_memory_enter, METH_NOARGS, NULL},                                       \
        {"__exit__", ring_memory_release, METH_VARARGS, NULL},                                     \
    {                                                                                              \
        NULL, NULL, 0, NULL                                                                        \
    }

extern PyGetSetDef ring_memory_properties[];
extern PyMemberDef ring_memory_members[];

#endif
