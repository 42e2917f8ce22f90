/* SPDX-License-Identifier: MIT
 *
 * From codes of Windows to Python exceptions.
 */
#include "errors.h"

#include "codes.h"
#include "logger.h"

#include <errno.h>

/* Raises an OSError of errno, text and, if there is one, a name, as filename: a path, an adapter.
 * text: a new reference, which is given back; NULL with an exception set. */
static PyObject *
raise_text(PyObject *type, int number, PyObject *text, PyObject *name, DWORD code)
{
    PyObject *error = text == NULL   ? NULL
                      : name == NULL ? PyObject_CallFunction(type, "iO", number, text)
                                     : PyObject_CallFunction(type, "iOO", number, text, name);
    PyObject *winerror = error != NULL ? PyLong_FromUnsignedLong(code) : NULL;
    PyObject *kept = winerror != NULL ? PyObject_GetAttrString(error, "__dict__") : NULL;
    /* Windows' OSError has the attribute already, but forgets it when it is pickled: what its
     * dictionary has is set again then. Elsewhere both are the same. */
    if (kept != NULL && PyDict_SetItemString(kept, "winerror", winerror) == 0 &&
        PyObject_SetAttrString(error, "winerror", winerror) == 0) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    }
    Py_XDECREF(kept);
    Py_XDECREF(winerror);
    Py_XDECREF(error);
    Py_XDECREF(text);
    return NULL;
}

/* Raises the meaning of a code, as an exception of a type. PyUnicode_FromFormat replaces what is
 * not UTF-8 in what the system says. */
static PyObject *
raise_meaning(PyObject *type, const char *function, const code_meaning *meaning, PyObject *name)
{
    char system[2048];
    PyObject *text;
    if (logger_raise_interrupt()) {
        return NULL; /* a handler meant to end the call, whatever came of it */
    }
    if (meaning->code == ERROR_SUCCESS) {
        /* The official library can leave it so under Wine; a failure must not read as success. */
        text = PyUnicode_FromFormat("%s: failed without an error code; the log of the Wintun "
                                    "library (logger 'wintun') may say why",
                                    function);
        return raise_text(type, EIO, text, name, ERROR_GEN_FAILURE);
    }
    platform_error_text(meaning->code, system, sizeof(system));
    if (meaning->kind != CODE_OF_SYSTEM) {
        /* Windows' words for these are about files. */
        text = PyUnicode_FromFormat("%s: %s (%s)", function, meaning->advice, system);
    } else if (meaning->advice != NULL) {
        text = PyUnicode_FromFormat("%s: %s; %s", function, system, meaning->advice);
    } else {
        text = PyUnicode_FromFormat("%s: %s", function, system);
    }
    return raise_text(type, meaning->number, text, name, meaning->code);
}

PyObject *
raise_error_of(const char *function, DWORD code, PyObject *name, const char *advice)
{
    code_meaning meaning = code_find(function, code);
    if (advice != NULL) {
        meaning.advice = advice;
    }
    return raise_meaning(PyExc_OSError, function, &meaning, name);
}

PyObject *
raise_error(const char *function, DWORD code)
{
    return raise_error_of(function, code, NULL, NULL);
}

PyObject *
raise_path_error(const char *doing, DWORD code, const char *reason, const char *path)
{
    char system[2048];
    PyObject *name = PyUnicode_DecodeFSDefault(path);
    if (name == NULL) {
        return NULL;
    }
    if (reason == NULL) {
        platform_error_text(code, system, sizeof(system));
        reason = system;
    }
    (void)raise_text(PyExc_OSError, code_find(doing, code).number,
                     PyUnicode_FromFormat("%s: %s", doing, reason), name, code);
    Py_DECREF(name);
    return NULL;
}

PyObject *
raise_name_taken(PyObject *name)
{
    return raise_text(PyExc_OSError, EEXIST,
                      PyUnicode_FromFormat("the name %R is taken by another network connection: "
                                           "choose another name, or open the adapter",
                                           name),
                      NULL, ERROR_ALREADY_EXISTS);
}

PyObject *
raise_ring_error(module_state *state, const char *function, DWORD code)
{
    code_meaning meaning = code_find(function, code);
    PyObject *type = meaning.kind == CODE_RING_FULL      ? state->ring_full_error
                     : meaning.kind == CODE_TERMINATING  ? state->adapter_terminating_error
                     : meaning.kind == CODE_RING_CORRUPT ? state->ring_corrupt_error
                                                         : PyExc_OSError;
    return raise_meaning(type, function, &meaning, NULL);
}

PyObject *
raise_removed(module_state *state, const char *function, DWORD code, PyObject *name)
{
    code_meaning meaning = code_removed(code);
    return raise_meaning(state->adapter_terminating_error, function, &meaning, name);
}

PyObject *
raise_closed(module_state *state, const char *what)
{
    return raise_text(state->closed_error, EBADF, PyUnicode_FromFormat("the %s is closed", what),
                      NULL, ERROR_INVALID_HANDLE);
}

PyObject *
raise_gone(module_state *state)
{
    return raise_text(state->adapter_terminating_error, ENODEV,
                      PyUnicode_FromString(code_removed(ERROR_HANDLE_EOF).advice), NULL,
                      ERROR_HANDLE_EOF);
}

PyObject *
raise_down(module_state *state)
{
    return raise_text(state->closed_error, EBADF,
                      PyUnicode_FromString("the device is down: call up() first"), NULL,
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
    state->ring_corrupt_error = add_type(
        module, "wintun.RingCorruptError", "RingCorruptError",
        "The receive ring holds what cannot be a packet (ERROR_INVALID_DATA, 13).\n\n"
        "The driver itself overruns a ring that it found full (a fault of Wintun 0.14.1 under\n"
        "overload), or native code of the process wrote into it. End the session and start\n"
        "another, as TunDevice.down() and up() do; a larger capacity makes it rarer.");
    state->closed_error =
        add_type(module, "wintun.ClosedError", "ClosedError",
                 "The device, session, adapter or packet is closed (ERROR_INVALID_HANDLE, 6).");
    return state->ring_full_error != NULL && state->adapter_terminating_error != NULL &&
           state->ring_corrupt_error != NULL && state->closed_error != NULL;
}
