/* SPDX-License-Identifier: MIT
 *
 * From Win32 codes to Python exceptions.
 */
#include "errors.h"

#include "logger.h"

#include <errno.h>
#include <string.h>

/* errno decides which builtin subclass OSError() makes: EACCES a PermissionError, and so on. */
static int
errno_of(DWORD code)
{
    switch (code) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_NOT_FOUND:
        return ENOENT;
    case ERROR_ACCESS_DENIED:
    case ERROR_PRIVILEGE_NOT_HELD:
        return EACCES;
    case ERROR_INVALID_HANDLE:
        return EBADF;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
        return ENOMEM;
    case ERROR_FILE_EXISTS:
    case ERROR_ALREADY_EXISTS:
    case ERROR_OBJECT_ALREADY_EXISTS:
        return EEXIST;
    case ERROR_HANDLE_EOF:
    case ERROR_DEV_NOT_EXIST:
    case ERROR_DEVICE_NOT_CONNECTED:
        return ENODEV;
    case ERROR_BUFFER_OVERFLOW:
        return ENOBUFS;
    case ERROR_ALREADY_INITIALIZED:
    case ERROR_DEVICE_IN_USE:
        return EBUSY;
    case ERROR_INVALID_PARAMETER:
    case ERROR_INVALID_NAME:
        return EINVAL;
    case ERROR_PROC_NOT_FOUND:
        return ENOSYS;
    case ERROR_TIMEOUT:
        return ETIMEDOUT;
    default:
        return EIO;
    }
}

/* What an adapter's end is called, and what to do. */
#define REMOVED "it was removed or disabled, and TunDevice.recreate() brings it back"

/* A code that no failure has. */
#define ANY_CODE ERROR_SUCCESS

/* What a person can do about it; NULL where the text says all. The first that fits counts. */
static const char *
advice_for(const char *function, DWORD code)
{
    static const struct {
        const char *function; /* NULL: any */
        DWORD code;
        const char *advice;
    } table[] = {
        {NULL, ERROR_ACCESS_DENIED, "this needs Administrator rights: run as Administrator"},
        {NULL, ERROR_PRIVILEGE_NOT_HELD, "this needs Administrator rights: run as Administrator"},
        {"WintunCreateAdapter", ERROR_FILE_NOT_FOUND,
         "the Wintun driver could not be installed; its log (logger 'wintun') says why"},
        {"WintunOpenAdapter", ERROR_FILE_NOT_FOUND,
         "no such adapter, or the Wintun driver is not installed"},
        {"WintunOpenAdapter", ERROR_NOT_FOUND, "no Wintun adapter has this name: create it first"},
        {"WintunCreateAdapter", ERROR_FILE_EXISTS,
         "the name is taken: choose another, or open the adapter"},
        {"WintunCreateAdapter", ERROR_ALREADY_EXISTS,
         "the name is taken: choose another, or open the adapter"},
        {"WintunCreateAdapter", ERROR_OBJECT_ALREADY_EXISTS,
         "the name is taken: choose another, or open the adapter"},
        {"WintunGetRunningDriverVersion", ERROR_FILE_NOT_FOUND,
         "the Wintun driver is not loaded: creating the first adapter loads it"},
        {"WintunDeleteDriver", ERROR_DEVICE_IN_USE, "close every Wintun adapter first"},
        {"WintunStartSession", ERROR_ALREADY_INITIALIZED,
         "an adapter has one session at a time: end the other one and release its packets"},
        {"WintunReceivePacket", ERROR_HANDLE_EOF, "the adapter is terminating: " REMOVED},
        {"WintunAllocateSendPacket", ERROR_HANDLE_EOF, "the adapter is terminating: " REMOVED},
        {"WintunReceivePacket", ERROR_INVALID_DATA,
         "the ring is corrupt: end the session and start another"},
        {"WintunAllocateSendPacket", ERROR_BUFFER_OVERFLOW,
         "the send ring is full: write again later, or give a timeout"},
        {"WintunCreateAdapter", ANY_CODE,
         "the log of the Wintun library (logger 'wintun') says what it was doing"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if ((table[i].code == code || table[i].code == ANY_CODE) &&
            (table[i].function == NULL || strcmp(table[i].function, function) == 0)) {
            return table[i].advice;
        }
    }
    return NULL;
}

/* text: a new reference, which is given back; NULL with an exception set. */
static PyObject *
raise_text(PyObject *type, int error_number, PyObject *text, DWORD code)
{
    PyObject *error = text != NULL ? PyObject_CallFunction(type, "iO", error_number, text) : NULL;
    PyObject *number = error != NULL ? PyLong_FromUnsignedLong(code) : NULL;
    PyObject *kept = number != NULL ? PyObject_GetAttrString(error, "__dict__") : NULL;
    /* Windows' OSError has the attribute already, but forgets it when it is pickled: what its
     * dictionary has is set again then. Elsewhere both are the same. */
    if (kept != NULL && PyDict_SetItemString(kept, "winerror", number) == 0 &&
        PyObject_SetAttrString(error, "winerror", number) == 0) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    }
    Py_XDECREF(kept);
    Py_XDECREF(number);
    Py_XDECREF(error);
    Py_XDECREF(text);
    return NULL;
}

static PyObject *
raise_as(PyObject *type, const char *text, DWORD code)
{
    return raise_text(type, errno_of(code), PyUnicode_FromString(text), code);
}

static PyObject *
raise_described(PyObject *type, const char *function, DWORD code, const char *advice)
{
    char system[512];
    char text[1024];
    if (logger_raise_interrupt()) {
        return NULL; /* a handler meant to end the call, whatever came of it */
    }
    if (code == ERROR_SUCCESS) {
        /* The official library can leave it so under Wine; a failure must not read as success. */
        (void)PyOS_snprintf(text, sizeof(text),
                            "%s: failed without an error code; the log of the Wintun library "
                            "(logger 'wintun') may say why",
                            function);
        return raise_as(type, text, ERROR_GEN_FAILURE);
    }
    platform_error_text(code, system, sizeof(system));
    if (advice != NULL) {
        (void)PyOS_snprintf(text, sizeof(text), "%s: %s; %s", function, system, advice);
    } else {
        (void)PyOS_snprintf(text, sizeof(text), "%s: %s", function, system);
    }
    return raise_as(type, text, code);
}

PyObject *
raise_error_with_advice(const char *function, DWORD code, const char *advice)
{
    return raise_described(PyExc_OSError, function, code, advice);
}

PyObject *
raise_error(const char *function, DWORD code)
{
    return raise_error_with_advice(function, code, advice_for(function, code));
}

PyObject *
raise_name_taken(PyObject *name)
{
    return raise_text(PyExc_OSError, EEXIST,
                      PyUnicode_FromFormat("the name %R is taken by another network connection: "
                                           "choose another name, or open the adapter",
                                           name),
                      ERROR_ALREADY_EXISTS);
}

PyObject *
raise_ring_error(module_state *state, const char *function, DWORD code)
{
    PyObject *type = PyExc_OSError;
    if (code == ERROR_BUFFER_OVERFLOW) {
        type = state->ring_full_error;
    } else if (code == ERROR_HANDLE_EOF) {
        type = state->adapter_terminating_error;
    } else if (code == ERROR_INVALID_DATA) {
        type = state->ring_corrupt_error;
    }
    return raise_described(type, function, code, advice_for(function, code));
}

PyObject *
raise_removed(module_state *state, const char *function, DWORD code)
{
    char system[512];
    platform_error_text(code, system, sizeof(system));
    return raise_text(
        state->adapter_terminating_error, ENODEV,
        PyUnicode_FromFormat("%s: %s; the adapter is gone: " REMOVED, function, system), code);
}

PyObject *
raise_closed(module_state *state, const char *what)
{
    char text[64];
    (void)PyOS_snprintf(text, sizeof(text), "the %s is closed", what);
    return raise_as(state->closed_error, text, ERROR_INVALID_HANDLE);
}

PyObject *
raise_gone(module_state *state)
{
    return raise_text(state->adapter_terminating_error, ENODEV,
                      PyUnicode_FromString("the adapter is gone: " REMOVED), ERROR_HANDLE_EOF);
}

PyObject *
raise_down(module_state *state)
{
    return raise_as(state->closed_error, "the device is down: call up() first",
                    ERROR_INVALID_HANDLE);
}

static PyObject *
add_type(PyObject *module, const char *name, const char *short_name, const char *documentation)
{
    PyObject *type = PyErr_NewExceptionWithDoc(name, documentation, PyExc_OSError, NULL);
    if (type != NULL) {
        Py_INCREF(type);
        if (PyModule_AddObject(module, short_name, type) != 0) {
            Py_DECREF(type);
            Py_CLEAR(type);
        }
    }
    return type;
}

bool
errors_add_types(PyObject *module, module_state *state)
{
    state->ring_full_error =
        add_type(module, "wintun.RingFullError", "RingFullError",
                 "The send ring has no room for the packet (ERROR_BUFFER_OVERFLOW, 111).\n\n"
                 "Nothing was sent. Write again later, or give a timeout.");
    state->adapter_terminating_error = add_type(
        module, "wintun.AdapterTerminatingError", "AdapterTerminatingError",
        "The adapter was removed or disabled.\n\n"
        "The rings say so with ERROR_HANDLE_EOF (38), starting a session and the settings\n"
        "with other codes: winerror has the one. Nothing passes any more:\n"
        "TunDevice.recreate() brings the adapter back, or close the device.");
    state->ring_corrupt_error =
        add_type(module, "wintun.RingCorruptError", "RingCorruptError",
                 "The receive ring holds what cannot be a packet (ERROR_INVALID_DATA, 13).\n\n"
                 "End the session and start another.");
    state->closed_error =
        add_type(module, "wintun.ClosedError", "ClosedError",
                 "The device, session, adapter or packet is closed (ERROR_INVALID_HANDLE, 6).");
    return state->ring_full_error != NULL && state->adapter_terminating_error != NULL &&
           state->ring_corrupt_error != NULL && state->closed_error != NULL;
}
