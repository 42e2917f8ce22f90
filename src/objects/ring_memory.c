/* SPDX-License-Identifier: MIT
 *
 * What Packet and PacketBatch share: memory of packets that is given back once.
 */
#include "ring_memory.h"

#include "core/send.h"

#include "convert.h"
#include "errors.h"

void
ring_memory_begin(ring_memory *self, module_state *state, shared_session *session,
                  const ring_memory_words *words, bool for_sending)
{
    session_reference(session);
    self->state = state;
    self->session = session;
    self->words = words;
    self->for_sending = for_sending;
}

/* --- Buffers ---------------------------------------------------------------------------------- */

bool
ring_memory_keep(ring_memory *self)
{
    uint32_t count = atom_u32_load(&self->exports);
    do {
        if (count == RING_MEMORY_GIVEN_BACK) {
            (void)raise_closed(self->state, self->words->name);
            return false;
        }
    } while (!atom_u32_cas(&self->exports, &count, count + 1));
    return true;
}

int
ring_memory_get_buffer(ring_memory *self, PyObject *owner, Py_ssize_t index, Py_buffer *view,
                       int flags)
{
    if (!ring_memory_keep(self)) {
        view->obj = NULL;
        return -1;
    }
    const packet_memory *packet = &self->packets[index];
    if (PyBuffer_FillInfo(view, owner, packet->memory, (Py_ssize_t)packet->size, 0, flags) != 0) {
        ring_memory_let_go(self);
        return -1;
    }
    return 0;
}

/* --- Giving the memory back ------------------------------------------------------------------- */

/* 1: given back now; 0: it was before; -1: an exception is set, because buffers are exported. */
static int
give_back_once(ring_memory *self, bool send)
{
    uint32_t count = 0;
    if (!atom_u32_cas(&self->exports, &count, RING_MEMORY_GIVEN_BACK)) {
        if (count == RING_MEMORY_GIVEN_BACK) {
            return 0;
        }
        PyErr_Format(
            PyExc_BufferError,
            "the %s's memory is in use by %lu memoryview or other buffer: release it first",
            self->words->name, (unsigned long)count);
        return -1;
    }
    Py_BEGIN_ALLOW_THREADS
    packet_give_back(self->session, self->packets, (size_t)self->count, send);
    Py_END_ALLOW_THREADS
    return 1;
}

void
ring_memory_end(ring_memory *self)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (self->weak_references != NULL) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    if (self->session != NULL) {
        /* Every exported buffer has a reference to the object, so there is none now. */
        (void)give_back_once(self, false);
        session_unreference(self->session);
    }
    PyErr_Restore(type, value, traceback);
}

PyObject *
ring_memory_release(PyObject *object, PyObject *ignored)
{
    (void)ignored;
    if (give_back_once((ring_memory *)object, false) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* For a session that takes IP alone: false with an exception set if one of the packets is none. */
static bool
may_be_sent(ring_memory *self)
{
    bool good = true;
    if (atom_u32_load(&self->session->ip_only) == 0) {
        return true;
    }
    /* Nobody gives the memory back while it is looked at. */
    if (!ring_memory_keep(self)) {
        return false;
    }
    for (Py_ssize_t i = 0; good && i < self->count; i++) {
        good = check_ip_packet(i, self->packets[i].memory, self->packets[i].size);
    }
    ring_memory_let_go(self);
    return good;
}

PyObject *
ring_memory_send(PyObject *object, PyObject *ignored)
{
    ring_memory *self = (ring_memory *)object;
    (void)ignored;
    if (!self->for_sending) {
        PyErr_SetString(PyExc_ValueError, self->words->not_to_send);
        return NULL;
    }
    int result = may_be_sent(self) ? give_back_once(self, true) : -1;
    if (result < 0) {
        return NULL;
    }
    if (result == 0) {
        return raise_closed(self->state, self->words->name);
    }
    Py_RETURN_NONE;
}

/* --- The rest --------------------------------------------------------------------------------- */

PyObject *
ring_memory_enter(PyObject *object, PyObject *ignored)
{
    (void)ignored;
    Py_INCREF(object);
    return object;
}

static PyObject *
get_released(PyObject *object, void *closure)
{
    (void)closure;
    return PyBool_FromLong(ring_memory_is_given_back((ring_memory *)object));
}

PyGetSetDef ring_memory_properties[] = {
    {"released", get_released, NULL, "Whether the memory was given back, by send() or release().",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyMemberDef ring_memory_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(ring_memory, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
