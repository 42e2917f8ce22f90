/* SPDX-License-Identifier: MIT
 *
 * A datagram socket as the far side of an adapter, on Windows. Reads by overlapped calls, which
 * leave the mode of the socket alone that the caller goes on using.
 */
#include "wire_socket.h"

#include <stdlib.h>
#include <string.h>

#include "platform/atomics.h"
#include "wintun.h"

/* How long to leave a socket alone that fails. */
#define BROKEN_PAUSE_MS 5

struct wire_socket {
    atom_u32 references;
    SOCKET socket;
};

struct wire_reader {
    wire_socket *wire;
    WSAOVERLAPPED overlapped;
    bool pending;
    bool broken;
    BYTE packet[WINTUN_MAX_IP_PACKET_SIZE + 1];
};

static SOCKET
duplicate(SOCKET original)
{
    WSADATA data;
    WSAPROTOCOL_INFOW info;
    /* Counted, and never undone: who has a socket has started Winsock anyway. */
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0 ||
        WSADuplicateSocketW(original, GetCurrentProcessId(), &info) != 0) {
        return INVALID_SOCKET;
    }
    return WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info, 0,
                      WSA_FLAG_OVERLAPPED);
}

/* Returns a Win32 code. */
static DWORD
check_type(SOCKET socket)
{
    int type;
    int size = sizeof(type);
    if (socket == INVALID_SOCKET ||
        getsockopt(socket, SOL_SOCKET, SO_TYPE, (char *)&type, &size) != 0) {
        return ERROR_INVALID_HANDLE;
    }
    if (type == SOCK_STREAM) {
        return ERROR_NOT_SUPPORTED;
    }
    struct sockaddr_storage peer;
    size = sizeof(peer);
    return getpeername(socket, (struct sockaddr *)&peer, &size) == 0 ? ERROR_SUCCESS
                                                                     : ERROR_NOT_CONNECTED;
}

wire_socket *
wire_socket_duplicate(DWORD64 socket, DWORD *code)
{
    wire_socket *wire = calloc(1, sizeof(*wire));
    if (wire == NULL) {
        *code = ERROR_NOT_ENOUGH_MEMORY;
        return NULL;
    }
    atom_u32_store(&wire->references, 1);
    wire->socket = duplicate((SOCKET)socket);
    *code = check_type(wire->socket);
    if (*code != ERROR_SUCCESS) {
        wire_socket_release(wire);
        return NULL;
    }
    return wire;
}

void
wire_socket_retain(wire_socket *wire)
{
    (void)atom_u32_add(&wire->references, 1);
}

void
wire_socket_release(wire_socket *wire)
{
    if (atom_u32_add(&wire->references, (uint32_t)-1) == 1) {
        if (wire->socket != INVALID_SOCKET) {
            (void)closesocket(wire->socket);
        }
        free(wire);
    }
}

bool
wire_socket_send(wire_socket *wire, const BYTE *packet, uint32_t size)
{
    return send(wire->socket, (const char *)packet, (int)size, 0) != SOCKET_ERROR ||
           WSAGetLastError() != WSAEWOULDBLOCK;
}

wire_reader *
wire_reader_open(wire_socket *wire)
{
    wire_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        return NULL;
    }
    reader->wire = wire;
    reader->overlapped.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (reader->overlapped.hEvent == NULL) {
        free(reader);
        return NULL;
    }
    return reader;
}

void
wire_reader_close(wire_reader *reader)
{
    if (reader->pending) {
        /* The system may write into the packet until the cancelled read is really over. */
        DWORD length;
        DWORD flags;
        (void)CancelIoEx((HANDLE)reader->wire->socket, &reader->overlapped);
        (void)WSAGetOverlappedResult(reader->wire->socket, &reader->overlapped, &length, TRUE,
                                     &flags);
    }
    (void)CloseHandle(reader->overlapped.hEvent);
    free(reader);
}

bool
wire_reader_wait(wire_reader *reader, HANDLE stop)
{
    HANDLE handles[] = {stop, reader->overlapped.hEvent};
    if (reader->pending) {
        return WaitForMultipleObjects(2, handles, FALSE, INFINITE) != WAIT_OBJECT_0;
    }
    return WaitForSingleObject(stop, reader->broken ? BROKEN_PAUSE_MS : 0) != WAIT_OBJECT_0;
}

/* Whether a failed read concerns one packet (a datagram too long, an answer that a port is closed)
 * and not the socket. */
static bool
is_passing(int error)
{
    return error == WSAECONNRESET || error == WSAECONNREFUSED || error == WSAENETRESET ||
           error == WSAEMSGSIZE;
}

/* The length of what was read, 0 if nothing is there now, -1 if one packet failed. */
static int
read_now(wire_reader *reader)
{
    SOCKET from = reader->wire->socket;
    DWORD length = 0;
    DWORD flags = 0;
    bool done;
    if (reader->pending) {
        done = WSAGetOverlappedResult(from, &reader->overlapped, &length, FALSE, &flags) != FALSE;
    } else {
        WSABUF buffer = {sizeof(reader->packet), (CHAR *)reader->packet};
        done = WSARecv(from, &buffer, 1, &length, &flags, &reader->overlapped, NULL) == 0;
    }
    int error = done ? 0 : WSAGetLastError();
    reader->pending = error == WSA_IO_PENDING || error == WSA_IO_INCOMPLETE;
    reader->broken = error != 0 && !reader->pending && !is_passing(error);
    return done ? (int)length : is_passing(error) ? -1 : 0;
}

const BYTE *
wire_reader_next(wire_reader *reader, uint32_t *size)
{
    int length;
    do {
        length = read_now(reader);
    } while (length == -1);
    *size = (uint32_t)length;
    return length > 0 ? reader->packet : NULL;
}
