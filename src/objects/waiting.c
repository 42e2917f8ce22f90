/* SPDX-License-Identifier: MIT
 *
 * Long waits that a signal can end.
 */
#include "waiting.h"

/* Not every signal interrupts the wait: on Windows none does, elsewhere it may arrive in another
 * thread. So this bounds how late Ctrl-C is seen. */
#define SLICE_NS INT64_C(50000000)

/* Asks Python which thread is the main one. That runs Python code, in which a signal handler may
 * raise: false with its exception set. */
static bool
find_main_thread(module_state *state, uint32_t process)
{
    bool found = false;
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *thread =
        threading != NULL ? PyObject_CallMethod(threading, "main_thread", NULL) : NULL;
    PyObject *ident = thread != NULL ? PyObject_GetAttrString(thread, "ident") : NULL;
    if (ident != NULL) {
        unsigned long main_ident = PyLong_AsUnsignedLong(ident);
        found = !PyErr_Occurred();
        if (found) {
            /* In this order: who sees the process sees its thread, too. */
            (void)atom_u64_exchange(&state->main_thread, main_ident);
            atom_u32_store(&state->main_thread_of, process);
        }
    }
    Py_XDECREF(ident);
    Py_XDECREF(thread);
    Py_XDECREF(threading);
    return found;
}

/* 1, 0, or -1 with an exception. A process keeps its main thread; in a forked child it is the one
 * that forked. */
static int
on_main_thread(module_state *state)
{
    uint32_t process = fork_count() + 1;
    if (atom_u32_load(&state->main_thread_of) != process && !find_main_thread(state, process)) {
        return -1;
    }
    return atom_u64_load(&state->main_thread) == PyThread_get_thread_ident();
}

int
wait_goes_on(outcome result, int64_t deadline_ns)
{
    if (deadline_ns == 0 || (result != OUTCOME_NOT_YET && result != OUTCOME_INTERRUPTED)) {
        return 0;
    }
    if (PyErr_CheckSignals() != 0) {
        return -1;
    }
    return result == OUTCOME_INTERRUPTED || platform_clock_ns() < deadline_ns;
}

/* When the next slice of the wait ends. The main thread runs the signal handlers, so its slices are
 * short; other threads sleep through. False: an exception was raised, perhaps by such a handler. */
static bool
end_of_slice(module_state *state, int64_t deadline_ns, int64_t *slice_ns)
{
    int is_main = on_main_thread(state);
    *slice_ns = deadline_ns;
    if (is_main > 0) {
        int64_t end_ns = platform_clock_ns() + SLICE_NS;
        *slice_ns = end_ns < deadline_ns ? end_ns : deadline_ns;
    }
    return is_main >= 0;
}

bool
wait_in_slices(module_state *state, shared_session *session, int64_t deadline_ns, attempt *tried,
               outcome *result)
{
    int64_t slice_ns = 0;
    int goes_on;
    for (;;) {
        Py_BEGIN_ALLOW_THREADS
        *result = session_attempt(session, slice_ns, tried);
        Py_END_ALLOW_THREADS
        if (*result == OUTCOME_DONE) {
            return true;
        }
        goes_on = wait_goes_on(*result, deadline_ns);
        if (goes_on <= 0) {
            return goes_on == 0;
        }
        if (!end_of_slice(state, deadline_ns, &slice_ns)) {
            return false;
        }
    }
}
