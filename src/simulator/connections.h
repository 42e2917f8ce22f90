/* SPDX-License-Identifier: MIT
 *
 * The network connections of the system and their names: the adapters' and those of others, which a
 * test adds. No two have the same name, in whatever case. All functions need the global lock.
 */
#ifndef SIMULATOR_CONNECTIONS_H
#define SIMULATOR_CONNECTIONS_H

#include <stdbool.h>

#include "ip_helper.h"
#include "wintun.h"

typedef struct connection {
    struct connection *next;
    WCHAR name[WINTUN_MAX_ADAPTER_NAME];
    NET_LUID luid;
    bool foreign; /* not an adapter of Wintun */
} connection;

/* A connection that had to give its name away. */
typedef struct connection_renaming {
    WCHAR before[WINTUN_MAX_ADAPTER_NAME]; /* empty: none */
    WCHAR after[WINTUN_MAX_ADAPTER_NAME];
    bool foreign;
} connection_renaming;

/* The connection of a name, or NULL. */
connection *connection_find(const WCHAR *name);

/* Whether Windows takes it for a name: ERROR_SUCCESS, or its code for what it refuses. */
DWORD connection_check_name(const WCHAR *name);

/* Lists a connection under a name, which connection_check_name has passed. Another one that has the
 * name gets it with the first free number behind it. ERROR_BUFFER_OVERFLOW: it has no room for one.
 */
DWORD connection_add(connection *self, const WCHAR *name, connection_renaming *renamed);
void connection_remove(connection *self);

/* Adds a connection of somebody else's. ERROR_ALREADY_EXISTS: the name is taken. */
DWORD connection_add_foreign(const WCHAR *name);

/* Removes it again. ERROR_NOT_FOUND: there is none, or it is an adapter's. */
DWORD connection_remove_foreign(const WCHAR *name);

/* The connection of an index from 0, the newest first; NULL behind the last one. */
const connection *connection_at(DWORD index);

/* Forgets those that were added by connection_add_foreign. */
void connection_reset(void);

#endif
