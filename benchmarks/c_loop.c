/* SPDX-License-Identifier: MIT
 *
 * The loops that the benchmarks compare Python's with: receive, copy, release; allocate, copy,
 * send; and both together; on the functions of the same loaded library. And a sender that stamps
 * packets with the time. Called through ctypes, which releases the GIL.
 */
#include <string.h>

#include "platform/platform.h"
#include "wintun.h"

#ifdef _WIN32 /* MinGW, too: it exports all of a library only where no file says what */
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

typedef DWORD(WINAPI *deliver_function)(const char *adapter, const BYTE *packets,
                                        const DWORD *sizes, DWORD count);

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

/* CPython's functions that make a list of bytes. */
typedef struct python_functions {
    void *(*new_bytes)(const char *data, intptr_t size);
    void *(*new_list)(intptr_t size);
    int (*set_item)(void *list, intptr_t place, void *item);
    void (*drop)(void *object);
} python_functions;

#define LIST 64

/* As c_loop_receive, into lists of at most 64 bytes objects, each dropped when the next one comes:
 * no function that returns such lists can take less. Needs the GIL. */
EXPORT DWORD
c_loop_receive_list(WINTUN_RECEIVE_PACKET_FUNC *receive,
                    WINTUN_RELEASE_RECEIVE_PACKET_FUNC *release, WINTUN_SESSION_HANDLE session,
                    DWORD count, BOOL wait, const python_functions *python)
{
    DWORD received = 0;
    while (received < count) {
        BYTE *packets[LIST];
        DWORD sizes[LIST];
        DWORD there = 0;
        while (there < LIST && there < count - received &&
               (packets[there] = receive(session, &sizes[there])) != NULL) {
            there++;
        }
        if (there == 0) {
            if (!wait) {
                break;
            }
            continue;
        }
        void *list = python->new_list((intptr_t)there);
        for (DWORD i = 0; i < there; i++) {
            void *bytes = python->new_bytes((const char *)packets[i], (intptr_t)sizes[i]);
            (void)python->set_item(list, (intptr_t)i, bytes);
        }
        received += there;
        while (there > 0) {
            release(session, packets[--there]);
        }
        python->drop(list);
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

/* Sends back count packets that it receives; waits for them and for room. */
EXPORT void
c_loop_echo(WINTUN_RECEIVE_PACKET_FUNC *receive, WINTUN_RELEASE_RECEIVE_PACKET_FUNC *release,
            WINTUN_ALLOCATE_SEND_PACKET_FUNC *allocate, WINTUN_SEND_PACKET_FUNC *send,
            WINTUN_SESSION_HANDLE session, DWORD count)
{
    while (count > 0) {
        DWORD size;
        BYTE *packet = receive(session, &size);
        if (packet == NULL) {
            continue;
        }
        BYTE *answer;
        while ((answer = allocate(session, size)) == NULL) {
        }
        memcpy(answer, packet, size);
        send(session, answer);
        release(session, packet);
        count--;
    }
}

/* Has count packets of 64 bytes delivered, one each interval_ns, with the time in bytes 24 to 31.
 */
EXPORT void
c_loop_pace(deliver_function deliver, const char *adapter, DWORD count, int64_t interval_ns)
{
    BYTE packet[64] = {0x45};
    const DWORD size = sizeof(packet);
    int64_t next_ns = platform_clock_ns() + interval_ns;
    for (DWORD i = 0; i < count; i++) {
        int64_t now_ns = platform_clock_ns();
        if (next_ns - now_ns > 200000) {
            platform_sleep_ns(next_ns - now_ns);
        }
        do {
            now_ns = platform_clock_ns();
        } while (now_ns < next_ns);
        memcpy(&packet[24], &now_ns, sizeof(now_ns));
        (void)deliver(adapter, packet, &size, 1);
        next_ns = now_ns + interval_ns;
    }
}
