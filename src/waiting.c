/* SPDX-License-Identifier: MIT
 *
 * Long waits that a signal can end.
 */
#include "waiting.h"

/* Not every signal interrupts the wait: on Windows none does, elsewhere it may arrive in another
 * thread. So this bounds how late Ctrl-C is seen. */
#define SLICE_NS INT64_C(50000000)

/* 1, 0, or -1 with an exception: asking runs Python code, in which a signal handler may raise. */
static int
on_main_thread(void)
{
    int result = -1;
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *thread =
        threading != NULL ? PyObject_CallMethod(threading, "main_thread", NULL) : NULL;
    PyObject *ident = thread != NULL ? PyObject_GetAttrString(thread, "ident") : NULL;
    if (ident != NULL) {
        unsigned long main_ident = PyLong_AsUnsignedLong(ident);
        if (!PyErr_Occurred()) {
            result = main_ident == PyThread_get_thread_ident();
        }
    }
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

bool
wait_slice(int64_t deadline_ns, int64_t *slice_ns)
{
    *slice_ns = deadline_ns;
    int is_main = deadline_ns != 0 ? on_main_thread() : 0;
    if (is_main > 0) {
        int64_t end_ns = platform_clock_ns() + SLICE_NS;
        *slice_ns = end_ns < deadline_ns ? end_ns : deadline_ns;
    }
    return is_main >= 0;
}
