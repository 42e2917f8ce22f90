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
    atom_u32 chosen; /* by the program: the package's default does not replace it */
    atom_u32 stopped;
    atom_u32 running; /* lines that are being delivered */
    atom_u32 forks;
} logger;

/* In the child, nobody delivers but the thread that forked, if it was inside a callback. */
static void
renew(void)
{
    platform_mutex_init(&logger.lock);
    atom_u32_store(&logger.running, 0);
    (void)atom_u32_add(&logger.forks, 1);
}

void
logger_initialize(void)
{
    renew();
    platform_on_fork(renew);
}

void
logger_start(void)
{
    atom_u32_store(&logger.chosen, 0);
    atom_u32_store(&logger.stopped, 0);
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
    uint32_t forks = atom_u32_load(&logger.forks);
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
    if (atom_u32_load(&logger.forks) == forks) {
        (void)atom_u32_add(&logger.running, UINT32_MAX);
    }
    platform_set_thread_error(error);
}

/* Returns the callback before, a reference that it hands over, or NULL. None is kept after the
 * stop: it would stay behind when its interpreter goes. */
static PyObject *
replace_callback(PyObject *callback)
{
    platform_mutex_lock(&logger.lock);
    if (atom_u32_load(&logger.stopped) != 0) {
        callback = NULL;
    }
    Py_XINCREF(callback);
    PyObject *before = logger.callback;
    logger.callback = callback;
    platform_mutex_unlock(&logger.lock);
    Py_BEGIN_ALLOW_THREADS
    library_set_logger(callback != NULL ? deliver : NULL);
    Py_END_ALLOW_THREADS
    return before;
}

PyObject *
logger_set(PyObject *callback)
{
    if (callback != Py_None && !PyCallable_Check(callback)) {
        PyErr_Format(PyExc_TypeError, "the logger must be callable or None, not %R", callback);
        return NULL;
    }
    atom_u32_store(&logger.chosen, 1);
    PyObject *before = replace_callback(callback != Py_None ? callback : NULL);
    if (before == NULL) {
        Py_RETURN_NONE;
    }
    return before;
}

void
logger_set_default(PyObject *callback)
{
    if (atom_u32_load(&logger.chosen) == 0) {
        Py_XDECREF(replace_callback(callback));
    }
}

void
logger_stop(void)
{
    atom_u32_store(&logger.stopped, 1);
    Py_XDECREF(replace_callback(NULL));
    Py_BEGIN_ALLOW_THREADS
    int64_t deadline_ns = platform_clock_ns() + LONGEST_STOP_NS;
    while (atom_u32_load(&logger.running) != 0 && platform_clock_ns() < deadline_ns) {
        platform_sleep_ns(1000000);
    }
    Py_END_ALLOW_THREADS
}
