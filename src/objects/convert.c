/* SPDX-License-Identifier: MIT
 *
 * From Python's arguments to C values, and text back.
 */
#include "convert.h"

#include "core/packet.h"
#include "core/wait.h"

#include <math.h>
#include <string.h>

#define NS_PER_S 1e9

/* Longer than any machine runs, and far from overflowing the clock: 100 years. */
#define LONGEST_TIMEOUT_S 3.2e9

static Py_ssize_t
find_name(const char *const *names, PyObject *name)
{
    for (Py_ssize_t i = 0; names[i] != NULL; i++) {
        if (PyUnicode_CompareWithASCIIString(name, names[i]) == 0) {
            return i;
        }
    }
    return -1;
}

static bool
convert_keywords(const char *function, const char *const *names, arguments args, Py_ssize_t count,
                 PyObject *keywords, PyObject **values)
{
    Py_ssize_t keyword_count = keywords != NULL ? PyTuple_Size(keywords) : 0;
    for (Py_ssize_t i = 0; i < keyword_count; i++) {
        PyObject *name = PyTuple_GetItem(keywords, i);
        Py_ssize_t position = find_name(names, name);
        if (position < 0) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument %R", function,
                         name);
            return false;
        }
        if (values[position] != NULL) {
            PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument %R", function,
                         name);
            return false;
        }
        values[position] = args[count + i];
    }
    return true;
}

bool
convert_arguments(const char *function, const char *const *names, Py_ssize_t required,
                  arguments args, Py_ssize_t count, PyObject *keywords, PyObject **values)
{
    Py_ssize_t most = 0;
    while (names[most] != NULL) {
        values[most] = NULL;
        most++;
    }
    if (count > most) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %zd arguments (%zd given)", function,
                     most, count);
        return false;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        values[i] = args[i];
    }
    if (keywords != NULL && !convert_keywords(function, names, args, count, keywords, values)) {
        return false;
    }
    for (Py_ssize_t i = 0; i < required; i++) {
        if (values[i] == NULL) {
            PyErr_Format(PyExc_TypeError, "%s() missing required argument '%s'", function,
                         names[i]);
            return false;
        }
    }
    return true;
}

bool
convert_integer(PyObject *value, const char *what, unsigned long minimum, unsigned long maximum,
                DWORD *result)
{
    if (PyBool_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s must be an int, not %R", what, value);
        return false;
    }
    bool exact = PyLong_CheckExact(value);
    PyObject *integer = exact ? value : PyNumber_Index(value);
    if (integer == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError, "%s must be an int, not %R", what, value);
        }
        return false;
    }
    int overflow = 0;
    long long number = PyLong_AsLongLongAndOverflow(integer, &overflow);
    if (!exact) {
        Py_DECREF(integer);
    }
    if (number == -1 && overflow == 0 && PyErr_Occurred()) {
        return false;
    }
    if (overflow != 0 || number < (long long)minimum || number > (long long)maximum) {
        PyErr_Format(PyExc_ValueError, "%s must be from %lu to %lu, not %R", what, minimum, maximum,
                     value);
        return false;
    }
    *result = (DWORD)number;
    return true;
}

bool
is_native_integer(const char *format)
{
    if (format == NULL) {
        return false; /* bytes */
    }
    if (*format == '@' || *format == '=' || *format == (PY_BIG_ENDIAN ? '>' : '<')) {
        format++;
    }
    return *format != '\0' && strchr("IiLl", *format) != NULL && format[1] == '\0';
}

bool
convert_packet(PyObject *packet, Py_buffer *view)
{
    view->obj = NULL;
    view->buf = convert_bytes(packet, &view->len);
    if (view->buf != NULL) {
        return true;
    }
    if (PyObject_GetBuffer(packet, view, PyBUF_SIMPLE) != 0) {
        return false;
    }
    if (view->len > WINTUN_MAX_IP_PACKET_SIZE) {
        PyErr_Format(PyExc_ValueError, "a packet must have at most %d bytes, not %zd",
                     WINTUN_MAX_IP_PACKET_SIZE, view->len);
        PyBuffer_Release(view);
        return false;
    }
    return true;
}

bool
check_ip_packet(Py_ssize_t index, const void *packet, DWORD size)
{
    if (is_ip_packet(packet, size)) {
        return true;
    }
    if (size == 0) {
        PyErr_Format(PyExc_ValueError, "packet %zd must be IPv4 or IPv6 (ip_only), not empty",
                     index);
    } else {
        PyErr_Format(PyExc_ValueError,
                     "packet %zd must be IPv4 of at least 20 bytes or IPv6 of at least 40 "
                     "(ip_only), not %lu bytes that begin with 0x%02x",
                     index, (unsigned long)size, (unsigned)*(const BYTE *)packet);
    }
    return false;
}

bool
convert_capacity(PyObject *value, DWORD *capacity)
{
    if (!convert_integer(value, "capacity", WINTUN_MIN_RING_CAPACITY, WINTUN_MAX_RING_CAPACITY,
                         capacity)) {
        return false;
    }
    if ((*capacity & (*capacity - 1)) != 0) {
        PyErr_Format(PyExc_ValueError, "capacity must be a power of two from 0x%x to 0x%x, not %R",
                     WINTUN_MIN_RING_CAPACITY, WINTUN_MAX_RING_CAPACITY, value);
        return false;
    }
    return true;
}

bool
convert_timeout(PyObject *value, int64_t *deadline_ns)
{
    if (value == NULL) {
        *deadline_ns = 0;
        return true;
    }
    if (value == Py_None) {
        *deadline_ns = NO_DEADLINE;
        return true;
    }
    double seconds = PyFloat_AsDouble(value);
    if (seconds == -1.0 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            seconds = HUGE_VAL; /* an int too large for a float */
            PyErr_Clear();
        } else {
            if (PyErr_ExceptionMatches(PyExc_TypeError)) {
                PyErr_Format(PyExc_TypeError, "timeout must be seconds or None, not %R", value);
            }
            return false;
        }
    }
    if (!(seconds >= 0.0)) { /* also refuses NaN */
        PyErr_Format(PyExc_ValueError, "timeout must be 0 or more seconds, or None, not %R", value);
        return false;
    }
    if (seconds == 0.0) {
        *deadline_ns = 0;
    } else if (seconds > LONGEST_TIMEOUT_S) {
        *deadline_ns = NO_DEADLINE;
    } else {
        *deadline_ns = platform_clock_ns() + (int64_t)(seconds * NS_PER_S);
    }
    return true;
}

bool
convert_name(PyObject *value, const char *what, WCHAR name[WINTUN_MAX_ADAPTER_NAME])
{
    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s must be a str, not %R", what, value);
        return false;
    }
    PyObject *encoded =
        PyUnicode_AsEncodedString(value, PY_BIG_ENDIAN ? "utf-16-be" : "utf-16-le", "strict");
    if (encoded == NULL) {
        return false; /* a lone surrogate: UnicodeEncodeError, which is a ValueError */
    }
    size_t size = (size_t)PyBytes_Size(encoded);
    size_t units = size / sizeof(WCHAR);
    bool valid = units >= 1 && units < WINTUN_MAX_ADAPTER_NAME;
    if (valid) {
        memcpy(name, PyBytes_AsString(encoded), size);
        name[units] = 0;
        for (size_t i = 0; i < units; i++) {
            valid = valid && name[i] != 0;
        }
    }
    Py_DECREF(encoded);
    if (!valid) {
        PyErr_Format(PyExc_ValueError,
                     "%s must have 1 to %d UTF-16 code units and no NUL character, not %R", what,
                     WINTUN_MAX_ADAPTER_NAME - 1, value);
    }
    return valid;
}

/* Whether Windows refuses a character in the name of a network connection: the dialog that renames
 * one names these, and the driver would make the adapter, wait for Windows' refusal, and remove it
 * again. */
static bool
is_refused(WCHAR unit)
{
    static const char refused[] = "\\/:*?\"<>|";
    bool control = unit < 0x20 || (unit >= 0x7F && unit < 0xA0);
    return control || (unit < 0x7F && strchr(refused, (char)unit) != NULL);
}

bool
convert_new_name(PyObject *value, WCHAR name[WINTUN_MAX_ADAPTER_NAME])
{
    if (!convert_name(value, "name", name)) {
        return false;
    }
    for (const WCHAR *unit = name; *unit != 0; unit++) {
        if (is_refused(*unit)) {
            PyObject *character = string_from_utf16(unit, 1);
            if (character != NULL) {
                PyErr_Format(PyExc_ValueError,
                             "name must not have the character %R, which Windows refuses in names "
                             "of network connections, as \\ / : * ? \" < > | and control "
                             "characters: %R",
                             character, value);
                Py_DECREF(character);
            }
            return false;
        }
    }
    return true;
}

bool
convert_guid(PyObject *value, GUID *guid, const GUID **result)
{
    *result = NULL;
    if (value == NULL || value == Py_None) {
        return true;
    }
    if (!PyBytes_Check(value)) {
        PyErr_Format(PyExc_TypeError, "guid must be bytes or None, not %R", value);
        return false;
    }
    if (PyBytes_Size(value) != (Py_ssize_t)sizeof(*guid)) {
        PyErr_Format(PyExc_ValueError, "guid must have 16 bytes, not %R", value);
        return false;
    }
    memcpy(guid, PyBytes_AsString(value), sizeof(*guid));
    *result = guid;
    return true;
}

bool
convert_family(PyObject *value, ADDRESS_FAMILY *family)
{
    DWORD number = 0;
    if (!convert_integer(value, "family", 4, 6, &number) &&
        !PyErr_ExceptionMatches(PyExc_ValueError)) {
        return false;
    }
    if (number != 4 && number != 6) {
        PyErr_Format(PyExc_ValueError, "family must be 4 (IPv4) or 6 (IPv6), not %R", value);
        return false;
    }
    *family = number == 4 ? IP_HELPER_IPV4 : IP_HELPER_IPV6;
    return true;
}

PyObject *
string_from_utf16(const WCHAR *text, size_t limit)
{
    int byte_order = PY_BIG_ENDIAN ? 1 : -1;
    size_t length = 0;
    if (text == NULL) {
        return PyUnicode_FromString("");
    }
    while (length < limit && text[length] != 0) {
        length++;
    }
    return PyUnicode_DecodeUTF16((const char *)text, (Py_ssize_t)(length * sizeof(WCHAR)),
                                 "replace", &byte_order);
}
