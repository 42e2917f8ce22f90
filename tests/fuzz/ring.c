/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: both sides of a pair of rings, whose shared memory somebody else writes, too. The
 * input is a program: a byte chooses a step, the next ones are its arguments.
 */
#include "fuzz.h"

#include "ring_client.h"
#include "ring_driver.h"

/* Smaller than any of the API, so that a short input gets round the ring. */
#define CAPACITY 256u

/* Bytes of a ring's packets: behind the capacity there is room for the end of one, and no more. */
#define DATA_SIZE (2 * CAPACITY - RING_ALIGNMENT)

#define HELD 8

enum { RECEIVE_RING, SEND_RING, RINGS };

typedef struct held_packet {
    BYTE *bytes; /* NULL: none */
    uint32_t size;
} held_packet;

typedef struct world {
    ring *rings[RINGS];
    ring_receiver receiver;
    ring_sender sender;
    ring_producer producer;
    ring_consumer consumer;
    ring_lapse lapse;
    held_packet received[HELD];
    held_packet allocated[HELD];
} world;

static void
require_inside(const world *all, int which, const BYTE *packet, uint32_t size)
{
    const BYTE *data = all->rings[which]->data;
    REQUIRE(size <= WINTUN_MAX_IP_PACKET_SIZE);
    REQUIRE(packet >= data + sizeof(uint32_t) && packet <= data + DATA_SIZE);
    REQUIRE(size <= (size_t)(data + DATA_SIZE - packet));
}

/* Touches every byte, so that a sanitizer sees what is not the ring's. */
static void
hold(held_packet *slot, BYTE *packet, uint32_t size)
{
    memset(packet, 0x45, size);
    slot->bytes = packet;
    slot->size = size;
}

static held_packet *
free_slot(held_packet *slots)
{
    for (int i = 0; i < HELD; i++) {
        if (slots[i].bytes == NULL) {
            return &slots[i];
        }
    }
    return NULL;
}

/* --- The client ------------------------------------------------------------------------------- */

static void
receive(world *all)
{
    held_packet *slot = free_slot(all->received);
    DWORD size = 0;
    DWORD code = ERROR_SUCCESS;
    if (slot == NULL) {
        return;
    }
    uint32_t tail = atom_u32_load(&all->receiver.shared->tail);
    uint32_t content = ring_wrap(CAPACITY, tail - all->receiver.next);
    BYTE *packet = ring_receive(&all->receiver, &size, &code);
    REQUIRE((code == ERROR_HANDLE_EOF) == (tail >= CAPACITY));
    if (packet != NULL) {
        require_inside(all, RECEIVE_RING, packet, size);
        REQUIRE(ring_room(size) <= content);
        hold(slot, packet, size);
    } else {
        REQUIRE(code == ERROR_NO_MORE_ITEMS || code == ERROR_HANDLE_EOF ||
                code == ERROR_INVALID_DATA);
    }
}

static void
allocate(world *all, uint32_t size)
{
    held_packet *slot = free_slot(all->allocated);
    DWORD code = ERROR_SUCCESS;
    if (slot == NULL) {
        return;
    }
    uint32_t head = atom_u32_load(&all->sender.shared->head);
    uint32_t space = ring_wrap(CAPACITY, head - all->sender.next - RING_ALIGNMENT);
    BYTE *packet = ring_allocate(&all->sender, size, &code);
    if (packet != NULL) {
        /* The largest sizes take no room; who asks for one has nothing to write there. */
        uint32_t usable = size <= WINTUN_MAX_IP_PACKET_SIZE ? size : 0;
        require_inside(all, SEND_RING, packet, usable);
        REQUIRE(head < CAPACITY && ring_room(size) <= space);
        hold(slot, packet, usable);
    } else if (head >= CAPACITY) {
        REQUIRE(code == ERROR_HANDLE_EOF);
    } else {
        REQUIRE(code == ERROR_BUFFER_OVERFLOW && ring_room(size) > space);
    }
}

static void
give_back(world *all, uint32_t which)
{
    held_packet *received = &all->received[which % HELD];
    if (received->bytes != NULL) {
        ring_release(&all->receiver, received->bytes);
        received->bytes = NULL;
    }
}

static void
send(world *all, uint32_t which)
{
    held_packet *allocated = &all->allocated[which % HELD];
    if (allocated->bytes != NULL) {
        ring_send(&all->sender, allocated->bytes);
        allocated->bytes = NULL;
    }
}

/* --- The driver ------------------------------------------------------------------------------- */

static void
produce(world *all, uint32_t size)
{
    uint32_t tail = all->producer.tail;
    BYTE *packet = ring_produce(&all->producer, size);
    if (packet != NULL) {
        require_inside(all, RECEIVE_RING, packet, size);
        REQUIRE(ring_offset_valid(CAPACITY, all->producer.head_seen));
        REQUIRE(ring_room(size) <=
                ring_wrap(CAPACITY, all->producer.head_seen - tail - RING_ALIGNMENT));
        memset(packet, 0x60, size);
    }
}

static void
consume(world *all)
{
    uint32_t size = 0;
    const BYTE *packet = ring_peek(&all->consumer, &size);
    if (packet != NULL) {
        require_inside(all, SEND_RING, packet, size);
        REQUIRE(ring_offset_valid(CAPACITY, all->consumer.tail_seen));
        REQUIRE(ring_room(size) <=
                ring_wrap(CAPACITY, all->consumer.tail_seen - all->consumer.head));
        uint32_t sum = 0;
        for (uint32_t i = 0; i < size; i++) {
            sum += packet[i];
        }
        REQUIRE(sum <= size * 255);
        if (size % 2 == 0) {
            ring_pass(&all->consumer, size);
        } else {
            ring_pass_on(&all->consumer, size);
        }
    }
    ring_give_room(&all->consumer);
}

static void
change(world *all, uint32_t choice)
{
    uint32_t none = RING_LAPSE_NONE;
    if (choice % 4 == 0) {
        (void)atom_u32_cas(&all->lapse.state, &none, RING_LAPSE_NEXT);
    } else {
        ring_keep(&all->consumer, choice % 2 != 0);
    }
}

/* --- Somebody else ---------------------------------------------------------------------------- */

/* Anywhere in the shared memory. */
static void
scribble(world *all, fuzz_input *input)
{
    ring *shared = all->rings[fuzz_u8(input) % RINGS];
    uint32_t offset = fuzz_u8(input) * 4 % DATA_SIZE;
    *ring_size_at(shared, offset) = fuzz_u32(input);
}

static void
scribble_offset(world *all, fuzz_input *input)
{
    uint32_t choice = fuzz_u8(input);
    ring *shared = all->rings[choice % RINGS];
    uint32_t value = (choice & 4) != 0 ? fuzz_u32(input) : fuzz_u8(input) * 4;
    atom_u32_store((choice & 2) != 0 ? &shared->head : &shared->tail, value);
}

/* --- The whole -------------------------------------------------------------------------------- */

static void
step(world *all, fuzz_input *input)
{
    switch (fuzz_u8(input) % 12) {
    case 0:
        receive(all);
        break;
    case 1:
        give_back(all, fuzz_u8(input));
        break;
    case 2:
        allocate(all, fuzz_u8(input));
        break;
    case 3:
        send(all, fuzz_u8(input));
        break;
    case 4:
        produce(all, fuzz_u8(input));
        break;
    case 5:
        ring_publish(&all->producer);
        break;
    case 6:
        consume(all);
        break;
    case 7:
        scribble(all, input);
        break;
    case 8:
        scribble_offset(all, input);
        break;
    case 9:
        allocate(all, fuzz_u32(input));
        break;
    case 11:
        change(all, fuzz_u8(input));
        break;
    default:
        produce(all, fuzz_u16(input));
        break;
    }
    REQUIRE(ring_offset_valid(CAPACITY, all->receiver.next));
    REQUIRE(ring_offset_valid(CAPACITY, all->receiver.released));
    REQUIRE(ring_offset_valid(CAPACITY, all->sender.next));
    REQUIRE(ring_offset_valid(CAPACITY, all->sender.sent));
    REQUIRE(ring_offset_valid(CAPACITY, all->producer.tail));
    REQUIRE(ring_offset_valid(CAPACITY, all->consumer.head));
}

static world *
make_world(void)
{
    world *all = calloc(1, sizeof(*all));
    REQUIRE(all != NULL);
    for (int i = 0; i < RINGS; i++) {
        all->rings[i] = malloc(offsetof(ring, data) + DATA_SIZE);
        REQUIRE(all->rings[i] != NULL);
    }
    platform_mutex_init(&all->receiver.lock);
    platform_mutex_init(&all->sender.lock);
    platform_mutex_init(&all->producer.lock);
    platform_mutex_init(&all->consumer.lock);
    REQUIRE(platform_event_create(&all->producer.arrived, false));
    REQUIRE(platform_event_create(&all->sender.bell, false));
    all->receiver.shared = all->producer.shared = all->rings[RECEIVE_RING];
    all->sender.shared = all->consumer.shared = all->rings[SEND_RING];
    all->sender.lapse = all->consumer.lapse = &all->lapse;
    all->receiver.capacity = all->producer.capacity = CAPACITY;
    all->sender.capacity = all->consumer.capacity = CAPACITY;
    return all;
}

/* As two new rings are. */
static void
reset(world *all)
{
    for (int i = 0; i < RINGS; i++) {
        memset(all->rings[i], 0, offsetof(ring, data) + DATA_SIZE);
    }
    all->receiver.next = all->receiver.released = all->receiver.unreleased = all->receiver.held = 0;
    all->sender.next = all->sender.sent = all->sender.unsent = all->sender.held = 0;
    all->producer.tail = all->producer.head_seen = 0;
    all->producer.unpublished = all->producer.ended = false;
    all->consumer.head = all->consumer.tail_seen = 0;
    all->consumer.ended = false;
    all->consumer.keeping = RING_KEEPS_NONE;
    memset(&all->lapse, 0, sizeof(all->lapse));
    memset(all->received, 0, sizeof(all->received));
    memset(all->allocated, 0, sizeof(all->allocated));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    static world *all;
    fuzz_input input = {data, length};
    if (all == NULL) {
        all = make_world();
    }
    reset(all);
    while (input.size > 0) {
        step(all, &input);
    }
    return 0;
}
