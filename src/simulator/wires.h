/* SPDX-License-Identifier: MIT
 *
 * The driver's threads of a session: one takes what the client sends to the wire, one (where the
 * wire needs it) puts what comes from the wire into the ring.
 */
#ifndef SIMULATOR_WIRES_H
#define SIMULATOR_WIRES_H

#include "driver.h"

/* Starts the threads of the driver's wire. False if one cannot be started; then driver_stop ends
 * the others. */
bool wires_start(driver *self);

#endif
