/* SPDX-License-Identifier: MIT
 *
 * The client's side of the rings.
 */
#include "ring_client.h"

/* The packet at receiver->next, checked: its size in *size, its room in the ring as the result.
 * 0 and a Win32 code if there is none. */
static uint32_t
next_room(ring_receiver *receiver, uint32_t *size, DWORD *code)
{
    uint32_t tail = atom_u32_load(&receiver->shared->tail);
    if (tail >= receiver->capacity) {
        *code = ERROR_HANDLE_EOF;
        return 0;
    }
    if (tail == receiver->next) {
        *code = ERROR_NO_MORE_ITEMS;
        return 0;
    }
    uint32_t content = ring_wrap(receiver->capacity, tail - receiver->next);
    *code = ERROR_INVALID_DATA;
    if (content < sizeof(uint32_t)) {
        return 0;
    }
    *size = *ring_size_at(receiver->shared, receiver->next);
    if (*size > WINTUN_MAX_IP_PACKET_SIZE || ring_room(*size) > content) {
        return 0;
    }
    return ring_room(*size);
}

BYTE *
ring_receive(ring_receiver *receiver, DWORD *size, DWORD *code)
{
    BYTE *packet = NULL;
    uint32_t packet_size = 0;
    platform_mutex_lock(&receiver->lock);
    uint32_t room = next_room(receiver, &packet_size, code);
    if (room != 0) {
        packet = &receiver->shared->data[receiver->next + sizeof(uint32_t)];
        *size = packet_size;
        receiver->next = ring_wrap(receiver->capacity, receiver->next + room);
        receiver->unreleased++;
        receiver->held++;
    }
    platform_mutex_unlock(&receiver->lock);
    return packet;
}

void
ring_release(ring_receiver *receiver, const BYTE *packet)
{
    ring *shared = receiver->shared;
    platform_mutex_lock(&receiver->lock);
    *ring_size_of(shared, packet) |= RING_MARK;
    receiver->held--;
    while (receiver->unreleased > 0) {
        uint32_t size = *ring_size_at(shared, receiver->released);
        if ((size & RING_MARK) == 0) {
            break;
        }
        receiver->released =
            ring_wrap(receiver->capacity, receiver->released + ring_room(size & ~RING_MARK));
        receiver->unreleased--;
    }
    atom_u32_store(&shared->head, receiver->released);
    platform_mutex_unlock(&receiver->lock);
}

/* Whether size fits between the sender's next packet and the ring's head. */
static DWORD
check_space(ring_sender *sender, DWORD size)
{
    uint32_t head = atom_u32_load(&sender->shared->head);
    if (head >= sender->capacity) {
        return ERROR_HANDLE_EOF;
    }
    uint32_t space = ring_wrap(sender->capacity, head - sender->next - RING_ALIGNMENT);
    return ring_room(size) > space ? ERROR_BUFFER_OVERFLOW : ERROR_SUCCESS;
}

/* A size that no packet can have is not refused: sent, it ends the ring. */
BYTE *
ring_allocate(ring_sender *sender, DWORD size, DWORD *code)
{
    BYTE *packet = NULL;
    platform_mutex_lock(&sender->lock);
    *code = check_space(sender, size);
    if (*code == ERROR_SUCCESS) {
        *ring_size_at(sender->shared, sender->next) = size | RING_MARK;
        packet = &sender->shared->data[sender->next + sizeof(uint32_t)];
        sender->next = ring_wrap(sender->capacity, sender->next + ring_room(size));
        sender->unsent++;
        sender->held++;
    }
    platform_mutex_unlock(&sender->lock);
    return packet;
}

/* Moves sender->sent over the packets that were sent; false if the first of them was not. */
static bool
pass_sent(ring_sender *sender)
{
    uint32_t before = sender->unsent;
    while (sender->unsent > 0) {
        uint32_t size = *ring_size_at(sender->shared, sender->sent);
        if ((size & RING_MARK) != 0) {
            break;
        }
        sender->sent = ring_wrap(sender->capacity, sender->sent + ring_room(size));
        sender->unsent--;
    }
    return sender->unsent != before;
}

/* Whether the driver does not hear of what is sent now. */
static bool
loses_wakeup(ring_lapse *lapse, uint32_t tail)
{
    uint32_t state = atom_u32_load(&lapse->state);
    if (state == RING_LAPSE_NEXT) {
        atom_u32_store(&lapse->tail, tail);
        atom_u32_store(&lapse->state, RING_LAPSE_NOW);
    } else if (state == RING_LAPSE_NOW) {
        atom_u32_store(&lapse->state, RING_LAPSE_NONE);
    }
    return state == RING_LAPSE_NEXT;
}

void
ring_send(ring_sender *sender, const BYTE *packet)
{
    ring *shared = sender->shared;
    platform_mutex_lock(&sender->lock);
    *ring_size_of(shared, packet) &= ~RING_MARK;
    sender->held--;
    uint32_t before = sender->sent;
    if (pass_sent(sender)) {
        bool lost = sender->lapse != NULL && loses_wakeup(sender->lapse, before);
        atom_u32_store(&shared->tail, sender->sent);
        if (lost) {
            atom_u32_store(&shared->alertable, 1); /* the driver sleeps */
        } else if (atom_u32_load(&shared->alertable) != 0) {
            platform_event_set(&sender->bell);
        }
    }
    platform_mutex_unlock(&sender->lock);
}
