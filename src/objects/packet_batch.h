/* SPDX-License-Identifier: MIT
 *
 * The type PacketBatch.
 */
#ifndef PACKET_BATCH_H
#define PACKET_BATCH_H

#include "core/session.h"

#include "module.h"

extern PyType_Spec packet_batch_spec;
extern PyType_Spec batch_item_spec;

/* A PacketBatch of what is in the ring, up to most (1 or more); empty if nothing is. */
PyObject *packet_batch_receive(module_state *state, shared_session *session, DWORD most);

/* A PacketBatch to send, of the sizes of an iterable, or of so many packets of one size, unless
 * that is NULL or None; shorter if the ring got full. */
PyObject *packet_batch_allocate(module_state *state, shared_session *session, PyObject *sizes,
                                PyObject *size);

#endif
