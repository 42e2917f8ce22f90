/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: a datagram socket as the far side. The input is a row of datagrams, each after its
 * size in two bytes: they arrive at the wire, and go through the driver's check into the ring and
 * out of it by the other end of the wire.
 */
#include "fuzz.h"

#include <sys/socket.h>

#include "exports.h"
#include "far_side.h"
#include "session.h"

/* The bytes that one input can put into the socket and into the ring without filling them. */
#define MOST_BYTES 30000
#define MOST_DATAGRAMS 16

typedef struct line {
    int outside; /* the end that is not the wire's */
    struct WINTUN_SESSION *session;
    wire_socket *socket;
    wire_reader *reader;
} line;

static line
make_line(void)
{
    static const WCHAR name[] = {'w', 'i', 'r', 'e', 0};
    static WINTUN_ADAPTER_HANDLE adapter; /* never closed: no leak */
    int ends[2];
    DWORD code;
    line made;
    REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0);
    adapter = WintunCreateAdapter(name, name, NULL);
    REQUIRE(adapter != NULL);
    REQUIRE(WintunSimulatorSetWire("wire", SIMULATOR_WIRE_MEMORY, 0, 0) == ERROR_SUCCESS);
    made.session = WintunStartSession(adapter, WINTUN_MIN_RING_CAPACITY);
    REQUIRE(made.session != NULL);
    made.outside = ends[0];
    made.socket = wire_socket_duplicate((DWORD64)ends[1], &code);
    REQUIRE(made.socket != NULL);
    made.reader = wire_reader_open(made.socket);
    REQUIRE(made.reader != NULL);
    return made;
}

/* Out of the ring, by the wire, as it was. */
static void
check_out(const line *wire, const BYTE *datagram, uint32_t size)
{
    BYTE room[MOST_BYTES + 1];
    DWORD received;
    BYTE *packet = WintunReceivePacket(wire->session, &received);
    REQUIRE(packet != NULL && received == size);
    REQUIRE(memcmp(packet, datagram, size) == 0);
    REQUIRE(wire_socket_send(wire->socket, packet, received));
    WintunReleaseReceivePacket(wire->session, packet);
    REQUIRE(recv(wire->outside, room, sizeof(room), MSG_DONTWAIT) == (ssize_t)size);
    REQUIRE(memcmp(room, datagram, size) == 0);
}

/* Into the ring, whatever it is. */
static void
check_in(const line *wire, const BYTE *datagram, uint32_t size)
{
    uint32_t arrived = 0;
    delivery burst;
    const BYTE *read = wire_reader_next(wire->reader, &arrived);
    if (size == 0) {
        REQUIRE(read == NULL); /* an empty datagram is none */
        return;
    }
    REQUIRE(read != NULL && arrived == size);
    REQUIRE(memcmp(read, datagram, size) == 0);
    delivery_begin(&burst, &wire->session->driver.side);
    REQUIRE(delivery_add(&burst, read, arrived));
    delivery_end(&burst);
    check_out(wire, datagram, size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    static line wire;
    if (wire.session == NULL) {
        wire = make_line();
    }
    fuzz_input input = {data, length < MOST_BYTES ? length : MOST_BYTES};
    BYTE *datagrams[MOST_DATAGRAMS];
    uint32_t sizes[MOST_DATAGRAMS];
    unsigned count = 0;
    while (input.size > 0 && count < MOST_DATAGRAMS) {
        uint32_t size = fuzz_u16(&input);
        size = size < input.size ? size : (uint32_t)input.size;
        BYTE *datagram = fuzz_bytes(&input, size);
        if (send(wire.outside, datagram, size, MSG_DONTWAIT) != (ssize_t)size) {
            free(datagram); /* the socket is full */
            break;
        }
        datagrams[count] = datagram;
        sizes[count++] = size;
    }
    for (unsigned i = 0; i < count; i++) {
        check_in(&wire, datagrams[i], sizes[i]);
        free(datagrams[i]);
    }
    uint32_t nothing;
    REQUIRE(wire_reader_next(wire.reader, &nothing) == NULL);
    return 0;
}
