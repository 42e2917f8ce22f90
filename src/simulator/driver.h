/* SPDX-License-Identifier: MIT
 *
 * The driver's threads of a session: one takes what the client sends to the wire, one (where the
 * wire needs it) puts what comes from the wire into the ring.
 */
#ifndef SIMULATOR_DRIVER_H
#define SIMULATOR_DRIVER_H

#include "session.h"

/* False if a thread cannot be started; then driver_stop ends the others. */
bool driver_start(struct WINTUN_SESSION *session);
void driver_stop(struct WINTUN_SESSION *session);

#endif
