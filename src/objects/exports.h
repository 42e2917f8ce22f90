/* SPDX-License-Identifier: MIT
 *
 * Memory that Python code may look into through buffers, and that is given back once.
 *
 * One word counts the exported buffers or says that the memory was given back: so it is never
 * pulled from under a memoryview, in whatever threads the two are.
 */
#ifndef EXPORTS_H
#define EXPORTS_H

#include "core/packet.h"
#include "core/session.h"

#include "module.h"

typedef struct memory_exports {
    atom_u32 count; /* EXPORTS_ENDED: the memory was given back */
} memory_exports;

#define EXPORTS_ENDED UINT32_C(0x80000000)

/* Ends the exports, so that the caller may give the memory back. 1: now; 0: they had ended before;
 * -1: an exception is set, because there are buffers. what: "packet", "batch". */
int exports_end(memory_exports *exports, const char *what);

static inline bool
exports_ended(memory_exports *exports)
{
    return atom_u32_load(&exports->count) == EXPORTS_ENDED;
}

/* Keeps the memory until exports_release_buffer. False with an exception set: it was given back. */
bool exports_begin(memory_exports *exports, module_state *state, const char *what);

/* For a session that takes IP alone: false with an exception set if one of the packets, in memory
 * of these exports, is none, or if it was given back. */
bool packets_may_be_sent(shared_session *session, module_state *state, memory_exports *exports,
                         const char *what, const packet_memory *packets, Py_ssize_t count);

/* Fills a buffer of owner's, for bf_getbuffer: 0, or -1 with an exception set. */
int exports_get_buffer(memory_exports *exports, module_state *state, const char *what,
                       PyObject *owner, BYTE *memory, DWORD size, Py_buffer *view, int flags);

/* For bf_releasebuffer. */
static inline void
exports_release_buffer(memory_exports *exports)
{
    (void)atom_u32_add(&exports->count, UINT32_MAX);
}

/* For mp_subscript and mp_ass_subscript of an object that is a writable buffer of bytes: as those
 * of a bytearray, but that it keeps its size and that a slice is bytes. */
PyObject *buffer_item(PyObject *object, PyObject *key);
int buffer_set_item(PyObject *object, PyObject *key, PyObject *value);

#endif
