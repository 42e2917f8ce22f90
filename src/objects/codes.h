/* SPDX-License-Identifier: MIT
 *
 * What a code of Windows means: the one table from codes to exceptions. Knows nothing of Python.
 *
 * Three kinds of code reach GetLastError: Win32 codes, HRESULTs (what SwDeviceCreate gives, as it
 * is) and codes of SetupAPI (0xE000nnnn). An HRESULT that wraps a Win32 code (0x8007nnnn) counts as
 * that code from here on, so that a program may compare winerror with 5; the others stay as they
 * are.
 */
#ifndef CODES_H
#define CODES_H

#include <stdbool.h>

#include "win32_types.h"

typedef enum code_kind {
    CODE_OF_SYSTEM, /* an OSError; errno chooses its builtin subclass */
    CODE_RING_FULL, /* these three are exceptions of our own */
    CODE_TERMINATING,
    CODE_RING_CORRUPT
} code_kind;

typedef struct code_meaning {
    DWORD code; /* as winerror has it */
    int number; /* errno */
    code_kind kind;
    bool passes;        /* Windows did not start the adapter, and may do so at the next attempt */
    const char *advice; /* what a person can do; NULL where the system's text says all */
} code_meaning;

/* The meaning of the code that a function of the API, by its exported name, left. */
code_meaning code_find(const char *function, DWORD code);

/* The meaning of whatever code a function left because the adapter is gone. */
code_meaning code_removed(DWORD code);

/* Whether the code itself says after this function that the adapter is gone. */
bool code_is_removal(const char *function, DWORD code);

#endif
