/* SPDX-License-Identifier: MIT
 *
 * A datagram socket or other descriptor as the far side of an adapter, on POSIX systems.
 */
#define _POSIX_C_SOURCE 200809L
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif

#include "wire_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform/atomics.h"
#include "wintun.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

/* How long to leave a descriptor alone that polls readable and has nothing, as a broken one does.
 */
#define BROKEN_PAUSE_MS 5

struct wire_socket {
    atom_u32 references;
    int descriptor;
    bool is_socket;
};

struct wire_reader {
    wire_socket *wire;
    bool found_nothing;
    BYTE packet[WINTUN_MAX_IP_PACKET_SIZE + 1];
};

/* Why the system refused something of a descriptor. */
static DWORD
refusal(void)
{
    return errno == EBADF ? ERROR_INVALID_HANDLE : ERROR_NOT_ENOUGH_MEMORY;
}

/* A datagram socket without a peer would lose every packet. */
static DWORD
check_connected(int descriptor)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);
    if (getpeername(descriptor, (struct sockaddr *)&peer, &size) == 0) {
        return ERROR_SUCCESS;
    }
    return errno == ENOTCONN ? ERROR_NOT_CONNECTED : refusal();
}

/* A socket is asked not to block in each call; any other descriptor has to be made so, which its
 * other users see. Returns a Win32 code. */
static DWORD
prepare(wire_socket *wire)
{
    int type;
    socklen_t size = sizeof(type);
    wire->is_socket = getsockopt(wire->descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
    if (wire->is_socket) {
        return type == SOCK_STREAM ? ERROR_NOT_SUPPORTED : check_connected(wire->descriptor);
    }
    int flags = fcntl(wire->descriptor, F_GETFL);
    return flags != -1 && fcntl(wire->descriptor, F_SETFL, flags | O_NONBLOCK) != -1 ? ERROR_SUCCESS
                                                                                     : refusal();
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
    errno = EBADF;
    wire->descriptor = socket <= 0x7FFFFFFF ? fcntl((int)socket, F_DUPFD_CLOEXEC, 0) : -1;
    *code = wire->descriptor != -1 ? prepare(wire) : refusal();
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
        if (wire->descriptor != -1) {
            (void)close(wire->descriptor);
        }
        free(wire);
    }
}

bool
wire_socket_send(wire_socket *wire, const BYTE *packet, uint32_t size)
{
    ssize_t sent;
    bool refused = false;
    bool again;
    do {
        sent = wire->is_socket ? send(wire->descriptor, packet, size, MSG_DONTWAIT | MSG_NOSIGNAL)
                               : write(wire->descriptor, packet, size);
        again = sent == -1 && errno == EINTR;
        if (sent == -1 && errno == ECONNREFUSED && !refused) {
            /* Told once, and of a datagram before this one: this one has not been sent. */
            again = refused = true;
        }
    } while (again);
    return sent != -1 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

wire_reader *
wire_reader_open(wire_socket *wire)
{
    wire_reader *reader = malloc(sizeof(*reader));
    if (reader != NULL) {
        reader->wire = wire;
        reader->found_nothing = false;
    }
    return reader;
}

void
wire_reader_close(wire_reader *reader)
{
    free(reader);
}

bool
wire_reader_wait(wire_reader *reader, HANDLE stop)
{
    struct pollfd polled[] = {{(int)(intptr_t)stop, POLLIN, 0},
                              {reader->wire->descriptor, POLLIN, 0}};
    if (reader->found_nothing && poll(polled, 1, BROKEN_PAUSE_MS) > 0) {
        return false;
    }
    reader->found_nothing = true;
    (void)poll(polled, 2, -1);
    return polled[0].revents == 0;
}

const BYTE *
wire_reader_next(wire_reader *reader, uint32_t *size)
{
    const wire_socket *wire = reader->wire;
    ssize_t length;
    do {
        length = wire->is_socket
                     ? recv(wire->descriptor, reader->packet, sizeof(reader->packet), MSG_DONTWAIT)
                     : read(wire->descriptor, reader->packet, sizeof(reader->packet));
    } while (length == -1 && (errno == EINTR || errno == ECONNREFUSED));
    if (length <= 0) {
        return NULL;
    }
    reader->found_nothing = false;
    *size = (uint32_t)length;
    return reader->packet;
}
