/* SPDX-License-Identifier: MIT
 *
 * From Python's arguments to C values, and text back. Whatever is wrong becomes a TypeError or
 * ValueError that names the value and what was expected.
 */
#ifndef CONVERT_H
#define CONVERT_H

#include "module.h"

/* Sorts positional and keyword arguments into values[] by the NULL-terminated list of names;
 * optional ones that were not given are NULL. */
bool convert_arguments(const char *function, const char *const *names, Py_ssize_t required,
                       arguments args, Py_ssize_t count, PyObject *keywords, PyObject **values);

/* An int between minimum and maximum. */
bool convert_integer(PyObject *value, const char *what, unsigned long minimum,
                     unsigned long maximum, DWORD *result);

/* Whether a format of the struct module means integers in this machine's byte order; 32 bits is
 * what their size says. */
bool is_native_integer(const char *format);

/* The data of a packet that is a bytes object, as most are; the buffer protocol would cost as much
 * as the ring. NULL, without an exception, for anything else and for more than 65535 bytes. */
static inline char *
convert_bytes(PyObject *packet, Py_ssize_t *size)
{
    if (!PyBytes_CheckExact(packet) || Py_SIZE(packet) > WINTUN_MAX_IP_PACKET_SIZE) {
        return NULL;
    }
    *size = Py_SIZE(packet);
    return PyBytes_AsString(packet);
}

/* A contiguous buffer of at most 65535 bytes, to be given back by PyBuffer_Release; the caller
 * keeps a reference to the object until then. */
bool convert_packet(PyObject *packet, Py_buffer *view);

/* For a session that takes IP alone: false with an exception set if packet index, counted from 0,
 * is none. */
bool check_ip_packet(Py_ssize_t index, const void *packet, DWORD size);

/* A ring capacity: a power of two in Wintun's limits. */
bool convert_capacity(PyObject *value, DWORD *capacity);

/* Seconds (int or float, not negative) or None, to an absolute deadline on platform_clock_ns: 0 for
 * no wait at all, NO_DEADLINE for None. NULL means the default, which is given in seconds. */
bool convert_timeout(PyObject *value, int64_t *deadline_ns);

/* A str of 1 to WINTUN_MAX_ADAPTER_NAME - 1 UTF-16 code units without a zero. */
bool convert_name(PyObject *value, const char *what, WCHAR name[WINTUN_MAX_ADAPTER_NAME]);

/* The same for the name of an adapter to be made, without the characters that Windows refuses in
 * names of network connections. */
bool convert_new_name(PyObject *value, WCHAR name[WINTUN_MAX_ADAPTER_NAME]);

/* None or 16 bytes in the memory layout of a GUID (uuid.UUID.bytes_le). */
bool convert_guid(PyObject *value, GUID *guid, const GUID **result);

/* The version of IP, 4 or 6, to Windows' number of its family: IP_HELPER_IPV4 or IP_HELPER_IPV6.
 * The numbers of the socket module are refused, for they differ between systems. */
bool convert_family(PyObject *value, ADDRESS_FAMILY *family);

/* A str of zero-terminated UTF-16 of at most limit code units; what is not valid is replaced, and
 * NULL is an empty one. */
PyObject *string_from_utf16(const WCHAR *text, size_t limit);

#endif
