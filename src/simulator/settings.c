/* SPDX-License-Identifier: MIT
 *
 * The settings by an adapter's name.
 */
#include "settings.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

typedef struct named_settings {
    struct named_settings *next;
    settings values;
    char name[1]; /* and more: to its end */
} named_settings;

static settings defaults;
static named_settings *all;

static named_settings *
find(const char *name)
{
    named_settings *found = all;
    while (found != NULL && !text_is_same_utf8(found->name, name)) {
        found = found->next;
    }
    return found;
}

settings *
settings_edit(const char *name)
{
    if (name == NULL) {
        return &defaults;
    }
    named_settings *found = find(name);
    if (found == NULL) {
        found = calloc(1, sizeof(*found) + strlen(name));
        if (found == NULL) {
            return NULL;
        }
        memcpy(found->name, name, strlen(name) + 1);
        found->next = all;
        all = found;
    }
    return &found->values;
}

settings
settings_of(const char *name)
{
    settings result = defaults;
    const named_settings *found = find(name);
    if (found != NULL) {
        const settings *own = &found->values;
        if (own->has_wire) {
            result.wire = own->wire;
            result.packet_size = own->packet_size;
            result.socket = own->socket;
        }
        if (own->has_flow) {
            result.flow = own->flow;
        }
        for (int family = 0; family < SETTINGS_FAMILIES; family++) {
            if (own->has_delay[family]) {
                result.delay_ms[family] = own->delay_ms[family];
            }
        }
    }
    if (result.socket != NULL) {
        wire_socket_retain(result.socket);
    }
    return result;
}

void
settings_set_wire(settings *target, SIMULATOR_WIRE wire, wire_socket *socket, DWORD packet_size)
{
    settings_clear(target);
    target->has_wire = true;
    target->wire = wire;
    target->socket = socket;
    target->packet_size = packet_size;
}

void
settings_clear(settings *target)
{
    if (target->socket != NULL) {
        wire_socket_release(target->socket);
        target->socket = NULL;
    }
}

void
settings_reset(void)
{
    settings_clear(&defaults);
    memset(&defaults, 0, sizeof(defaults));
    while (all != NULL) {
        named_settings *next = all->next;
        settings_clear(&all->values);
        free(all);
        all = next;
    }
}
