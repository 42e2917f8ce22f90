/* SPDX-License-Identifier: MIT
 *
 * Python's headers, and what every C file of ours needs beside them.
 */
#ifndef OBJECTS_PYTHON_H
#define OBJECTS_PYTHON_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stdbool.h>

typedef PyObject *const *arguments;

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

/* Guards an object's fields where there is no GIL to do it. */
#ifdef Py_GIL_DISABLED
#define BEGIN_OBJECT_LOCK(object) Py_BEGIN_CRITICAL_SECTION(object)
#define END_OBJECT_LOCK() Py_END_CRITICAL_SECTION()
#else
#define BEGIN_OBJECT_LOCK(object) {
#define END_OBJECT_LOCK() }
#endif

#endif
