/* SPDX-License-Identifier: MIT
 *
 * GetLastError: Windows' own there; elsewhere the simulator has one for each thread, and exports
 * it.
 */
#ifndef SIMULATOR_LAST_ERROR_H
#define SIMULATOR_LAST_ERROR_H

#include "win32_types.h"

void last_error_set(DWORD code);

#endif
