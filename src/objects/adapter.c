/* SPDX-License-Identifier: MIT
 *
 * The Adapter object: one network adapter.
 */
#include "adapter.h"

#include "adapter_object.h"
#include "codes.h"
#include "convert.h"
#include "errors.h"
#include "interface.h"
#include "logger.h"
#include "session.h"

#include <string.h>

/* The capacity that Wintun's own example uses: 4 MiB. */
#define DEFAULT_CAPACITY 0x400000

/* Of the creation of an adapter, each of which may take 15 s, and the pause between two. */
#define MAX_ATTEMPTS 100
#define PAUSE_NS INT64_C(250000000)

/* --- Making and ending ------------------------------------------------------------------------ */

/* An Adapter for a handle that it takes over also on failure. */
static PyObject *
adapter_new(PyTypeObject *type, PyObject *name, library *used, WINTUN_ADAPTER_HANDLE handle)
{
    adapter_object *self = (adapter_object *)PyType_GenericAlloc(type, 0);
    shared_adapter *shared = NULL;
    bool has_luid = false;
    DWORD code;
    Py_BEGIN_ALLOW_THREADS
    shared = adapter_share(used, handle);
    code = used->last_error();
    has_luid = shared != NULL && shared->luid.Value != 0;
    if (shared != NULL && (self == NULL || !has_luid)) {
        adapter_close(shared);
        adapter_unreference(shared);
    }
    Py_END_ALLOW_THREADS
    if (self == NULL) {
        return NULL;
    }
    if (!has_luid) {
        Py_DECREF(self);
        return shared == NULL ? PyErr_NoMemory()
                              : raise_error_of("WintunGetAdapterLUID", code, name, NULL);
    }
    Py_INCREF(name);
    self->state = PyType_GetModuleState(type);
    self->name = name;
    self->shared = shared;
    if (logger_raise_interrupt()) {
        /* Nobody will have the adapter: it must not wait for the traceback to go. */
        Py_BEGIN_ALLOW_THREADS
        adapter_close(shared);
        Py_END_ALLOW_THREADS(void)
        logger_raise_interrupt();
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* Whether some network connection of the system has this name, in any case of its letters. Wintun
 * would give it to the new adapter nevertheless, and rename the other connection, whosever it is.
 * A system that cannot tell (Windows before Vista) leaves it to Wintun. */
static bool
is_alias(const library *used, const WCHAR *name)
{
    NET_LUID luid;
    return used->ip_helper.ConvertInterfaceAliasToLuid != NULL &&
           used->ip_helper.ConvertInterfaceAliasToLuid(name, &luid) == ERROR_SUCCESS;
}

/* Creates an adapter: once more where Windows did not start it, for as many attempts as there are.
 * NULL with an exception set on failure. */
static WINTUN_ADAPTER_HANDLE
create_handle(const library *used, PyObject *name, const WCHAR *wide_name, const WCHAR *tunnel_type,
              const GUID *guid, DWORD attempts)
{
    static const char function[] = "WintunCreateAdapter";
    WINTUN_ADAPTER_HANDLE handle = NULL;
    bool taken;
    bool again = false;
    DWORD code = ERROR_SUCCESS;
    do {
        Py_BEGIN_ALLOW_THREADS
        /* Once: what an attempt leaves behind for a moment may have the name, too. */
        taken = !again && is_alias(used, wide_name);
        if (!taken) {
            handle = used->wintun.CreateAdapter(wide_name, tunnel_type, guid);
            code = used->last_error();
            attempts--;
        }
        again = !taken && handle == NULL && attempts > 0 && code_find(function, code).passes;
        if (again) {
            platform_sleep_ns(PAUSE_NS);
        }
        Py_END_ALLOW_THREADS
        if (again && (logger_raise_interrupt() || PyErr_CheckSignals() != 0)) {
            return NULL;
        }
    } while (again);
    if (taken) {
        (void)raise_name_taken(name);
    } else if (handle == NULL) {
        (void)raise_error_of(function, code, name, NULL);
    }
    return handle;
}

static PyObject *
adapter_create(PyObject *type, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"name", "tunnel_type", "guid", "attempts", NULL};
    PyObject *values[4];
    WCHAR name[WINTUN_MAX_ADAPTER_NAME];
    WCHAR tunnel_type[WINTUN_MAX_ADAPTER_NAME];
    GUID guid;
    const GUID *requested;
    DWORD attempts = 1;
    if (!convert_arguments("create", names, 2, args, count, keywords, values) ||
        !convert_new_name(values[0], name) ||
        !convert_name(values[1], "tunnel_type", tunnel_type) ||
        !convert_guid(values[2], &guid, &requested) ||
        (values[3] != NULL &&
         !convert_integer(values[3], "attempts", 1, MAX_ATTEMPTS, &attempts))) {
        return NULL;
    }
    library *used = require_library();
    if (used == NULL) {
        return NULL;
    }
    WINTUN_ADAPTER_HANDLE handle =
        create_handle(used, values[0], name, tunnel_type, requested, attempts);
    if (handle == NULL) {
        return NULL;
    }
    return adapter_new((PyTypeObject *)type, values[0], used, handle);
}

static PyObject *
adapter_open(PyObject *type, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"name", NULL};
    PyObject *values[1];
    WCHAR name[WINTUN_MAX_ADAPTER_NAME];
    WINTUN_ADAPTER_HANDLE handle;
    DWORD code;
    if (!convert_arguments("open", names, 1, args, count, keywords, values) ||
        !convert_name(values[0], "name", name)) {
        return NULL;
    }
    library *used = require_library();
    if (used == NULL) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    handle = used->wintun.OpenAdapter(name);
    code = used->last_error();
    Py_END_ALLOW_THREADS
    if (handle == NULL) {
        return raise_error_of("WintunOpenAdapter", code, values[0], NULL);
    }
    return adapter_new((PyTypeObject *)type, values[0], used, handle);
}

static PyObject *
adapter_close_method(PyObject *object, PyObject *ignored)
{
    shared_adapter *shared = adapter_shared(object);
    (void)ignored;
    Py_BEGIN_ALLOW_THREADS
    adapter_close(shared);
    Py_END_ALLOW_THREADS
    Py_INCREF(Py_None);
    return logger_return(Py_None);
}

static void
adapter_dealloc(PyObject *object)
{
    adapter_object *self = (adapter_object *)object;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (self->weak_references != NULL) {
        PyObject_ClearWeakRefs(object);
    }
    if (self->shared != NULL) {
        if (adapter_is_open(self->shared) &&
            PyErr_WarnFormat(PyExc_ResourceWarning, 1, "unclosed Wintun adapter %R", self->name) !=
                0) {
            PyErr_WriteUnraisable(NULL);
        }
        Py_BEGIN_ALLOW_THREADS
        adapter_close(self->shared);
        adapter_unreference(self->shared);
        Py_END_ALLOW_THREADS
    }
    Py_XDECREF(self->name);
    PyErr_Restore(type, value, traceback);
    free_object(object);
}

static PyObject *
adapter_enter_method(PyObject *object, PyObject *ignored)
{
    adapter_object *self = (adapter_object *)object;
    (void)ignored;
    if (!adapter_is_open(self->shared)) {
        return raise_closed(self->state, "adapter");
    }
    Py_INCREF(object);
    return object;
}

/* --- Sessions --------------------------------------------------------------------------------- */

static bool
is_removed(shared_adapter *shared)
{
    bool removed = false;
    if (adapter_enter(shared)) {
        removed = adapter_is_removed(shared);
        adapter_leave(shared);
    }
    return removed;
}

static PyObject *
adapter_start_session(PyObject *object, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"capacity", NULL};
    adapter_object *self = (adapter_object *)object;
    PyObject *values[1];
    DWORD capacity = DEFAULT_CAPACITY;
    shared_session *session = NULL;
    const char *function = NULL;
    outcome result;
    DWORD code = 0;
    bool removed;
    if (!convert_arguments("start_session", names, 0, args, count, keywords, values) ||
        (values[0] != NULL && !convert_capacity(values[0], &capacity))) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    result = session_start(self->shared, capacity, &session, &code, &function);
    removed =
        result == OUTCOME_FAILED && (code_is_removal(function, code) || is_removed(self->shared));
    Py_END_ALLOW_THREADS
    if (result == OUTCOME_CLOSED) {
        return raise_closed(self->state, "adapter");
    }
    if (result == OUTCOME_NO_MEMORY) {
        return PyErr_NoMemory();
    }
    if (result != OUTCOME_DONE) {
        return removed ? raise_removed(self->state, function, code, self->name)
                       : raise_error_of(function, code, self->name, NULL);
    }
    return logger_return(session_new(self->state, object, session, capacity));
}

/* --- Properties ------------------------------------------------------------------------------- */

static PyObject *
adapter_repr(PyObject *object)
{
    adapter_object *self = (adapter_object *)object;
    return PyUnicode_FromFormat("<wintun.Adapter %R %s>", self->name,
                                adapter_is_open(self->shared) ? "open" : "closed");
}

static PyObject *
adapter_get_luid(PyObject *object, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(adapter_shared(object)->luid.Value);
}

static PyObject *
adapter_get_removed(PyObject *object, void *closure)
{
    bool removed;
    (void)closure;
    Py_BEGIN_ALLOW_THREADS
    removed = is_removed(adapter_shared(object));
    Py_END_ALLOW_THREADS
    return PyBool_FromLong(removed);
}

static PyObject *
adapter_get_closed(PyObject *object, void *closure)
{
    (void)closure;
    return PyBool_FromLong(!adapter_is_open(adapter_shared(object)));
}

/* --- The type --------------------------------------------------------------------------------- */

#define CLASS_METHOD(name, function, documentation)                                                \
    {                                                                                              \
        name, (PyCFunction)(void (*)(void))(function), METH_FASTCALL | METH_KEYWORDS | METH_CLASS, \
            documentation                                                                          \
    }

static PyMethodDef adapter_methods[] = {
    CLASS_METHOD(
        "create", adapter_create,
        "create($type, name, tunnel_type, guid=None, attempts=1)\n--\n\n"
        "Creates an adapter; it is removed when it is closed.\n\n"
        "name: str of 1 to 127 UTF-16 code units, without the characters that Windows\n"
        "refuses: \\ / : * ? \" < > | and control characters. tunnel_type: str of 1 to 127\n"
        "UTF-16 code units. guid: 16 bytes as in uuid.UUID.bytes_le, or None for a random\n"
        "one. attempts: 1 to 100; how often creation is tried where Windows does not start\n"
        "the adapter (183, 2, 31, 258, 4319; 15 s each), or still removes one of this GUID.\n"
        "A name that a network connection of the system has already, whosever it is and\n"
        "in any case of its letters, is refused before the driver sees it: the driver\n"
        "would rename that connection. Who takes the name between the look and the\n"
        "creation is renamed nevertheless.\n"
        "Raises PermissionError without Administrator rights, FileExistsError (183) when\n"
        "the name or the GUID is taken, OSError, TypeError, ValueError."),
    CLASS_METHOD("open", adapter_open,
                 "open($type, name)\n--\n\n"
                 "Opens an adapter that exists; closing it does not remove it.\n\n"
                 "The case of letters does not matter to Windows.\n"
                 "Raises FileNotFoundError when there is none of that name, PermissionError,\n"
                 "OSError, TypeError, ValueError."),
    FAST_METHOD("start_session", adapter_start_session,
                "start_session($self, capacity=0x400000)\n--\n\n"
                "Starts the adapter's session; it has one at a time.\n\n"
                "capacity: bytes of each of the two rings, a power of two from 0x20000 (128 KiB)\n"
                "to 0x4000000 (64 MiB).\n"
                "Raises OSError with winerror 1247 while another session is not over (its last\n"
                "packet not released), ClosedError, TypeError, ValueError."),
    {"close", adapter_close_method, METH_NOARGS,
     "close($self, /)\n--\n\n"
     "Closes the adapter, and its session; one that was created is removed from the system.\n\n"
     "Any thread, any number of times. With packets held, the system keeps the adapter until the\n"
     "last one is released."},
    FAST_METHOD(
        "get_mtu", adapter_get_mtu,
        "get_mtu($self, family)\n--\n\nThe MTU of family 4 (IPv4) or 6 (IPv6), in bytes.\n\n"
        "Waits up to 5 seconds for the interface of that family to appear; half a second\n"
        "where another adapter of the process lacked it to the end. Raises\n"
        "FileNotFoundError if it does not, ClosedError, OSError."),
    FAST_METHOD(
        "set_mtu", adapter_set_mtu,
        "set_mtu($self, family, mtu)\n--\n\nSets the MTU of family 4 (IPv4: 68 to 65535 bytes)\n"
        "or 6 (IPv6: 1280 to 65535). Waits and raises as get_mtu() does."),
    FAST_METHOD("wait_family", adapter_wait_family,
                "wait_family($self, family, timeout)\n--\n\n"
                "Waits up to timeout seconds for the adapter's interface of family 4 (IPv4) or\n"
                "6 (IPv6) to appear. Returns whether it is there; after False, the calls that\n"
                "need it do not wait for it themselves. Raises ClosedError, OSError."),
    FAST_METHOD(
        "_has_family", adapter_has_family,
        "_has_family($self, family, timeout)\n--\n\n"
        "As wait_family(), but waits at most as long as the calls that need the interface\n"
        "would: 5 seconds, once an adapter; half a second while the process knows that the\n"
        "last adapter that was waited for lacked the family to the end."),
    FAST_METHOD("get_addresses", adapter_get_addresses,
                "get_addresses($self, family=0)\n--\n\n"
                "The unicast addresses of family 4 (IPv4), 6 (IPv6) or 0 (both) as a list of\n"
                "(packed address, prefix length, whether the system configured it by itself)."),
    FAST_METHOD("add_address", adapter_add_address,
                "add_address($self, address, prefix_length)\n--\n\n"
                "Adds a unicast address: 4 or 16 packed bytes. One that is there already gets the\n"
                "prefix length. Waits and raises as get_mtu() does."),
    FAST_METHOD("remove_address", adapter_remove_address,
                "remove_address($self, address)\n--\n\n"
                "Removes a unicast address: 4 or 16 packed bytes. Raises FileNotFoundError if the\n"
                "adapter does not have it."),
    {"__enter__", adapter_enter_method, METH_NOARGS, NULL},
    {"__exit__", adapter_close_method, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef adapter_properties[] = {
    {"name", adapter_get_name, NULL, "The adapter's name, as the system has it now.", NULL},
    {"luid", adapter_get_luid, NULL, "Its locally unique identifier, NET_LUID.Value.", NULL},
    {"index", adapter_get_index, NULL, "Its interface index. Raises OSError, ClosedError.", NULL},
    {"guid", adapter_get_guid, NULL,
     "Its GUID: 16 bytes as in uuid.UUID.bytes_le. Raises OSError, ClosedError.", NULL},
    {"closed", adapter_get_closed, NULL,
     "Whether it cannot be used: close() was called, or it belongs to the process before a fork.",
     NULL},
    {"removed", adapter_get_removed, NULL,
     "Whether the system knows the adapter no more, though it was not closed here: it was removed\n"
     "by hand, over a sleep of the machine, or by the process that had created it.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef adapter_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(adapter_object, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot adapter_slots[] = {
    {Py_tp_doc, (void *)"One network adapter; made by Adapter.create() or Adapter.open().\n\n"
                        "Every method may be called from any thread at any time."},
    {Py_tp_new, SLOT(refuse_new)},
    {Py_tp_dealloc, SLOT(adapter_dealloc)},
    {Py_tp_repr, SLOT(adapter_repr)},
    {Py_tp_methods, adapter_methods},
    {Py_tp_getset, adapter_properties},
    {Py_tp_members, adapter_members},
    {0, NULL},
};

PyType_Spec adapter_spec = {"wintun.Adapter", sizeof(adapter_object), 0, TYPE_FLAGS, adapter_slots};
