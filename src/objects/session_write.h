/* SPDX-License-Identifier: MIT
 *
 * Writing packets that were found in the program's memory.
 */
#ifndef SESSION_WRITE_H
#define SESSION_WRITE_H

#include "core/send.h"

#include "session_object.h"

/* Puts packets into the ring, and waits for room until the deadline; *written says how many. Called
 * with the GIL. False: an exception is set, of a signal handler meanwhile, or because a packet is
 * no IP and the session takes IP alone; then none was written. */
bool session_put_until(session_object *self, int64_t deadline_ns, const packet_source *packets,
                       Py_ssize_t count, Py_ssize_t *written, outcome *result, DWORD *code);

/* The result of a call that writes many: how many were accepted, or an exception. */
PyObject *session_written(session_object *self, Py_ssize_t written, outcome result, DWORD code);

#endif
