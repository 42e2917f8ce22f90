/* SPDX-License-Identifier: MIT
 *
 * The sizes of packets to allocate, from what a program gives for them.
 */
#ifndef PACKET_SIZES_H
#define PACKET_SIZES_H

#include "module.h"

/* Packets in one batch at most: more would only keep the ring from moving. */
#define LARGEST_BATCH 4096

/* The sizes in an iterable of ints or an array of 32-bit integers: *count of them, to be freed by
 * PyMem_Free. NULL with an exception set. */
DWORD *convert_sizes(PyObject *object, DWORD *count);

#endif
