/* SPDX-License-Identifier: MIT
 *
 * The one logger of the process.
 */
#include "logger.h"

#include "convert.h"

/* Lines are short; a message without an end is cut here. */
#define LONGEST_MESSAGE 0x10000

/* How long the exit waits for callbacks that are running. One that does not come to an end then
 * stops with the interpreter, as any other daemon thread does. */
#define LONGEST_STOP_NS INT64_C(2000000000)

static struct {
    platform_mutex lock; /* guards callback; nothing blocks while it is held */
    PyObject *callback;
    atom_u32 stopped;
    atom_u32 running; /* lines that are being delivered */
} logger;

void
logger_initialize(void)
{
    platform_mutex_init(&logger.lock);
}

/* A new reference, or NULL. */
static PyObject *
current_callback(void)
{
    platform_mutex_lock(&logger.lock);
    PyObject *callback = logger.callback;
    Py_XINCREF(callback);
    platform_mutex_unlock(&logger.lock);
    return callback;
}

static void
call_back(WINTUN_LOGGER_LEVEL level, DWORD64 timestamp, const WCHAR *message)
{
    PyObject *callback = current_callback();
    if (callback == NULL) {
        return;
    }
    PyObject *text = string_from_utf16(message, LONGEST_MESSAGE);
    PyObject *result = text != NULL ? PyObject_CallFunction(callback, "iKO", (int)level,
                                                            (unsigned long long)timestamp, text)
                                    : NULL;
    if (result == NULL) {
        PyErr_WriteUnraisable(callback);
    }
    Py_XDECREF(result);
    Py_XDECREF(text);
    Py_DECREF(callback);
}

/* What the library calls: from threads of its own or from ours inside one of its functions, never
 * with the GIL held. */
static void CALLBACK
deliver(WINTUN_LOGGER_LEVEL level, DWORD64 timestamp, const WCHAR *message)
{
    DWORD error = platform_thread_error();
    (void)atom_u32_add(&logger.running, 1);
    /* Whoever stops the logger looks at running afterwards: either it waits for this line, or this
     * line sees that it is too late. */
    if (atom_u32_load(&logger.stopped) == 0) {
        PyGILState_STATE state = PyGILState_Ensure();
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        call_back(level, timestamp, message);
        PyErr_Restore(type, value, traceback);
        PyGILState_Release(state);
    }
    (void)atom_u32_add(&logger.running, UINT32_MAX);
    platform_set_thread_error(error);
}

PyObject *
logger_set(PyObject *callback)
{
    if (callback != Py_None && !PyCallable_Check(callback)) {
        PyErr_Format(PyExc_TypeError, "the logger must be callable or None, not %R", callback);
        return NULL;
    }
    PyObject *set = callback != Py_None ? callback : NULL;
    Py_XINCREF(set);
    platform_mutex_lock(&logger.lock);
    PyObject *before = logger.callback;
    logger.callback = set;
    platform_mutex_unlock(&logger.lock);
    Py_BEGIN_ALLOW_THREADS
    library_set_logger(set != NULL ? deliver : NULL);
    Py_END_ALLOW_THREADS
    if (before == NULL) {
        Py_RETURN_NONE;
    }
    return before;
}

void
logger_stop(void)
{
    atom_u32_store(&logger.stopped, 1);
    Py_BEGIN_ALLOW_THREADS
    library_set_logger(NULL);
    int64_t deadline_ns = platform_clock_ns() + LONGEST_STOP_NS;
    while (atom_u32_load(&logger.running) != 0 && platform_clock_ns() < deadline_ns) {
        platform_sleep_ns(1000000);
    }
    Py_END_ALLOW_THREADS
}
