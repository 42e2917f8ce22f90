/* SPDX-License-Identifier: MIT
 *
 * The life of the driver's half of a session.
 */
#include "driver.h"

static bool
create_events(driver *self)
{
    while (self->event_count < DRIVER_EVENTS) {
        bool manual_reset = self->event_count == DRIVER_STOP;
        if (!platform_event_create(&self->events[self->event_count], manual_reset)) {
            return false;
        }
        self->event_count++;
    }
    self->side.producer.arrived = self->events[DRIVER_ARRIVED];
    return true;
}

bool
driver_init(driver *self, ring *receive, ring *send, uint32_t capacity, interfaces *ip,
            counters *counters, settings wanted)
{
    far_side_init(&self->side, receive, send, capacity, counters);
    host_init(&self->host, ip);
    self->capacity = capacity;
    self->wanted = wanted;
    far_side_set_flow(&self->side, wanted.flow);
    if (wanted.socket != NULL) {
        self->reader = wire_reader_open(wanted.socket);
    }
    return (wanted.socket == NULL) == (self->reader == NULL) && create_events(self);
}

void
driver_destroy(driver *self)
{
    if (self->reader != NULL) {
        wire_reader_close(self->reader);
    }
    while (self->event_count > 0) {
        platform_event_close(&self->events[--self->event_count]);
    }
    settings_clear(&self->wanted);
    host_destroy(&self->host);
    far_side_destroy(&self->side);
}

/* --- Threads --------------------------------------------------------------------------------- */

bool
driver_start_thread(driver *self, platform_thread_function function)
{
    bool started = platform_thread_start(&self->threads[self->thread_count], function, self);
    self->thread_count += started ? 1 : 0;
    return started;
}

void
driver_stop(driver *self)
{
    atom_u32_store(&self->stopping, 1);
    if (self->event_count > DRIVER_STOP) {
        platform_event_set(&self->events[DRIVER_STOP]);
    }
    while (self->thread_count > 0) {
        platform_thread_join(self->threads[--self->thread_count]);
    }
}

void
driver_wait(driver *self, int event, int64_t deadline_ns)
{
    int64_t timeout_ns = -1;
    if (deadline_ns >= 0) {
        timeout_ns = deadline_ns - platform_clock_ns();
        timeout_ns = timeout_ns > 0 ? timeout_ns : 0;
    }
    (void)platform_wait(self->events[DRIVER_STOP].wait, &self->events[event].wait, 1, timeout_ns);
}

/* --- Control --------------------------------------------------------------------------------- */

void
driver_ring_bell(driver *self)
{
    platform_event_set(&self->events[DRIVER_BELL]);
}

void
driver_set_flow(driver *self, SIMULATOR_FLOW flow)
{
    far_side_set_flow(&self->side, flow);
    if (self->thread_count == 0 && flow != SIMULATOR_FLOW_STOPPED) {
        far_side_look(&self->side);
    }
    if (flow != SIMULATOR_FLOW_STOPPED) {
        driver_ring_bell(self);
        platform_event_set(&self->events[DRIVER_RESUMED]);
    }
}

void
driver_hear(driver *self, bool is_ip)
{
    if (self->thread_count > 0) {
        return;
    }
    if (!is_ip) {
        /* It may lie behind one that is not sent yet, and is met when that is. */
        atom_u32_store(&self->unheard, 1);
    }
    SIMULATOR_FLOW flow = far_side_flow(&self->side);
    if (flow == SIMULATOR_FLOW_DROPPING ||
        (flow == SIMULATOR_FLOW_RUNNING && atom_u32_load(&self->unheard) != 0)) {
        far_side_look(&self->side);
    }
}

void
driver_end_rings(driver *self)
{
    atom_u32_store(&self->stopping, 1);
    platform_event_set(&self->events[DRIVER_STOP]);
    far_side_end(&self->side);
}
