/* SPDX-License-Identifier: MIT
 *
 * The methods that Session and TunDevice share.
 */
#ifndef SESSION_METHODS_H
#define SESSION_METHODS_H

#include "python.h"

/* METHOD(name) for each. They are in session_read.c, session_write.c, session_packed.c and
 * session_in_place.c. */
#define SESSION_METHODS(METHOD)                                                                    \
    METHOD(read)                                                                                   \
    METHOD(read_many)                                                                              \
    METHOD(write)                                                                                  \
    METHOD(write_many)                                                                             \
    METHOD(read_into)                                                                              \
    METHOD(read_packed)                                                                            \
    METHOD(write_packed)                                                                           \
    METHOD(receive_packet)                                                                         \
    METHOD(receive_packets)                                                                        \
    METHOD(allocate_send_packet)                                                                   \
    METHOD(allocate_send_packets)                                                                  \
    METHOD(wait_read_event)

#define DECLARE(name)                                                                              \
    PyObject *session_##name(PyObject *self, arguments args, Py_ssize_t count, PyObject *names);   \
    extern const char session_##name##_doc[];
SESSION_METHODS(DECLARE)
#undef DECLARE

/* The next packet, waited for; NULL without an exception when the session is closed. */
PyObject *session_next(PyObject *self);

#endif
