/* SPDX-License-Identifier: MIT
 *
 * The loops that the benchmarks compare Python's with: receive, copy, release and allocate, copy,
 * send, on the functions of the same loaded library. Called through ctypes, which releases the GIL.
 */
#include <string.h>

#include "wintun.h"

#ifdef _MSC_VER
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

/* A program in C copies a packet to a place of its own, as read() copies it into bytes. */
static BYTE place[WINTUN_MAX_IP_PACKET_SIZE];

/* Receives until count packets have come, or, unless it may wait for more, the ring is empty.
 * Returns how many came. */
EXPORT DWORD
c_loop_receive(WINTUN_RECEIVE_PACKET_FUNC *receive, WINTUN_RELEASE_RECEIVE_PACKET_FUNC *release,
               WINTUN_SESSION_HANDLE session, DWORD count, BOOL wait)
{
    DWORD received = 0;
    while (received < count) {
        DWORD size;
        BYTE *packet = receive(session, &size);
        if (packet != NULL) {
            memcpy(place, packet, size);
            release(session, packet);
            received++;
        } else if (!wait) {
            break;
        }
    }
    return received;
}

/* Sends count packets of a size; waits while the ring is full, or stops there. Returns how many
 * were sent. */
EXPORT DWORD
c_loop_send(WINTUN_ALLOCATE_SEND_PACKET_FUNC *allocate, WINTUN_SEND_PACKET_FUNC *send,
            WINTUN_SESSION_HANDLE session, const BYTE *source, DWORD size, DWORD count, BOOL wait)
{
    DWORD sent = 0;
    while (sent < count) {
        BYTE *packet = allocate(session, size);
        if (packet != NULL) {
            memcpy(packet, source, size);
            send(session, packet);
            sent++;
        } else if (!wait) {
            break;
        }
    }
    return sent;
}
