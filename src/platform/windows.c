/* SPDX-License-Identifier: MIT
 *
 * The operating system seam on Windows.
 */
#include "platform.h"

#include <process.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS INT64_C(1000000)

/* --- Libraries -------------------------------------------------------------------------------- */

/* A path as Windows takes it, to be freed; NULL, with the thread's error set, on failure. */
static WCHAR *
wide_path(const char *path)
{
    int length = MultiByteToWideChar(CP_UTF8, 0, path, -1, NULL, 0);
    WCHAR *wide = length > 0 ? malloc((size_t)length * sizeof(WCHAR)) : NULL;
    if (wide != NULL && MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, length) != length) {
        free(wide);
        return NULL;
    }
    if (wide == NULL && length > 0) {
        SetLastError(ERROR_NOT_ENOUGH_MEMORY);
    }
    return wide;
}

void *
platform_library_open(const char *path, DWORD *code, char *text, size_t text_size)
{
    HMODULE library = NULL;
    WCHAR *wide = wide_path(path);
    if (wide != NULL) {
        /* The path is absolute; whatever the file itself imports comes from System32 alone. */
        library = LoadLibraryExW(wide, NULL, LOAD_LIBRARY_SEARCH_SYSTEM32);
    }
    if (library == NULL) {
        *code = GetLastError();
        platform_error_text(*code, text, text_size);
    }
    free(wide);
    return (void *)library;
}

bool
platform_file_hold(const char *path, HANDLE *file, DWORD *code)
{
    WCHAR *wide = wide_path(path);
    *file = INVALID_HANDLE_VALUE;
    if (wide != NULL) {
        *file = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING,
                            FILE_ATTRIBUTE_NORMAL, NULL);
    }
    *code = GetLastError();
    free(wide);
    return *file != INVALID_HANDLE_VALUE;
}

void
platform_library_close(void *library)
{
    (void)FreeLibrary((HMODULE)library);
}

/* ISO C has no cast between object and function pointers; Windows promises equal bytes. */
static void *
procedure(HMODULE library, const char *name)
{
    FARPROC function = GetProcAddress(library, name);
    void *symbol = NULL;
    memcpy(&symbol, &function, sizeof(symbol));
    return symbol;
}

void *
platform_library_symbol(void *library, const char *name)
{
    return procedure((HMODULE)library, name);
}

void *
platform_ip_helper_symbol(const char *name)
{
    /* Loaded once for the life of the process; a second load only counts. */
    HMODULE library = LoadLibraryExW(L"iphlpapi.dll", NULL, LOAD_LIBRARY_SEARCH_SYSTEM32);
    return library != NULL ? procedure(library, name) : NULL;
}

platform_last_error_function
platform_library_last_error(void *library)
{
    (void)library;
    return GetLastError;
}

void
platform_error_text(DWORD code, char *text, size_t text_size)
{
    WCHAR wide[512];
    /* The system has the texts of SetupAPI's codes under the HRESULTs that stand for them
     * (HRESULT_FROM_SETUPAPI of setupapi.h). */
    DWORD setup_api = APPLICATION_ERROR_MASK | ERROR_SEVERITY_ERROR;
    DWORD message = (code & setup_api) == setup_api ? 0x800F0000u | (code & 0xFFFFu) : code;
    DWORD length = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL,
                                  message, 0, wide, sizeof(wide) / sizeof(wide[0]), NULL);
    while (length > 0 && (wide[length - 1] <= L' ' || wide[length - 1] == L'.')) {
        length--;
    }
    int written = 0;
    if (length > 0 && text_size > 0) {
        written = WideCharToMultiByte(CP_UTF8, 0, wide, (int)length, text, (int)text_size - 1, NULL,
                                      NULL);
    }
    if (written > 0) {
        text[written] = '\0';
    } else {
        (void)snprintf(text, text_size, PLATFORM_UNKNOWN_ERROR(code), (unsigned long)code);
    }
}

DWORD
platform_thread_error(void)
{
    return GetLastError();
}

void
platform_set_thread_error(DWORD code)
{
    SetLastError(code);
}

/* --- Events ----------------------------------------------------------------------------------- */

bool
platform_event_create(platform_event *event, bool manual_reset)
{
    event->wait = CreateEventW(NULL, manual_reset ? TRUE : FALSE, FALSE, NULL);
    event->set = event->wait;
    return event->wait != NULL;
}

void
platform_event_set(const platform_event *event)
{
    (void)SetEvent(event->set);
}

void
platform_event_close(platform_event *event)
{
    (void)CloseHandle(event->wait);
}

bool
platform_handle_duplicate(HANDLE handle, HANDLE *duplicate)
{
    HANDLE process = GetCurrentProcess();
    return DuplicateHandle(process, handle, process, duplicate, 0, FALSE, DUPLICATE_SAME_ACCESS) !=
           FALSE;
}

void
platform_handle_close(HANDLE handle)
{
    (void)CloseHandle(handle);
}

int
platform_wait(HANDLE cancel, const HANDLE *events, unsigned count, int64_t timeout_ns)
{
    HANDLE handles[PLATFORM_MAX_EVENTS + 1];
    DWORD first = 0;
    if (count > PLATFORM_MAX_EVENTS) {
        return PLATFORM_WAIT_FAILED;
    }
    if (cancel != NULL) {
        handles[first++] = cancel; /* of several signaled handles the lowest index is reported */
    }
    for (unsigned i = 0; i < count; i++) {
        handles[first + i] = events[i];
    }
    DWORD timeout_ms = INFINITE;
    if (timeout_ns >= 0) {
        int64_t rounded = (timeout_ns + NS_PER_MS - 1) / NS_PER_MS;
        timeout_ms = rounded < (int64_t)INFINITE ? (DWORD)rounded : INFINITE - 1;
    }
    DWORD result = WaitForMultipleObjects(first + count, handles, FALSE, timeout_ms);
    if (result == WAIT_TIMEOUT) {
        return PLATFORM_WAIT_TIMEOUT;
    }
    if (result >= WAIT_OBJECT_0 + first + count) {
        return PLATFORM_WAIT_FAILED;
    }
    result -= WAIT_OBJECT_0;
    return result < first ? PLATFORM_WAIT_CANCELLED : (int)(result - first);
}

/* --- Memory ----------------------------------------------------------------------------------- */

/* Whole pages for so many bytes. */
static size_t
page_span(size_t size)
{
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return (size + info.dwPageSize - 1) / info.dwPageSize * info.dwPageSize;
}

void *
platform_guarded_alloc(size_t size)
{
    size_t guard = page_span(PLATFORM_GUARD_SIZE);
    size_t span = page_span(size);
    char *map = VirtualAlloc(NULL, guard + span + guard, MEM_RESERVE, PAGE_NOACCESS);
    if (map == NULL) {
        return NULL;
    }
    if (VirtualAlloc(map + guard, span, MEM_COMMIT, PAGE_READWRITE) == NULL) {
        (void)VirtualFree(map, 0, MEM_RELEASE);
        return NULL;
    }
    return map + guard + span - size;
}

void
platform_guarded_free(void *memory, size_t size)
{
    if (memory != NULL) {
        char *start = (char *)memory + size - page_span(size);
        (void)VirtualFree(start - page_span(PLATFORM_GUARD_SIZE), 0, MEM_RELEASE);
    }
}

/* --- Threads and time ------------------------------------------------------------------------- */

void
platform_mutex_init(platform_mutex *mutex)
{
    /* The spin count that Wintun's own rings use. */
    (void)InitializeCriticalSectionAndSpinCount(mutex, 0x10000);
}

void
platform_mutex_lock(platform_mutex *mutex)
{
    EnterCriticalSection(mutex);
}

bool
platform_mutex_try_lock(platform_mutex *mutex)
{
    return TryEnterCriticalSection(mutex) != FALSE;
}

void
platform_mutex_unlock(platform_mutex *mutex)
{
    LeaveCriticalSection(mutex);
}

void
platform_mutex_destroy(platform_mutex *mutex)
{
    DeleteCriticalSection(mutex);
}

bool
platform_slot_new(platform_slot *slot)
{
    *slot = TlsAlloc();
    return *slot != TLS_OUT_OF_INDEXES;
}

void *
platform_slot_get(const platform_slot *slot)
{
    return TlsGetValue(*slot);
}

void
platform_slot_set(const platform_slot *slot, void *value)
{
    (void)TlsSetValue(*slot, value);
}

struct thread_start {
    platform_thread_function function;
    void *argument;
};

static unsigned __stdcall run_thread(void *opaque)
{
    struct thread_start start = *(struct thread_start *)opaque;
    free(opaque);
    start.function(start.argument);
    return 0;
}

bool
platform_thread_start(platform_thread *thread, platform_thread_function function, void *argument)
{
    struct thread_start *start = malloc(sizeof(*start));
    if (start == NULL) {
        return false;
    }
    start->function = function;
    start->argument = argument;
    uintptr_t handle = _beginthreadex(NULL, 0, run_thread, start, 0, NULL);
    if (handle == 0) {
        free(start);
        return false;
    }
    *thread = (HANDLE)handle;
    return true;
}

void
platform_thread_join(platform_thread thread)
{
    (void)WaitForSingleObject(thread, INFINITE);
    (void)CloseHandle(thread);
}

void
platform_on_fork(void (*in_child)(void))
{
    (void)in_child; /* Windows has no fork */
}

void
platform_yield(void)
{
    (void)SwitchToThread();
}

void
platform_sleep_ns(int64_t duration_ns)
{
    Sleep((DWORD)((duration_ns + NS_PER_MS - 1) / NS_PER_MS));
}

int64_t
platform_clock_ns(void)
{
    LARGE_INTEGER frequency;
    LARGE_INTEGER now;
    (void)QueryPerformanceFrequency(&frequency);
    (void)QueryPerformanceCounter(&now);
    int64_t seconds = now.QuadPart / frequency.QuadPart;
    int64_t rest = now.QuadPart % frequency.QuadPart;
    return seconds * INT64_C(1000000000) + rest * INT64_C(1000000000) / frequency.QuadPart;
}

uint64_t
platform_filetime(void)
{
    FILETIME now;
    GetSystemTimeAsFileTime(&now);
    return ((uint64_t)now.dwHighDateTime << 32) | now.dwLowDateTime;
}
