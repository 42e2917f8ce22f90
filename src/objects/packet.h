/* SPDX-License-Identifier: MIT
 *
 * The type Packet.
 */
#ifndef PACKET_H
#define PACKET_H

#include "core/send.h"

#include "module.h"

extern PyType_Spec packet_spec;

/* A Packet for memory that it takes over, also on failure, and with memory in the ring a hold on
 * the session. */
PyObject *packet_new(module_state *state, shared_session *session, BYTE *memory, DWORD size,
                     packet_kind kind);

/* A received Packet for a packet that is not in the ring any more. */
PyObject *packet_of_copy(module_state *state, shared_session *session, const BYTE *copy,
                         DWORD size);

#endif
