/* SPDX-License-Identifier: MIT
 *
 * Memory that Python code may look into through buffers, and that is given back once.
 */
#include "exports.h"

#include "errors.h"

int
exports_end(memory_exports *exports, const char *what)
{
    uint32_t count = 0;
    if (atom_u32_cas(&exports->count, &count, EXPORTS_ENDED)) {
        return 1;
    }
    if (count == EXPORTS_ENDED) {
        return 0;
    }
    PyErr_Format(PyExc_BufferError,
                 "the %s's memory is in use by %lu memoryview or other buffer: release it first",
                 what, (unsigned long)count);
    return -1;
}

int
exports_get_buffer(memory_exports *exports, module_state *state, const char *what, PyObject *owner,
                   BYTE *memory, DWORD size, Py_buffer *view, int flags)
{
    uint32_t count = atom_u32_load(&exports->count);
    do {
        if (count == EXPORTS_ENDED) {
            view->obj = NULL;
            (void)raise_closed(state, what);
            return -1;
        }
    } while (!atom_u32_cas(&exports->count, &count, count + 1));
    if (PyBuffer_FillInfo(view, owner, memory, (Py_ssize_t)size, 0, flags) != 0) {
        exports_release_buffer(exports);
        return -1;
    }
    return 0;
}
