/* SPDX-License-Identifier: MIT
 *
 * The one logger of the process.
 */
#include "logger.h"

#include "core/process.h"

#include "convert.h"

/* Lines are short; a message without an end is cut here. */
#define LONGEST_MESSAGE 0x10000

/* How long the exit waits for callbacks that are running. One that does not come to an end then
 * stops with the interpreter, as any other daemon thread does. */
#define LONGEST_STOP_NS INT64_C(2000000000)

static struct {
    platform_mutex lock; /* guards callback and kept; nothing blocks while it is held */
    PyObject *callback;
    atom_u32 listening; /* there is a callback: looked at without the lock */
    PyObject *kept;     /* an exception for the caller of the thread below, or NULL */
    unsigned long kept_for;
    atom_u32 chosen; /* by the program: the package's default does not replace it */
    atom_u32 stopped;
    atom_u32 running; /* lines that are being delivered */
} logger;

/* In the child, nobody delivers but the thread that forked, if it was inside a callback. */
static void
renew(void)
{
    platform_mutex_init(&logger.lock);
    atom_u32_store(&logger.running, 0);
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

/* --- What signal handlers raise --------------------------------------------------------------- */

/* Python runs signal handlers between any two instructions of the main thread: so also inside the
 * callback, which cannot let an exception pass through the library. What they raise there is kept
 * until the library's function has returned. Then the interpreter raises it as it does with what a
 * handler raises at that moment (a pending call); a call that looks earlier
 * (logger_raise_interrupt) gets it instead of its own error. */

/* The exception that is set, as an object with its traceback; a new reference. */
static PyObject *
fetch_error(void)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL) {
        (void)PyException_SetTraceback(value, traceback);
    }
    Py_XDECREF(traceback);
    Py_XDECREF(type);
    return value;
}

/* Sets it again; takes the reference. */
static void
restore_error(PyObject *error)
{
    PyObject *type = (PyObject *)Py_TYPE(error);
    Py_INCREF(type);
    PyErr_Restore(type, error, PyException_GetTraceback(error));
}

/* What is kept for the calling thread, as a new reference, or NULL. */
static PyObject *
take_kept(void)
{
    PyObject *kept = NULL;
    platform_mutex_lock(&logger.lock);
    if (logger.kept != NULL && logger.kept_for == PyThread_get_thread_ident()) {
        kept = logger.kept;
        logger.kept = NULL;
    }
    platform_mutex_unlock(&logger.lock);
    return kept;
}

static int
raise_kept(void *ignored)
{
    PyObject *kept = take_kept();
    (void)ignored;
    if (kept == NULL) {
        return 0; /* a call was earlier, or is under way and will see to it */
    }
    restore_error(kept);
    return -1;
}

/* Takes the reference. */
static void
keep(PyObject *error)
{
    platform_mutex_lock(&logger.lock);
    PyObject *before = logger.kept;
    logger.kept = error;
    logger.kept_for = PyThread_get_thread_ident();
    platform_mutex_unlock(&logger.lock);
    Py_XDECREF(before); /* of a thread that was the main one, before a fork */
    (void)Py_AddPendingCall(raise_kept, NULL); /* where it fails, the next call of ours raises it */
}

/* Adds what a handler has raised later to what one has raised before; takes both references, which
 * may be NULL, and returns one. */
static PyObject *
join_errors(PyObject *before, PyObject *error)
{
    if (before == NULL || error == NULL || before == error) {
        Py_XDECREF(before == error ? error : NULL);
        return before != NULL ? before : error;
    }
    PyObject *context = PyException_GetContext(error);
    if (context == NULL) {
        PyException_SetContext(error, before);
    } else {
        Py_DECREF(context); /* it tells already during what it was raised */
        Py_DECREF(before);
    }
    return error;
}

bool
logger_raise_interrupt(void)
{
    PyObject *error = PyErr_Occurred() != NULL ? fetch_error() : NULL;
    error = join_errors(error, take_kept());
    if (PyErr_CheckSignals() != 0) {
        error = join_errors(error, fetch_error());
    }
    if (error == NULL) {
        return false;
    }
    restore_error(error);
    return true;
}

PyObject *
logger_return(PyObject *result)
{
    if (logger_raise_interrupt()) {
        Py_CLEAR(result);
    }
    return result;
}

/* Whether an exception that has left the callback is for the caller, not the callback's own. What
 * that means is the package's policy; if it cannot be asked, every exception that is no Exception
 * is. Asking runs Python code, in which one more handler may raise: *error is that then, and asked
 * for in its turn. */
static bool
is_interrupt(PyObject **error)
{
    for (int attempt = 0; attempt < 3; attempt++) {
        PyObject *policy = PyImport_ImportModule("wintun._logging");
        PyObject *answer =
            policy != NULL ? PyObject_CallMethod(policy, "is_interrupt", "O", *error) : NULL;
        Py_XDECREF(policy);
        if (answer != NULL) {
            bool is = answer == Py_True;
            Py_DECREF(answer);
            return is;
        }
        *error = join_errors(*error, fetch_error());
    }
    return false;
}

/* --- Delivering ------------------------------------------------------------------------------- */

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

/* Returns what is for the caller, a new reference, or NULL. */
static PyObject *
call_back(WINTUN_LOGGER_LEVEL level, DWORD64 timestamp, const WCHAR *message)
{
    PyObject *callback = current_callback();
    PyObject *error = NULL;
    if (callback == NULL) {
        return NULL;
    }
    PyObject *text = string_from_utf16(message, LONGEST_MESSAGE);
    PyObject *result = text != NULL ? PyObject_CallFunction(callback, "iKO", (int)level,
                                                            (unsigned long long)timestamp, text)
                                    : NULL;
    if (result == NULL) {
        error = fetch_error();
        if (!is_interrupt(&error)) {
            restore_error(error);
            error = NULL;
            PyErr_WriteUnraisable(callback);
        }
    }
    Py_XDECREF(result);
    Py_XDECREF(text);
    Py_DECREF(callback);
    return error;
}

/* With the GIL held. */
static void
deliver(WINTUN_LOGGER_LEVEL level, DWORD64 timestamp, const WCHAR *message)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    /* Not raised inside the callback, where the callback could catch it: what is kept, and what
     * waits to be raised until now. */
    PyObject *kept = take_kept();
    if (PyErr_CheckSignals() != 0) {
        kept = join_errors(kept, fetch_error());
    }
    kept = join_errors(kept, call_back(level, timestamp, message));
    if (kept != NULL) {
        keep(kept);
    }
    PyErr_Restore(type, value, traceback);
}

void CALLBACK
logger_deliver(WINTUN_LOGGER_LEVEL level, DWORD64 timestamp, const WCHAR *message)
{
    if (atom_u32_load(&logger.listening) == 0) {
        return;
    }
    DWORD error = platform_thread_error();
    uint32_t forks = fork_count();
    (void)atom_u32_add(&logger.running, 1);
    /* Whoever stops the logger looks at running afterwards: either it waits for this line, or this
     * line sees that it is too late. */
    if (atom_u32_load(&logger.stopped) == 0) {
        PyGILState_STATE state = PyGILState_Ensure();
        deliver(level, timestamp, message);
        PyGILState_Release(state);
    }
    if (fork_count() == forks) {
        (void)atom_u32_add(&logger.running, UINT32_MAX);
    }
    platform_set_thread_error(error);
}

/* --- Setting ---------------------------------------------------------------------------------- */

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
    /* The libraries always have the same function: nothing else could say otherwise. */
    atom_u32_store(&logger.listening, callback != NULL);
    platform_mutex_unlock(&logger.lock);
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

static bool
is_delivering(void *ignored)
{
    (void)ignored;
    return atom_u32_load(&logger.running) != 0;
}

void
logger_stop(void)
{
    atom_u32_store(&logger.stopped, 1);
    Py_XDECREF(replace_callback(NULL));
    platform_mutex_lock(&logger.lock);
    PyObject *kept = logger.kept;
    logger.kept = NULL;
    platform_mutex_unlock(&logger.lock);
    if (kept != NULL) {
        restore_error(kept);
        PyErr_WriteUnraisable(NULL);
    }
    Py_BEGIN_ALLOW_THREADS
    wait_while(is_delivering, NULL, LONGEST_STOP_NS);
    Py_END_ALLOW_THREADS
}
