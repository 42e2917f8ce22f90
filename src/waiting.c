/* SPDX-License-Identifier: MIT
 *
 * Long waits that a signal can end.
 */
#include "waiting.h"

/* Not every signal interrupts the wait: on Windows none does, elsewhere it may arrive in another
 * thread. So this bounds how late Ctrl-C is seen. */
#define SLICE_NS INT64_C(50000000)

static bool
on_main_thread(void)
{
    bool result = true; /* when in doubt: waking up for nothing does no harm */
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *thread =
        threading != NULL ? PyObject_CallMethod(threading, "main_thread", NULL) : NULL;
    PyObject *ident = thread != NULL ? PyObject_GetAttrString(thread, "ident") : NULL;
    if (ident != NULL) {
        result = PyLong_AsUnsignedLong(ident) == PyThread_get_thread_ident();
    }
    PyErr_Clear();
    Py_XDECREF(ident);
    Py_XDECREF(thread);
    Py_XDECREF(threading);
    return result;
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

int64_t
wait_slice(int64_t deadline_ns)
{
    if (deadline_ns == 0 || !on_main_thread()) {
        return deadline_ns;
    }
    int64_t slice_ns = platform_clock_ns() + SLICE_NS;
    return slice_ns < deadline_ns ? slice_ns : deadline_ns;
}
