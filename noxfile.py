"""What is checked before a change goes in: `python -m nox` runs all of it.

Each session sets itself up: Python packages in an environment of its own, and, as root on a system
with apt, the programs that it needs and does not find. What sessions are made of is in
tools/sessions/.

WINTUN_TEST_SCALE scales the heavy tests (1: all of it). Without it, they run whole under the
interpreter that runs nox and small under the others.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).parent))

from tools.sessions import building, checking, in_chroot, measuring
from tools.sessions.sanitized import (
    WITHOUT_RANDOM_LAYOUT,
    install_sanitized,
    sanitizer_environment,
)
from tools.sessions.setting_up import (
    OWN_VERSION,
    PARALLEL,
    VERSIONS,
    apt,
    copy_of_source,
    dependencies,
    install,
    interpreter,
    output,
    scale,
    scratch,
)
from tools.sessions.under_wine import (
    MINGW,
    OPTIONS,
    WINE,
    allocator,
    install_under_wine,
    windows_with_pymobiledevice3,
    wine_environment,
    wine_prefix,
)
from tools.sessions.without_gil import install_free_threaded, threads_without_gil

NATIVE = sorted({"3.12", OWN_VERSION} & {*VERSIONS})
SMALL = "0.02"

nox.needs_version = ">=2024.10.9"
# What takes less than 25 minutes; the workflow runs the other CPythons, too.
nox.options.sessions = [
    "lint",
    *(f"tests({version})" for version in NATIVE),
    "sanitizers",
    "wheels",
]
nox.options.sessions += ["windows(3.13)"]
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.stop_on_first_error = False


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, warnings of the C compilers, and the workflows."""
    apt(session, {"gcc": "gcc", "g++": "g++", "clang": "clang", **MINGW})
    session.install(*dependencies("lint"), *dependencies("test"), "nox", "setuptools>=77")
    checking.check_style(session)
    checking.check_types(session)
    session.run("python", "tools/check_c.py")
    session.run("python", "tools/check_rooms.py")
    checking.check_workflows(session)


@nox.session
@nox.parametrize("python", [nox.param(interpreter(v), id=v) for v in VERSIONS])
def tests(session: nox.Session) -> None:
    """The suite under each CPython of this machine."""
    if session.python is False:
        session.skip("This machine has no such CPython.")
    apt(session, {"gcc": "gcc", "ip": "iproute2", "ping": "iputils-ping"}, optional=True)
    install(session)
    session.install("--only-binary", ":all:", *dependencies("together"))
    own = session.python == sys.executable
    session.run("python", "-VV")
    command = ["python", "-m", "pytest", *PARALLEL, *session.posargs]
    session.run(*command, env=scale("1" if own else SMALL))


@nox.session
@nox.parametrize("sanitizer", ["address", "thread"])
def sanitizers(session: nox.Session, sanitizer: str) -> None:
    """The suite with both libraries built with ASan and UBSan; the threaded tests with TSan."""
    apt(session, {"gcc": "gcc", "setarch": "util-linux"})
    install_sanitized(session, sanitizer)
    environment = {**sanitizer_environment(sanitizer), **scale(SMALL)}
    selection = ["-m", "threads"] if sanitizer == "thread" else []
    command = [*WITHOUT_RANDOM_LAYOUT, "python", "-m", "pytest", *PARALLEL, *selection]
    # What a sanitizer writes as it ends the process must not stay in pytest's own capture.
    session.run(*command, "--capture=sys", *session.posargs, env=environment, external=True)


@nox.session
def wheels(session: nox.Session) -> None:
    """Builds the wheels for this system and for Windows, checks them, leaves them in dist/."""
    apt(session, {"gcc": "gcc", **MINGW, "i686-w64-mingw32-gcc": "gcc-mingw-w64-i686-win32"})
    session.install(*dependencies("test"), *dependencies("wheel"))
    wheels = building.build_all(session)
    building.check_all(session, wheels)
    building.publish(wheels)


@nox.session(requires=["wheels"])
@nox.parametrize("version", [nox.param(version, id=version) for version in VERSIONS])
def windows(session: nox.Session, version: str) -> None:
    """The suite in the official CPythons for Windows, under Wine, out of the wheels."""
    python = install_under_wine(session, version)
    environment = {**wine_environment(wine_prefix()), **allocator(python), **scale(SMALL)}
    options = [*OPTIONS, *PARALLEL, *session.posargs]
    session.run(*python, "pytest", *options, env=environment)


# What is not there: what has a far side of its own or takes all calls one after the other.
LATE_TESTS = "waiting lifetime objects rings asynchronous simulator package stress command_line"


@nox.session(default=False)
def late(session: nox.Session) -> None:
    """The suite while threads get their turn late, as on a machine that is far too busy."""
    apt(session, {"gcc": "gcc"})
    install(session)
    library = str(scratch(session) / "late.so")
    options = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC"]
    session.run("gcc", *options, "-o", library, "tools/late.c", "-ldl", external=True)
    tests = session.posargs or [f"tests/{name}" for name in LATE_TESTS.split()]
    # What a test does one after the other a thousand times takes a thousand times as long.
    command = ["python", "-m", "pytest", *PARALLEL, "--timeout=900", *tests]
    session.run(
        *command, "-o", "faulthandler_timeout=0", env={"LD_PRELOAD": library, **scale(SMALL)}
    )


# --- In a Debian of another release: by name, for that is fetched first, in two or three minutes --


@nox.session(name="tests-sid", default=False)
@nox.parametrize("version", [nox.param(v, id=v) for v in in_chroot.SID_VERSIONS])
def tests_sid(session: nox.Session, version: str) -> None:
    """The suite under the CPythons of Debian's sid. Needs root."""
    in_chroot.install_in_sid(session, version).run_tests(session, scale(SMALL))


@nox.session(name="windows-32", default=False)
def windows_32(session: nox.Session) -> None:
    """The suite in a CPython for 32-bit Windows, under Debian 13's Wine. Needs root."""
    in_chroot.install_windows_32(session).run_tests(session, scale(SMALL))


# --- Long runs: by name, for they take from minutes to an hour ----------------------------------

# A test under way may take as long as it needs: what can hang has a watchdog of its own.
AT_LENGTH = ["-n", "0", "--capture=no", "--timeout=0", "-o", "faulthandler_timeout=0"]
STRESS_BUILDS = ["native", "address", "thread", "free-threaded"]
STRESS_VERSIONS = ["3.11", "3.13"]


@nox.session(default=False)
@nox.parametrize("build", [nox.param(build, id=build) for build in STRESS_BUILDS])
def stress(session: nox.Session, build: str) -> None:
    """The tests marked stress at their full length, on each kind of build."""
    apt(session, {"gcc": "gcc", "setarch": "util-linux"})
    command = ["python", "-m", "pytest", "-m", "stress", *AT_LENGTH, *session.posargs]
    environment = {"WINTUN_STRESS": "1"}
    if build == "native":
        install(session)
    elif build == "free-threaded":
        command[0] = install_free_threaded(session)
    else:
        install_sanitized(session, build)
        environment.update(sanitizer_environment(build))
        command = [*WITHOUT_RANDOM_LAYOUT, *command]
    session.run(*command, env=environment, external=True)


@nox.session(name="stress-windows", requires=["wheels"], default=False)
@nox.parametrize("version", [nox.param(version, id=version) for version in STRESS_VERSIONS])
def stress_windows(session: nox.Session, version: str) -> None:
    """The same in the official CPythons for Windows, under Wine."""
    python = install_under_wine(session, version)
    command = [*python, "pytest", *OPTIONS, "-m", "stress", *AT_LENGTH]
    environment = {**wine_environment(wine_prefix()), **allocator(python), "WINTUN_STRESS": "1"}
    session.run(*command, *session.posargs, env=environment)


@nox.session(name="free-threaded", default=False)
def free_threaded(session: nox.Session) -> None:
    """The suite in a CPython without the GIL, which this builds first, in some four minutes."""
    apt(session, {"gcc": "gcc", "ip": "iproute2", "ping": "iputils-ping"}, optional=True)
    python = install_free_threaded(session)
    session.run(python, "-VV", external=True)
    # The sweeps, which lie side by side, take longest here: else one worker does them all.
    command = [python, "-m", "pytest", *PARALLEL, "--dist", "worksteal", *session.posargs]
    session.run(*command, env=scale("1"), external=True)


# --- Measurements: not among the checks, for they need a machine that does nothing else ---------


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """What the package costs on this system; options after -- are those of benchmarks.

    Without any, it measures all and leaves the figures in docs/: threads also in the CPython
    without the GIL, if the session free-threaded has built one.
    """
    apt(session, {"gcc": "gcc"})
    session.install("--no-deps", str(copy_of_source(session)))
    options = session.posargs
    if not options:
        options = [
            "--publish",
            "linux",
            "--starts",
            "7",
            "--repeats",
            "3",
            "--share",
            "0.5",
            "--all",
        ]
        options += threads_without_gil(session)
    session.run("python", "-m", "benchmarks", *options)


@nox.session(name="bench-windows", default=False)
@nox.parametrize("version", [nox.param(version, id=version) for version in measuring.VERSIONS])
def bench_windows(session: nox.Session, version: str) -> None:
    """The same in the official CPythons for Windows, under Wine, against pytun-pmd3."""
    apt(session, {**WINE, **MINGW})
    measuring.measure_in_windows(session, version)


@nox.session(name="bench-abi", default=False)
def bench_abi(session: nox.Session) -> None:
    """What the stable ABI costs against a build for one Python, here and under Wine."""
    apt(session, {"gcc": "gcc", **WINE, **MINGW})
    measuring.compare_builds(session)


# --- Fuzzing: not among the checks, for it ends when one has had enough --------------------------


def has_libfuzzer() -> bool:
    if not shutil.which("clang"):
        return False
    folder = Path(output("clang", "-print-runtime-dir"))
    return any(folder.glob("libclang_rt.fuzzer*"))


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Fuzzes C by libFuzzer and Python by atheris, then scribbles on rings for longer.

    Options after -- are those of tests/fuzz: --seconds N for each target, --runs N, TARGET.
    """
    if not has_libfuzzer():
        apt(session, {"libFuzzer": "clang libclang-rt-dev"})
    install(session)
    session.install("atheris")
    folder = str(scratch(session))
    environment = {"PYTHONPATH": "tests"}
    session.run("python", "-m", "fuzz", "--folder", folder, *session.posargs, env=environment)
    tests = ["tests/hostile", "--override-ini=timeout=3600"]
    session.run("python", "-m", "pytest", *tests, env=scale("5"))


# --- Programs that use the package --------------------------------------------------------------


@nox.session(default=False)
def frozen(session: nox.Session) -> None:
    """Programs that PyInstaller has made of the package."""
    # It takes apart what it packs with the tools of binutils.
    apt(session, {"gcc": "gcc", "objdump": "binutils"})
    install(session)
    session.install(*dependencies("frozen"))
    session.run("python", "-m", "pytest", "tests/frozen", *session.posargs)


@nox.session(default=False)
def pymobiledevice3(session: nox.Session) -> None:
    """The tunnel of pymobiledevice3, its newest and unmodified, on our device."""
    apt(session, {"gcc": "gcc", "ip": "iproute2"}, optional=True)
    install(session)
    session.install("pymobiledevice3")
    tests = ["tests/relay", "tests/kernel/test_relay.py"]
    session.run("python", "-m", "pytest", *tests, *session.posargs, env=scale("1"))


@nox.session(name="pymobiledevice3-windows", default=False)
def pymobiledevice3_windows(session: nox.Session) -> None:
    """The same in the official CPython for Windows, under Wine."""
    python = windows_with_pymobiledevice3(session, "pytest", "pytest-timeout", "hypothesis")
    environment = {**wine_environment(wine_prefix()), **scale("1")}
    options = ["-p", "no:cacheprovider", *session.posargs]
    session.run(*python, "pytest", "tests/relay", *options, env=environment)


@nox.session(name="bench-pymobiledevice3", default=False)
def bench_pymobiledevice3(session: nox.Session) -> None:
    """What that tunnel carries there on our device and on pytun-pmd3's, into its guide."""
    python = windows_with_pymobiledevice3(session, "pytun-pmd3==3.0.3")
    command = [*python, "benchmarks.relay", *(session.posargs or ["--guide"])]
    session.run(*command, env=wine_environment(wine_prefix()))
