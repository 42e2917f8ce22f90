/* SPDX-License-Identifier: MIT
 *
 * Faults and delays of the exported functions.
 */
#include "faults.h"

#include <string.h>

#include "global.h"
#include "platform/platform.h"

#define FOR_EVER 0xFFFFFFFF

typedef struct fault {
    DWORD code;
    DWORD calls; /* since it was set, until it is over */
    DWORD skip;
    DWORD times;
    DWORD delay_ms;
} fault;

static const char *const names[FAULT_FUNCTIONS] = {
#define NAME_OF_WINTUN(Result, Name, TYPE, Parameters) "Wintun" #Name,
    WINTUN_FUNCTIONS(NAME_OF_WINTUN)
#undef NAME_OF_WINTUN
#define NAME_OF_IP_HELPER(Result, Name, Parameters) #Name,
        IP_HELPER_FUNCTIONS(NAME_OF_IP_HELPER)
#undef NAME_OF_IP_HELPER
};

atom_u32 faults_active;
static fault faults[FAULT_FUNCTIONS];

static bool
is_set(const fault *set)
{
    return set->times != 0 || set->delay_ms != 0;
}

/* Needs the global lock. */
static fault *
find(const char *name)
{
    for (int i = 0; i < FAULT_FUNCTIONS; i++) {
        if (strcmp(names[i], name) == 0) {
            return &faults[i];
        }
    }
    return NULL;
}

/* Needs the global lock. */
static void
update_active(void)
{
    uint32_t active = 0;
    for (int i = 0; i < FAULT_FUNCTIONS; i++) {
        active |= is_set(&faults[i]) ? 1 : 0;
    }
    atom_u32_store(&faults_active, active);
}

/* Needs the global lock. */
static DWORD
count_call(fault *met)
{
    if (met->times == 0) {
        return ERROR_SUCCESS;
    }
    met->calls++;
    if (met->skip > 0) {
        met->skip--;
        return ERROR_SUCCESS;
    }
    if (met->times != FOR_EVER && --met->times == 0) {
        update_active();
    }
    return met->code;
}

DWORD
fault_meet(fault_function function)
{
    global_lock();
    DWORD code = count_call(&faults[function]);
    DWORD delay_ms = faults[function].delay_ms;
    global_unlock();
    if (delay_ms != 0) {
        platform_sleep_ns((int64_t)delay_ms * 1000000);
    }
    return code;
}

const char *
fault_function_name(DWORD number)
{
    return number < FAULT_FUNCTIONS ? names[number] : NULL;
}

bool
fault_set(const char *name, DWORD code, DWORD skip, DWORD times)
{
    global_lock();
    fault *found = find(name);
    if (found != NULL) {
        found->code = code != ERROR_SUCCESS ? code : FAULT_WITHOUT_CODE;
        found->skip = skip;
        found->times = times;
        found->calls = 0;
        update_active();
    }
    global_unlock();
    return found != NULL;
}

bool
fault_count_calls(const char *name, DWORD *calls)
{
    global_lock();
    const fault *found = find(name);
    if (found != NULL) {
        *calls = found->calls;
    }
    global_unlock();
    return found != NULL;
}

bool
fault_set_delay(const char *name, DWORD milliseconds)
{
    global_lock();
    fault *found = find(name);
    if (found != NULL) {
        found->delay_ms = milliseconds;
        update_active();
    }
    global_unlock();
    return found != NULL;
}

void
fault_reset(void)
{
    global_lock();
    memset(faults, 0, sizeof(faults));
    update_active();
    global_unlock();
}
