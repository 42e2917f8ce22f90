/* SPDX-License-Identifier: MIT
 *
 * GetLastError where the system has none.
 */
#include "last_error.h"

#include "control.h"

SIMULATOR_EXPORT DWORD WINAPI GetLastError(void);

static _Thread_local DWORD last_error;

DWORD WINAPI
GetLastError(void)
{
    return last_error;
}

void
last_error_set(DWORD code)
{
    last_error = code;
}
