/* SPDX-License-Identifier: MIT
 *
 * The extension module wintun._wintun: its functions, its state, its start and end.
 */
#include "objects/adapter.h"
#include "objects/convert.h"
#include "objects/device.h"
#include "objects/errors.h"
#include "objects/logger.h"
#include "objects/loop_events.h"
#include "objects/offload.h"
#include "objects/packet.h"
#include "objects/packet_batch.h"
#include "objects/session.h"

#include <string.h>

static struct PyModuleDef module_definition;

/* --- What every type uses --------------------------------------------------------------------- */

module_state *
state_of_type(PyTypeObject *type)
{
    for (PyTypeObject *each = type; each != NULL;
         each = (PyTypeObject *)PyType_GetSlot(each, Py_tp_base)) {
        PyObject *module = PyType_GetModule(each);
        if (module != NULL && PyModule_GetDef(module) == &module_definition) {
            return PyModule_GetState(module);
        }
        PyErr_Clear(); /* a type that Python code made */
    }
    PyErr_SetString(PyExc_TypeError, "not a type of wintun");
    return NULL;
}

/* What makes an object of each class that cannot be called. */
static const struct {
    const char *type;
    const char *article; /* and the type */
    const char *calls;
} makers[] = {
    {"Adapter", "an Adapter", "Adapter.create() or Adapter.open()"},
    {"Session", "a Session", "Adapter.start_session()"},
    {"Packet", "a Packet", "receive_packet() or allocate_send_packet()"},
    {"PacketBatch", "a PacketBatch", "receive_packets() or allocate_send_packets()"},
};

PyObject *
refuse_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    (void)args;
    (void)keywords;
    PyObject *name = PyObject_GetAttrString((PyObject *)type, "__name__");
    for (size_t i = 0; name != NULL && i < sizeof(makers) / sizeof(makers[0]); i++) {
        if (PyUnicode_CompareWithASCIIString(name, makers[i].type) == 0) {
            PyErr_Format(PyExc_TypeError, "%s is made by %s, not by calling the class",
                         makers[i].article, makers[i].calls);
        }
    }
    if (name != NULL && !PyErr_Occurred()) {
        PyErr_Format(PyExc_TypeError, "%U is not made by calling it", name);
    }
    Py_XDECREF(name);
    return NULL;
}

void
free_object(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)(uintptr_t)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* --- The library ------------------------------------------------------------------------------ */

static library *
current_library(void)
{
    library *current;
    Py_BEGIN_ALLOW_THREADS
    current = library_current();
    Py_END_ALLOW_THREADS
    return current;
}

library *
require_library(void)
{
    library *current = current_library();
    if (current != NULL) {
        return current;
    }
    /* Which library is the default, and whether it may be trusted, is the package's policy. */
    PyObject *policy = PyImport_ImportModule("wintun._library");
    PyObject *result = policy != NULL ? PyObject_CallMethod(policy, "load_default", NULL) : NULL;
    Py_XDECREF(policy);
    if (result == NULL) {
        return NULL;
    }
    Py_DECREF(result);
    current = current_library();
    if (current == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "wintun._library.load_default() loaded no library");
    }
    return current;
}

/* NULL with an exception set if it is no path. */
static const char *
convert_path(PyObject *argument)
{
    char *path;
    Py_ssize_t size;
    if (!PyBytes_Check(argument)) {
        PyErr_Format(PyExc_TypeError, "path must be bytes (os.fsencode), not %R", argument);
        return NULL;
    }
    if (PyBytes_AsStringAndSize(argument, &path, &size) != 0) {
        return NULL;
    }
    if (strlen(path) != (size_t)size) {
        PyErr_Format(PyExc_ValueError, "path must have no NUL byte, not %R", argument);
        return NULL;
    }
    return path;
}

static PyObject *
hold_file(PyObject *module, PyObject *argument)
{
    HANDLE file;
    bool held;
    DWORD code;
    (void)module;
    const char *path = convert_path(argument);
    if (path == NULL) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    held = platform_file_hold(path, &file, &code);
    Py_END_ALLOW_THREADS
    if (!held) {
        return raise_path_error("cannot open the file", code, NULL, path);
    }
    PyObject *number = PyLong_FromVoidPtr(file);
    if (number == NULL) {
        platform_handle_close(file);
    }
    return number;
}

static PyObject *
load_library(PyObject *module, PyObject *argument)
{
    char text[2048];
    library *loaded;
    DWORD code = 0;
    (void)module;
    const char *path = convert_path(argument);
    if (path == NULL) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    loaded = library_load(path, &code, text, sizeof(text));
    Py_END_ALLOW_THREADS
    if (loaded == NULL && code == ERROR_NOT_ENOUGH_MEMORY) {
        return PyErr_NoMemory();
    }
    if (loaded == NULL) {
        return raise_path_error("cannot load the library", code, text, path);
    }
    Py_RETURN_NONE;
}

static PyObject *
library_path(PyObject *module, PyObject *ignored)
{
    library *current = current_library();
    (void)module;
    (void)ignored;
    if (current == NULL) {
        Py_RETURN_NONE;
    }
    return PyBytes_FromString(current->path);
}

/* --- The driver ------------------------------------------------------------------------------- */

static PyObject *
get_driver_version(PyObject *module, PyObject *ignored)
{
    DWORD version;
    DWORD code;
    (void)module;
    (void)ignored;
    library *used = require_library();
    if (used == NULL) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    version = used->wintun.GetRunningDriverVersion();
    code = used->last_error();
    Py_END_ALLOW_THREADS
    return version != 0 ? logger_return(PyLong_FromUnsignedLong(version))
                        : raise_error("WintunGetRunningDriverVersion", code);
}

static PyObject *
delete_driver(PyObject *module, PyObject *ignored)
{
    BOOL deleted;
    DWORD code;
    (void)module;
    (void)ignored;
    library *used = require_library();
    if (used == NULL) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    deleted = used->wintun.DeleteDriver();
    code = used->last_error();
    Py_END_ALLOW_THREADS
    if (!deleted) {
        return raise_error("WintunDeleteDriver", code);
    }
    Py_INCREF(Py_None);
    return logger_return(Py_None);
}

/* --- The logger ------------------------------------------------------------------------------- */

static PyObject *
set_logger(PyObject *module, PyObject *callback)
{
    (void)module;
    return logger_set(callback);
}

static PyObject *
set_default_logger(PyObject *module, PyObject *callback)
{
    (void)module;
    logger_set_default(callback);
    Py_RETURN_NONE;
}

static PyObject *
stop_logger(PyObject *module, PyObject *ignored)
{
    (void)module;
    (void)ignored;
    logger_stop();
    Py_RETURN_NONE;
}

/* --- Events for an event loop ----------------------------------------------------------------- */

static PyObject *
close_event(PyObject *module, PyObject *argument)
{
    (void)module;
    HANDLE handle = (HANDLE)PyLong_AsVoidPtr(argument);
    if (PyErr_Occurred()) {
        return NULL;
    }
    platform_handle_close(handle);
    Py_RETURN_NONE;
}

/* --- The module ------------------------------------------------------------------------------- */

static PyMethodDef module_functions[] = {
    {"load_library", load_library, METH_O,
     "load_library($module, path, /)\n--\n\n"
     "Loads a Wintun library for whatever is opened from then on.\n\n"
     "path: bytes, absolute. Raises OSError with the reason; TypeError, ValueError."},
    {"hold_file", hold_file, METH_O,
     "hold_file($module, path, /)\n--\n\n"
     "Opens a file for reading so that on Windows nobody can change, rename or delete it until it\n"
     "is closed.\n\n"
     "path: bytes. Returns an int: a HANDLE, or a file descriptor elsewhere; no child process\n"
     "inherits it. Raises OSError; TypeError, ValueError."},
    {"library_path", library_path, METH_NOARGS,
     "library_path($module, /)\n--\n\nThe path of the current library as bytes, or None."},
    {"set_logger", set_logger, METH_O,
     "set_logger($module, callback, /)\n--\n\n"
     "Sets the callable that gets the lines of the library's log, or None for none; returns the\n"
     "one before.\n\n"
     "It is called with (level, timestamp, message): LOG_INFO, LOG_WARN or LOG_ERR; units of\n"
     "100 ns since 1601-01-01 UTC; a str. It may be called from any thread and from several at\n"
     "once. An exception that it raises goes to sys.unraisablehook. But what a signal handler\n"
     "raises while it runs in the main thread (KeyboardInterrupt, say) is raised by the call that\n"
     "made the library log, as soon as that has ended; so is any other exception that is no\n"
     "Exception. No line is delivered after the start of the interpreter's exit."},
    {"get_driver_version", get_driver_version, METH_NOARGS,
     "get_driver_version($module, /)\n--\n\n"
     "The version of the loaded driver, major << 16 | minor. Raises FileNotFoundError when no\n"
     "driver is loaded, OSError."},
    {"delete_driver", delete_driver, METH_NOARGS,
     "delete_driver($module, /)\n--\n\n"
     "Deletes the Wintun driver from the system, if no adapter uses it. Raises OSError."},
    {"close_event", close_event, METH_O,
     "close_event($module, event, /)\n--\n\nCloses a handle of hold_file(), an int."},
    {"_set_default_logger", set_default_logger, METH_O,
     "_set_default_logger($module, callback, /)\n--\n\nSets the callable unless set_logger() was "
     "called."},
    {"_stop_logger", stop_logger, METH_NOARGS,
     "_stop_logger($module, /)\n--\n\nEnds the delivery of log lines; called at the interpreter's "
     "exit."},
    {NULL, NULL, 0, NULL},
};

static bool
add_type(PyObject *module, PyType_Spec *spec, const char *name, PyObject **type)
{
    *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (*type == NULL) {
        return false;
    }
    Py_INCREF(*type);
    if (PyModule_AddObject(module, name, *type) != 0) {
        Py_DECREF(*type);
        return false;
    }
    return true;
}

static bool
add_constants(PyObject *module)
{
    return PyModule_AddIntConstant(module, "LOG_INFO", WINTUN_LOG_INFO) == 0 &&
           PyModule_AddIntConstant(module, "LOG_WARN", WINTUN_LOG_WARN) == 0 &&
           PyModule_AddIntConstant(module, "LOG_ERR", WINTUN_LOG_ERR) == 0 &&
           PyModule_AddIntConstant(module, "MIN_RING_CAPACITY", WINTUN_MIN_RING_CAPACITY) == 0 &&
           PyModule_AddIntConstant(module, "MAX_RING_CAPACITY", WINTUN_MAX_RING_CAPACITY) == 0 &&
           PyModule_AddIntConstant(module, "DEFAULT_SPIN_US", DEFAULT_SPIN_US) == 0 &&
           PyModule_AddIntConstant(module, "LONGEST_SPIN_US", LONGEST_SPIN_US) == 0 &&
           PyModule_AddIntConstant(module, "MAX_IP_PACKET_SIZE", WINTUN_MAX_IP_PACKET_SIZE) == 0;
}

/* The library and the logger belong to the process, so one interpreter has them. */
static bool
refuse_subinterpreter(void)
{
    if (PyInterpreterState_GetID(PyInterpreterState_Get()) == 0) {
        return true;
    }
    PyErr_SetString(PyExc_ImportError,
                    "wintun cannot be imported in a subinterpreter: Wintun's library and logger "
                    "belong to the process");
    return false;
}

static bool
stop_logger_at_exit(PyObject *module)
{
    PyObject *atexit = PyImport_ImportModule("atexit");
    PyObject *stop = PyObject_GetAttrString(module, "_stop_logger");
    PyObject *result =
        atexit != NULL && stop != NULL ? PyObject_CallMethod(atexit, "register", "O", stop) : NULL;
    Py_XDECREF(result);
    Py_XDECREF(stop);
    Py_XDECREF(atexit);
    return result != NULL;
}

/* The process's own part, once however often the module is made. */
static bool
initialize_process(void)
{
    enum { FAILED = 1, DONE };
    static atom_u32 begun;
    static atom_u32 done;
    uint32_t nobody = 0;
    if (atom_u32_cas(&begun, &nobody, 1)) {
        bool ready = library_initialize(logger_deliver);
        process_initialize();
        logger_initialize();
        atom_u32_store(&done, ready ? DONE : FAILED);
    }
    /* Another thread may have begun: without the GIL, two may make the module at the same time. */
    while (atom_u32_load(&done) == 0) {
        platform_yield();
    }
    if (atom_u32_load(&done) == FAILED) {
        PyErr_SetString(PyExc_ImportError,
                        "the system has no room left for a pointer of each thread's own (TlsAlloc "
                        "or pthread_key_create): the process has loaded too many libraries");
        return false;
    }
    return true;
}

/* The interpreter's own part. A process may have several, one after the other, and each may make
 * the module more than once. */
static bool
initialize_interpreter(PyObject *module)
{
    PyObject *kept = PyInterpreterState_GetDict(PyInterpreterState_Get());
    PyObject *key = PyUnicode_FromString(module_definition.m_name);
    int done = kept != NULL && key != NULL ? PyDict_Contains(kept, key) : -1;
    if (done == 0) {
        logger_start();
        done = stop_logger_at_exit(module) && PyDict_SetItem(kept, key, Py_True) == 0 ? 1 : -1;
    }
    Py_XDECREF(key);
    if (done < 0 && !PyErr_Occurred()) {
        (void)PyErr_NoMemory();
    }
    return done > 0;
}

static int
module_execute(PyObject *module)
{
    module_state *state = PyModule_GetState(module);
    if (!refuse_subinterpreter() || !initialize_process()) {
        return -1;
    }
    bool done = initialize_interpreter(module) && errors_add_types(module, state) &&
                add_constants(module) && offload_add_functions(module) &&
                add_type(module, &adapter_spec, "Adapter", &state->adapter_type) &&
                add_type(module, &session_spec, "Session", &state->session_type) &&
                add_type(module, &packet_spec, "Packet", &state->packet_type) &&
                add_type(module, &packet_batch_spec, "PacketBatch", &state->packet_batch_type) &&
                add_type(module, &batch_item_spec, "_BatchItem", &state->batch_item_type) &&
                add_type(module, &device_base_spec, "DeviceBase", &state->device_base_type) &&
                add_type(module, &loop_events_spec, "LoopEvents", &state->loop_events_type);
    return done ? 0 : -1;
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    module_state *state = PyModule_GetState(module);
    Py_VISIT(state->adapter_type);
    Py_VISIT(state->session_type);
    Py_VISIT(state->packet_type);
    Py_VISIT(state->packet_batch_type);
    Py_VISIT(state->batch_item_type);
    Py_VISIT(state->device_base_type);
    Py_VISIT(state->loop_events_type);
    Py_VISIT(state->ring_full_error);
    Py_VISIT(state->adapter_terminating_error);
    Py_VISIT(state->ring_corrupt_error);
    Py_VISIT(state->closed_error);
    return 0;
}

static int
module_clear(PyObject *module)
{
    module_state *state = PyModule_GetState(module);
    Py_CLEAR(state->adapter_type);
    Py_CLEAR(state->session_type);
    Py_CLEAR(state->packet_type);
    Py_CLEAR(state->packet_batch_type);
    Py_CLEAR(state->batch_item_type);
    Py_CLEAR(state->device_base_type);
    Py_CLEAR(state->loop_events_type);
    Py_CLEAR(state->ring_full_error);
    Py_CLEAR(state->adapter_terminating_error);
    Py_CLEAR(state->ring_corrupt_error);
    Py_CLEAR(state->closed_error);
    return 0;
}

static void
module_free(void *module)
{
    (void)module_clear((PyObject *)module);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, SLOT(module_execute)},
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT, "wintun._wintun", "The Wintun API as objects.",
    sizeof(module_state),  module_functions, module_slots,
    module_traverse,       module_clear,     module_free,
};

PyMODINIT_FUNC PyInit__wintun(void);

PyMODINIT_FUNC
PyInit__wintun(void)
{
    return PyModuleDef_Init(&module_definition);
}
