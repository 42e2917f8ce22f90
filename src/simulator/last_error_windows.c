/* SPDX-License-Identifier: MIT
 *
 * GetLastError is Windows' own.
 */
#include "last_error.h"

void
last_error_set(DWORD code)
{
    SetLastError(code);
}
