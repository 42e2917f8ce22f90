"""Sessions on a build with sanitizers of GCC."""

from __future__ import annotations

import nox

from tools.sessions.setting_up import ROOT, install, output

# TSan knows no layout of the address space with much randomness.
WITHOUT_RANDOM_LAYOUT = ["setarch", "-R"]


def install_sanitized(session: nox.Session, sanitizer: str) -> None:
    kinds = "thread" if sanitizer == "thread" else "address,undefined"
    install(session, WINTUN_SANITIZE=kinds, WINTUN_ABI3="0")


def sanitizer_environment(sanitizer: str) -> dict[str, str]:
    library = "libtsan.so" if sanitizer == "thread" else "libasan.so"
    return {
        # The sanitizer's library has to come before everything that an uninstrumented Python loads.
        "LD_PRELOAD": output("gcc", f"-print-file-name={library}"),
        # Every object of Python is then memory of its own that ASan watches.
        "PYTHONMALLOC": "malloc",
        # What Python itself keeps until the process ends would drown a leak of ours; leaks are
        # looked for by the suite, which counts the simulator's objects after each test.
        "ASAN_OPTIONS": "detect_leaks=0:strict_string_checks=1:detect_stack_use_after_return=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        "TSAN_OPTIONS": f"halt_on_error=1:suppressions={ROOT}/tools/tsan.supp",
    }
