/* SPDX-License-Identifier: MIT
 *
 * The far side of a session, in bursts.
 */
#include "far_side.h"

#include <string.h>

#include "packet.h"

static void
add_to_counter(atom_u64 *counter, uint64_t value)
{
    if (value != 0) {
        atom_u64_count(counter, value);
    }
}

/* --- Delivery -------------------------------------------------------------------------------- */

void
delivery_begin(delivery *burst, struct WINTUN_SESSION *session)
{
    memset(burst, 0, sizeof(*burst));
    burst->session = session;
    platform_mutex_lock(&session->producer.lock);
}

BYTE *
delivery_reserve(delivery *burst, uint32_t size)
{
    BYTE *room = ring_produce(&burst->session->producer, size);
    if (room != NULL) {
        burst->packets++;
        burst->bytes += size;
    }
    return room;
}

DWORD
delivery_add(delivery *burst, const BYTE *packet, uint32_t size)
{
    if (size > WINTUN_MAX_IP_PACKET_SIZE || !packet_is_ip(packet, size)) {
        burst->not_ip++;
        return ERROR_INVALID_DATA;
    }
    BYTE *room = delivery_reserve(burst, size);
    if (room == NULL) {
        burst->full++;
        return ERROR_BUFFER_OVERFLOW;
    }
    memcpy(room, packet, size);
    return ERROR_SUCCESS;
}

void
delivery_publish(delivery *burst)
{
    struct WINTUN_SESSION *session = burst->session;
    adapter_counters *counters = &session->adapter->counters;
    /* Counted first: who has received a packet finds it in the statistics. */
    add_to_counter(&counters->delivered_packets, burst->packets);
    add_to_counter(&counters->delivered_bytes, burst->bytes);
    add_to_counter(&counters->dropped_full, burst->full);
    add_to_counter(&counters->dropped_not_ip, burst->not_ip);
    burst->packets = burst->bytes = burst->full = burst->not_ip = 0;
    ring_publish(&session->producer);
}

void
delivery_end(delivery *burst)
{
    struct WINTUN_SESSION *session = burst->session;
    delivery_publish(burst);
    ring_signal(&session->producer);
    platform_mutex_unlock(&session->producer.lock);
}

/* --- Collection ------------------------------------------------------------------------------ */

void
collection_begin(collection *burst, struct WINTUN_SESSION *session)
{
    memset(burst, 0, sizeof(*burst));
    burst->session = session;
    platform_mutex_lock(&session->consumer.lock);
}

const BYTE *
collection_peek(collection *burst, uint32_t *size)
{
    ring_consumer *consumer = &burst->session->consumer;
    const BYTE *packet;
    while ((packet = ring_peek(consumer, size)) != NULL && !packet_is_ip(packet, *size)) {
        ring_pass(consumer, *size);
        burst->discarded++;
    }
    return packet;
}

void
collection_take(collection *burst, uint32_t size)
{
    ring_pass(&burst->session->consumer, size);
    burst->packets++;
    burst->bytes += size;
}

void
collection_end(collection *burst)
{
    struct WINTUN_SESSION *session = burst->session;
    adapter_counters *counters = &session->adapter->counters;
    add_to_counter(&counters->collected_packets, burst->packets);
    add_to_counter(&counters->collected_bytes, burst->bytes);
    add_to_counter(&counters->discarded_not_ip, burst->discarded);
    ring_give_room(&session->consumer);
    platform_mutex_unlock(&session->consumer.lock);
}
