/* SPDX-License-Identifier: MIT
 *
 * A datagram socket (outside Windows any descriptor that reads and writes one packet at a time) as
 * the far side of an adapter.
 */
#ifndef SIMULATOR_WIRE_SOCKET_H
#define SIMULATOR_WIRE_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "win32_types.h"

typedef struct wire_socket wire_socket;

/* Duplicates a descriptor or SOCKET; NULL and a Win32 code on failure. Counted references: made
 * with one. */
wire_socket *wire_socket_duplicate(DWORD64 socket, DWORD *code);
void wire_socket_retain(wire_socket *wire);
void wire_socket_release(wire_socket *wire);

/* Sends one packet, which a network may lose; false if the socket has no room for it now. */
bool wire_socket_send(wire_socket *wire, const BYTE *packet, uint32_t size);

/* What one thread needs to read. */
typedef struct wire_reader wire_reader;

/* NULL if there is no memory. */
wire_reader *wire_reader_open(wire_socket *wire);
void wire_reader_close(wire_reader *reader);

/* Waits until there may be a packet; false once stop is set. */
bool wire_reader_wait(wire_reader *reader, HANDLE stop);

/* A packet that is there now, valid until the next call; NULL if none is. */
const BYTE *wire_reader_next(wire_reader *reader, uint32_t *size);

#endif
