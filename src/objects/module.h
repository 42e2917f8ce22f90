/* SPDX-License-Identifier: MIT
 *
 * What the files of the extension module share: the module's state and its Python types.
 */
#ifndef MODULE_H
#define MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include "core/session.h"

typedef struct module_state {
    PyObject *adapter_type;
    PyObject *session_type;
    PyObject *packet_type;
    PyObject *packet_batch_type;
    PyObject *batch_item_type;
    PyObject *device_base_type;
    PyObject *ring_full_error;
    PyObject *adapter_terminating_error;
    PyObject *ring_corrupt_error;
    PyObject *closed_error;
    atom_u64 main_thread;    /* its ident (waiting.c), */
    atom_u32 main_thread_of; /* after this many forks, and 1; 0: not asked for yet */
} module_state;

/* A method that takes positional and keyword arguments by vectorcall. */
#define FAST_METHOD(name, function, documentation)                                                 \
    {                                                                                              \
        name, (PyCFunction)(void (*)(void))(function), METH_FASTCALL | METH_KEYWORDS,              \
            documentation                                                                          \
    }

/* A function in a slot of a type or module: ISO C has no cast from a function pointer to void *. */
#define SLOT(function) ((void *)(uintptr_t)(function))

/* Python code cannot change a type: what it finds in an object is then what we put there. CPython
 * 3.9 has no such types. */
#ifdef Py_TPFLAGS_IMMUTABLETYPE
#define TYPE_FLAGS (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE)
#else
#define TYPE_FLAGS Py_TPFLAGS_DEFAULT
#endif

typedef PyObject *const *arguments;

/* Guards an object's fields where there is no GIL to do it. */
#ifdef Py_GIL_DISABLED
#define BEGIN_OBJECT_LOCK(object) Py_BEGIN_CRITICAL_SECTION(object)
#define END_OBJECT_LOCK() Py_END_CRITICAL_SECTION()
#else
#define BEGIN_OBJECT_LOCK(object) {
#define END_OBJECT_LOCK() }
#endif

/* --- Types (each in the file of its name) ----------------------------------------------------- */

extern PyType_Spec adapter_spec;
extern PyType_Spec session_spec;
extern PyType_Spec packet_spec;
extern PyType_Spec packet_batch_spec;
extern PyType_Spec batch_item_spec;
extern PyType_Spec device_base_spec;

/* A Session for a reference to a shared_session, which it takes over also on failure. */
PyObject *session_new(module_state *state, PyObject *adapter, shared_session *session,
                      DWORD capacity);

typedef enum packet_kind {
    PACKET_RECEIVED, /* in the ring, to be released */
    PACKET_TO_SEND,  /* in the ring, to be sent */
    PACKET_COPY      /* received, in memory of its own */
} packet_kind;

typedef struct packet_memory {
    BYTE *memory;
    DWORD size;
    packet_kind kind;
} packet_memory;

/* Gives packets' memory back: to the ring by releasing it, by sending it, or zero-filled if it was
 * not to be sent; or frees the copy. Once a packet, without the GIL; of those in the ring, each
 * gives back a hold on the session. */
void packet_give_back(shared_session *session, const packet_memory *packets, size_t count,
                      bool send);

/* A Packet for memory that it takes over, also on failure, and with memory in the ring a hold on
 * the session. */
PyObject *packet_new(module_state *state, shared_session *session, BYTE *memory, DWORD size,
                     packet_kind kind);

/* A received Packet for a packet that is not in the ring any more. */
PyObject *packet_of_copy(module_state *state, shared_session *session, const BYTE *copy,
                         DWORD size);

/* A PacketBatch of what is in the ring, up to most (1 or more); empty if nothing is. */
PyObject *packet_batch_receive(module_state *state, shared_session *session, DWORD most);

/* A PacketBatch to send, of the sizes of an iterable; shorter if the ring got full. */
PyObject *packet_batch_allocate(module_state *state, shared_session *session, PyObject *sizes);

/* The methods of Session that TunDevice has as well. */
PyObject *session_read(PyObject *self, arguments args, Py_ssize_t count, PyObject *names);
PyObject *session_read_many(PyObject *self, arguments args, Py_ssize_t count, PyObject *names);
PyObject *session_write(PyObject *self, arguments args, Py_ssize_t count, PyObject *names);
PyObject *session_write_many(PyObject *self, arguments args, Py_ssize_t count, PyObject *names);
PyObject *session_wait_read_event(PyObject *self, arguments args, Py_ssize_t count,
                                  PyObject *names);
PyObject *session_receive_packet(PyObject *self, arguments args, Py_ssize_t count, PyObject *names);
PyObject *session_allocate_send_packet(PyObject *self, arguments args, Py_ssize_t count,
                                       PyObject *names);
PyObject *session_read_into(PyObject *self, arguments args, Py_ssize_t count, PyObject *names);
PyObject *session_read_packed(PyObject *self, arguments args, Py_ssize_t count, PyObject *names);
PyObject *session_write_packed(PyObject *self, arguments args, Py_ssize_t count, PyObject *names);
PyObject *session_receive_packets(PyObject *self, arguments args, Py_ssize_t count,
                                  PyObject *names);
PyObject *session_allocate_send_packets(PyObject *self, arguments args, Py_ssize_t count,
                                        PyObject *names);
/* The next packet, waited for; NULL without an exception when the session is closed. */
PyObject *session_next(PyObject *self);

extern const char session_read_doc[];
extern const char session_read_many_doc[];
extern const char session_write_doc[];
extern const char session_write_many_doc[];
extern const char session_read_into_doc[];
extern const char session_read_packed_doc[];
extern const char session_write_packed_doc[];
extern const char session_receive_packets_doc[];
extern const char session_allocate_send_packets_doc[];
extern const char session_wait_read_event_doc[];
extern const char session_receive_packet_doc[];
extern const char session_allocate_send_packet_doc[];

/* Adapter's methods and properties by the IP Helper functions (interface.c). */
PyObject *adapter_get_mtu(PyObject *self, arguments args, Py_ssize_t count, PyObject *names);
PyObject *adapter_set_mtu(PyObject *self, arguments args, Py_ssize_t count, PyObject *names);
PyObject *adapter_wait_family(PyObject *self, arguments args, Py_ssize_t count, PyObject *names);
PyObject *adapter_get_addresses(PyObject *self, arguments args, Py_ssize_t count, PyObject *names);
PyObject *adapter_add_address(PyObject *self, arguments args, Py_ssize_t count, PyObject *names);
PyObject *adapter_remove_address(PyObject *self, arguments args, Py_ssize_t count, PyObject *names);
PyObject *adapter_get_name(PyObject *self, void *closure);
PyObject *adapter_get_index(PyObject *self, void *closure);
PyObject *adapter_get_guid(PyObject *self, void *closure);

/* What interface.c needs of an Adapter object. */
shared_adapter *adapter_shared(PyObject *adapter);
PyObject *adapter_given_name(PyObject *adapter);
PyObject *adapter_raise_closed(PyObject *adapter);

/* The module's state for a type of the module or a subclass of one; NULL with an exception set. */
module_state *state_of_type(PyTypeObject *type);

/* Refuses instantiation from Python, with a text that says what to call instead. */
PyObject *refuse_new(PyTypeObject *type, PyObject *args, PyObject *keywords);

/* Gives an object of a heap type back. */
void free_object(PyObject *self);

/* --- The library ------------------------------------------------------------------------------ */

/* The current library; the package is asked to load the default if there is none yet. NULL with an
 * exception set on failure. */
library *require_library(void);

#endif
