/* SPDX-License-Identifier: MIT
 *
 * What was asked for an adapter, by its name in any case, before or after it was created.
 */
#ifndef SIMULATOR_SETTINGS_H
#define SIMULATOR_SETTINGS_H

#include <stdbool.h>

#include "control.h"
#include "wire_socket.h"

#define SETTINGS_NEVER 0xFFFFFFFF

/* Milliseconds until an IP family appears, by SETTINGS_IPV4 and SETTINGS_IPV6. */
enum { SETTINGS_IPV4, SETTINGS_IPV6, SETTINGS_FAMILIES };

typedef struct settings {
    bool has_wire;
    SIMULATOR_WIRE wire;
    DWORD packet_size;
    wire_socket *socket; /* a counted reference, or NULL */
    bool has_flow;
    SIMULATOR_FLOW flow;
    bool has_delay[SETTINGS_FAMILIES];
    DWORD delay_ms[SETTINGS_FAMILIES];
} settings;

/* The stored settings of a name (NULL: the default of all names); NULL if there is no memory. Needs
 * the global lock for as long as the result is used. */
settings *settings_edit(const char *name);

/* The settings of a name, where it has none those of the default. Needs the global lock. Clear the
 * result with settings_clear. */
settings settings_of(const char *name);

/* Replaces the wire; takes over the caller's reference to socket. */
void settings_set_wire(settings *target, SIMULATOR_WIRE wire, wire_socket *socket,
                       DWORD packet_size);

/* Gives back what the settings refer to. */
void settings_clear(settings *target);

/* Forgets all. Needs the global lock. */
void settings_reset(void);

#endif
