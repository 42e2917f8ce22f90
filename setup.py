"""Builds the two shared libraries of the package; everything else is in pyproject.toml.

The only place that names C sources and compiler flags. Variables of the environment:

WINTUN_ABI3=0
    Build for the running Python alone where the stable ABI (one binary for CPython 3.11 and
    later) is the default.
WINTUN_SANITIZE=address,undefined | thread
    Build both libraries with these sanitizers (GCC or Clang).
WINTUN_BUNDLE=FOLDER
    Put FOLDER/<architecture>/wintun.dll, its licence and its SHA-256 into a Windows build.
WINTUN_CROSS_PYTHON=FOLDER
    Cross-build for the Windows CPython unpacked in FOLDER (include and libs are used), with the
    compiler in CC, by default mingw-w64's for the target.
WINTUN_CROSS_TARGET=win-amd64 | win32
    What that CPython runs on, as sysconfig spells it: win-amd64 by default.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import sysconfig
from glob import glob
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

EXTENSION = "wintun._wintun"
SIMULATOR = "wintun.libwintunsim"
STABLE_ABI = (3, 11)

CROSS_PYTHON = os.environ.get("WINTUN_CROSS_PYTHON", "")
BUNDLE = os.environ.get("WINTUN_BUNDLE", "")
SANITIZE = os.environ.get("WINTUN_SANITIZE", "")

CROSS_COMPILERS = {"win-amd64": "x86_64-w64-mingw32-gcc", "win32": "i686-w64-mingw32-gcc"}
CROSS_TARGET = os.environ.get("WINTUN_CROSS_TARGET", "win-amd64")

# The system and architecture that the build is for, as sysconfig spells it.
TARGET = CROSS_TARGET if CROSS_PYTHON else sysconfig.get_platform()
WINDOWS = TARGET.startswith("win")
BUNDLE_ARCHITECTURES = {"win-amd64": "amd64", "win-arm64": "arm64", "win32": "x86"}

# Of src/, a file of another room is included with the room's name before its own.
INCLUDE_DIRS = ["include", "src"]
MACROS: list[tuple[str, str | None]] = [("_WIN32_WINNT", "0x0602")] if WINDOWS else []


def own(folder: str, windows: bool) -> list[str]:
    """Returns the C files of a folder without those that are for the other system."""
    other = "posix.c" if windows else "windows.c"
    return sorted(path for path in glob(f"{folder}/*.c") if not path.endswith(other))


def extension_sources(windows: bool = WINDOWS) -> list[str]:
    rooms = ("src", "src/objects", "src/core", "src/offload", "src/platform")
    return [path for room in rooms for path in own(room, windows)]


def simulator_sources(windows: bool = WINDOWS) -> list[str]:
    return [*own("src/simulator", windows), *own("src/platform", windows)]


def simulator_exports() -> list[str]:
    """Returns the names that the simulator exports, out of the headers that declare them."""
    listed = re.compile(r"^ +X\([^,(]+, (\w+),", re.MULTILINE)
    wintun = listed.findall(Path("include/wintun.h").read_text())
    ip_helper = listed.findall(Path("include/ip_helper.h").read_text())
    control = re.findall(r"\bWINAPI (\w+)\(", Path("src/simulator/control.h").read_text())
    return [*(f"Wintun{name}" for name in wintun), *ip_helper, *control]


def write_definition(folder: str) -> str:
    """Writes what a Windows linker takes for the list of exports, and returns its path.

    Named so, functions of 32-bit Windows are exported without the decoration of their calling
    convention, as the official library's are.
    """
    path = Path(folder, "wintunsim.def")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["EXPORTS", *simulator_exports(), ""]))
    return str(path)


def python_version() -> tuple[int, int]:
    """Returns the version of the Python that the build is for."""
    if not CROSS_PYTHON:
        return sys.version_info[:2]
    header = Path(CROSS_PYTHON, "include", "patchlevel.h").read_text()
    found = dict(re.findall(r"#define (PY_M\w+_VERSION)\s+(\d+)", header))
    return int(found["PY_MAJOR_VERSION"]), int(found["PY_MINOR_VERSION"])


def stable_abi() -> bool:
    """Whether the extension is built for every later version of CPython, too."""
    if os.environ.get("WINTUN_ABI3") == "0" or python_version() < STABLE_ABI:
        return False
    if CROSS_PYTHON:
        return True
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    return sys.implementation.name == "cpython" and not free_threaded


def wheel_platform() -> str:
    """Returns what a cross-build is for, as the names of wheels and extensions spell it."""
    return TARGET.replace("-", "_")


def build_base() -> str:
    """Returns a folder for this kind of build alone, so that no other's objects get into it."""
    abi = "abi3" if stable_abi() else "cp{}{}".format(*python_version())
    return "-".join(filter(None, ["build/" + TARGET, abi, SANITIZE.replace(",", "-")]))


def extension_macros() -> list[tuple[str, str | None]]:
    major, minor = STABLE_ABI
    return MACROS + ([("Py_LIMITED_API", f"0x{major:02x}{minor:02x}0000")] if stable_abi() else [])


class BuildLibraries(build_ext):
    """Builds with the flags of the compiler at hand; names the simulator as a plain library."""

    def build_extensions(self) -> None:
        if CROSS_PYTHON:
            self.use_cross_compiler()
        msvc = self.compiler.compiler_type == "msvc"
        if not msvc:
            # Some Pythons hand on the folder of their own libraries, which neither of ours needs.
            linker = self.compiler.linker_so
            self.compiler.linker_so = [a for a in linker if not a.startswith("-Wl,-rpath")]
        for extension in self.extensions:
            extension.extra_compile_args += ["/std:c11"] if msvc else unix_compile_args()
            extension.extra_link_args += [] if msvc else unix_link_args()
            if extension.name == SIMULATOR and WINDOWS:
                definition = write_definition(self.build_temp)
                extension.extra_link_args.append(f"/DEF:{definition}" if msvc else definition)
        super().build_extensions()

    def use_cross_compiler(self) -> None:
        """Forgets the flags of the Python that runs: they are another system's."""
        compiler = os.environ.get("CC", CROSS_COMPILERS[TARGET])
        self.compiler.set_executables(
            compiler=compiler, compiler_so=compiler, linker_so=f"{compiler} -shared"
        )
        self.compiler.set_include_dirs([f"{CROSS_PYTHON}/include"])
        self.compiler.set_library_dirs([f"{CROSS_PYTHON}/libs"])

    def get_libraries(self, ext: Any) -> list[str]:
        if ext.name == SIMULATOR:
            return list(ext.libraries)
        if not CROSS_PYTHON:
            return list(super().get_libraries(ext))
        major, minor = python_version()
        return [*ext.libraries, "python3" if stable_abi() else f"python{major}{minor}"]

    def get_export_symbols(self, ext: Any) -> list[str]:
        return [] if ext.name == SIMULATOR else super().get_export_symbols(ext)

    def get_ext_filename(self, fullname: str) -> str:
        package, _, name = fullname.rpartition(".")
        if fullname == SIMULATOR or name == SIMULATOR.rpartition(".")[2]:
            return os.path.join(*package.split("."), "wintunsim.dll" if WINDOWS else f"{name}.so")
        if CROSS_PYTHON:
            major, minor = python_version()
            suffix = ".pyd" if stable_abi() else f".cp{major}{minor}-{wheel_platform()}.pyd"
            return os.path.join(*package.split("."), name + suffix)
        if stable_abi() and not WINDOWS:
            # CPython 3.15's own suffix also names the system, and no older CPython looks for it.
            return os.path.join(*package.split("."), f"{name}.abi3.so")
        return str(super().get_ext_filename(fullname))


def unix_compile_args() -> list[str]:
    arguments = ["-std=c11", "-fvisibility=hidden"]
    if SANITIZE:
        # The first report ends the process, so that no test can pass over it.
        return [*arguments, "-g", "-O1", "-fno-omit-frame-pointer", *sanitize_args()]
    # Without debug information no path of the machine that builds gets into the binary.
    return [*arguments, "-O2", "-g0"] if CROSS_PYTHON else [*arguments, "-g0"]


def unix_link_args() -> list[str]:
    if CROSS_PYTHON:
        return ["-s", "-static-libgcc", "-Wl,--no-insert-timestamp"]
    return sanitize_args() if SANITIZE else []


def sanitize_args() -> list[str]:
    return [f"-fsanitize={SANITIZE}", "-fno-sanitize-recover=all"]


class BuildPackage(build_py):
    """Adds the official driver library to a Windows build that asks for it."""

    def run(self) -> None:
        super().run()
        if BUNDLE and WINDOWS and not self.editable_mode:
            self.copy_bundle(Path(BUNDLE, BUNDLE_ARCHITECTURES[TARGET]))

    def copy_bundle(self, source: Path) -> None:
        target = Path(self.build_lib, "wintun")
        library = source / "wintun.dll"
        digest = hashlib.sha256(library.read_bytes()).hexdigest()
        shutil.copyfile(library, target / "wintun.dll")
        shutil.copyfile(source / "LICENSE.txt", target / "wintun.dll.LICENSE.txt")
        Path(target, "wintun.dll.sha256").write_text(f"{digest}  wintun.dll\n", newline="\n")


class Wheel(bdist_wheel):
    """Tags a cross-built wheel for the Python and system that it is for."""

    def get_tag(self) -> tuple[str, str, str]:
        if not CROSS_PYTHON:
            return super().get_tag()
        major, minor = python_version()
        python = f"cp{major}{minor}"
        return python, "abi3" if stable_abi() else python, wheel_platform()


HEADERS = sorted(glob("include/*.h") + glob("src/**/*.h", recursive=True))

if __name__ == "__main__":
    setup(
        ext_modules=[
            Extension(
                EXTENSION,
                extension_sources(),
                include_dirs=INCLUDE_DIRS,
                define_macros=extension_macros(),
                libraries=[] if WINDOWS else ["pthread", "dl"],
                py_limited_api=stable_abi(),
                depends=HEADERS,
            ),
            Extension(
                SIMULATOR,
                simulator_sources(),
                include_dirs=INCLUDE_DIRS,
                define_macros=MACROS,
                libraries=["ws2_32"] if WINDOWS else ["pthread", "dl"],
                depends=HEADERS,
            ),
        ],
        cmdclass={"build_ext": BuildLibraries, "build_py": BuildPackage, "bdist_wheel": Wheel},
        options={
            "build": {"build_base": build_base()},
            "build_ext": {"parallel": "2"},  # the two libraries beside each other
            "bdist_wheel": {"py_limited_api": "cp311"} if stable_abi() else {},
        },
    )
