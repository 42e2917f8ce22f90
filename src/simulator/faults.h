/* SPDX-License-Identifier: MIT
 *
 * Faults and delays of the exported functions, asked for by tests.
 */
#ifndef SIMULATOR_FAULTS_H
#define SIMULATOR_FAULTS_H

#include <stdbool.h>

#include "platform/atomics.h"
#include "ip_helper.h"
#include "wintun.h"

typedef enum fault_function {
#define FAULT_OF_WINTUN(Result, Name, TYPE, Parameters) FAULT_Wintun##Name,
    WINTUN_FUNCTIONS(FAULT_OF_WINTUN)
#undef FAULT_OF_WINTUN
#define FAULT_OF_IP_HELPER(Result, Name, Parameters) FAULT_##Name,
        IP_HELPER_FUNCTIONS(FAULT_OF_IP_HELPER)
#undef FAULT_OF_IP_HELPER
            FAULT_FUNCTIONS
} fault_function;

/* Not 0 while any fault or delay is set. */
extern atom_u32 faults_active;

/* The code of a fault that leaves the last error 0, as the official library can; no system has it.
 */
#define FAULT_WITHOUT_CODE 0x2FFFFFFFu

DWORD fault_meet(fault_function function);

/* To be called first by every exported function: waits for its delay and returns the code that it
 * shall fail with, or ERROR_SUCCESS. */
static inline DWORD
fault_code(fault_function function)
{
    return atom_u32_load(&faults_active) == 0 ? ERROR_SUCCESS : fault_meet(function);
}

/* What the last error becomes by a code of fault_code's. */
static inline DWORD
fault_last_error(DWORD code)
{
    return code == FAULT_WITHOUT_CODE ? ERROR_SUCCESS : code;
}

/* The exported name of a fault_function; NULL for other numbers. */
const char *fault_function_name(DWORD number);

/* False if there is no function of this exported name. Code 0: the function fails without one.
 * Times 0: it does not fail. */
bool fault_set(const char *name, DWORD code, DWORD skip, DWORD times);

/* Stores how often the function was called since its fault was set. */
bool fault_count_calls(const char *name, DWORD *calls);
bool fault_set_delay(const char *name, DWORD milliseconds);
void fault_reset(void);

#endif
