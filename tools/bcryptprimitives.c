/* SPDX-License-Identifier: MIT
 *
 * The one function of Windows' bcryptprimitives.dll that programs written in Rust import, such as
 * the libraries of pymobiledevice3: Wine 8 has no such DLL. Built when it is needed, and laid
 * beside python.exe.
 */
#include <windows.h>

#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T size);

BOOL WINAPI
ProcessPrng(PBYTE buffer, SIZE_T size)
{
    while (size > 0) {
        ULONG part = size < 0x10000000 ? (ULONG)size : 0x10000000;
        if (!RtlGenRandom(buffer, part)) {
            return FALSE;
        }
        buffer += part;
        size -= part;
    }
    return TRUE;
}
