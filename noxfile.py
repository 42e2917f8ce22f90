"""What is checked before a change goes in: `python -m nox` runs all of it.

Each session sets itself up: Python packages in an environment of its own, and, as root on a system
with apt, the programs that it needs and does not find.

WINTUN_TEST_SCALE scales the heavy tests (1: all of it). Without it, they run whole under the
interpreter that runs nox and small under the others.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
TEST_DEPENDENCIES = nox.project.dependency_groups(PYPROJECT, "test")
TOGETHER_DEPENDENCIES = nox.project.dependency_groups(PYPROJECT, "together")
WHEEL_DEPENDENCIES = nox.project.dependency_groups(PYPROJECT, "wheel")
LINT_DEPENDENCIES = nox.project.dependency_groups(PYPROJECT, "lint")

VERSIONS = ["3.9", "3.10", "3.11", "3.12", "3.13"]
OWN_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
NATIVE = sorted({"3.12", OWN_VERSION} & {*VERSIONS})

SMALL = "0.02"
# The suite waits more than it computes.
PARALLEL = ["-n", "4"]

# What a build reads; a copy of it is built, so that runs side by side share no file.
SOURCE = ["pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "include", "src"]

# What a shell runs in the background ignores Ctrl-C, and the tests of Ctrl-C would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

nox.needs_version = ">=2024.10.9"
# What takes less than 20 minutes; the workflow runs the other CPythons, too.
nox.options.sessions = [
    "lint",
    *(f"tests({version})" for version in NATIVE),
    "sanitizers",
    "wheels",
]
nox.options.sessions += [f"windows({version})" for version in ["3.9", "3.11", "3.13"]]
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.stop_on_first_error = False


def runs(program: str | None, version: str) -> bool:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    if program is None:
        return False
    answer = subprocess.run([program, "-c", code], capture_output=True, text=True, check=False)
    return answer.returncode == 0 and answer.stdout.strip() == version


def interpreter(version: str) -> str | bool:
    """Finds a CPython by its version; False where the machine has none."""
    if version == OWN_VERSION:
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    installed = sorted(map(str, pyenv.glob(f"{version}.*/bin/python")))
    for program in [shutil.which(f"python{version}"), *installed]:
        if program is not None and runs(program, version):
            return program
    return False


def apt(session: nox.Session, programs: dict[str, str], *, optional: bool = False) -> None:
    """Sees to it that programs are there: {program: Debian packages}."""
    missing = [package for name, package in programs.items() if not shutil.which(name)]
    if not missing:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends"]
    command += sorted({package for packages in missing for package in packages.split()})
    if shutil.which("apt-get") and os.geteuid() == 0:
        environment = {"DEBIAN_FRONTEND": "noninteractive"}
        session.run("apt-get", "update", "-q", external=True, silent=True)
        session.run(*command, external=True, silent=True, env=environment)
    elif optional:
        session.warn(f"Without these some tests are skipped: {' '.join(command)}")
    else:
        session.error(f"Install what is missing, as root: {' '.join(command)}")


def scratch(session: nox.Session) -> Path:
    """Makes a folder for this run alone; its path is absolute, for builds run elsewhere."""
    return Path(tempfile.mkdtemp(dir=session.create_tmp())).resolve()


def copy_of_source(session: nox.Session) -> Path:
    tree = scratch(session)
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.so", "*.pyd", "*.dll")
    for name in SOURCE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=ignore)
        else:
            shutil.copy2(ROOT / name, tree / name)
    return tree


def install(session: nox.Session, **environment: str) -> None:
    """Installs the package as a user gets it, built from a copy of this tree, and what tests it."""
    session.install(*TEST_DEPENDENCIES)
    session.install("--no-deps", str(copy_of_source(session)), env=environment)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, warnings of the C compilers, and the workflows."""
    apt(session, {"gcc": "gcc", "g++": "g++", "clang": "clang", **MINGW})
    session.install(*LINT_DEPENDENCIES, *TEST_DEPENDENCIES, "nox", "setuptools>=77")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    types(session)
    c_files = [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("src/**/*.[ch]"))]
    c_files += [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("include/*.h"))]
    session.run("clang-format", "--dry-run", "--Werror", *c_files)
    session.run("python", "tools/check_c.py")
    session.run("python", "tools/check_rooms.py")
    workflows = sorted(map(str, ROOT.glob(".github/workflows/*.yml")))
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    session.run("zizmor", "--offline", "--quiet", *workflows)


def types(session: nox.Session) -> None:
    # The package as its oldest Python sees it; the tools' own packages need a newer one.
    session.run("mypy", "--python-version", "3.9", "src", "examples")
    session.run("mypy", "noxfile.py", "setup.py", "tools", "benchmarks", "tests")
    # The stub against what it describes: names, parameters, which of them have names.
    session.install("--no-deps", str(copy_of_source(session)))
    allowed = ["--allowlist", str(ROOT / "tools" / "stubtest.txt"), "--ignore-unused-allowlist"]
    allowed += ["--ignore-disjoint-bases"]
    session.run("python", "-m", "mypy.stubtest", "wintun._wintun", *allowed)


@nox.session
@nox.parametrize("python", [nox.param(interpreter(v), id=v) for v in VERSIONS])
def tests(session: nox.Session) -> None:
    """The suite under each CPython of this machine."""
    if session.python is False:
        session.skip("This machine has no such CPython.")
    apt(session, {"gcc": "gcc", "ip": "iproute2", "ping": "iputils-ping"}, optional=True)
    install(session)
    session.install("--only-binary", ":all:", *TOGETHER_DEPENDENCIES)
    own = session.python == sys.executable
    scale = os.environ.get("WINTUN_TEST_SCALE", "1" if own else SMALL)
    session.run("python", "-VV")
    command = ["python", "-m", "pytest", *PARALLEL, *session.posargs]
    session.run(*command, env={"WINTUN_TEST_SCALE": scale})


@nox.session
@nox.parametrize("sanitizer", ["address", "thread"])
def sanitizers(session: nox.Session, sanitizer: str) -> None:
    """The suite with both libraries built with ASan and UBSan; the threaded tests with TSan."""
    apt(session, {"gcc": "gcc", "setarch": "util-linux"})
    install_sanitized(session, sanitizer)
    environment = {
        **sanitizer_environment(sanitizer),
        "WINTUN_TEST_SCALE": os.environ.get("WINTUN_TEST_SCALE", SMALL),
    }
    selection = ["-m", "threads"] if sanitizer == "thread" else []
    command = [*WITHOUT_RANDOM_LAYOUT, "python", "-m", "pytest", *PARALLEL, *selection]
    # What a sanitizer writes as it ends the process must not stay in pytest's own capture.
    session.run(*command, "--capture=sys", *session.posargs, env=environment, external=True)


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


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


# --- Windows ------------------------------------------------------------------------------------

# One wheel for each of these; the last serves every later CPython, too.
WHEEL_VERSIONS = ["3.9", "3.10", "3.11"]
MINGW = {"x86_64-w64-mingw32-gcc": "gcc-mingw-w64-x86-64"}
ZIG_TARGETS = ["aarch64-windows-gnu", "x86-windows-gnu"]


@nox.session
def wheels(session: nox.Session) -> None:
    """Builds the wheels for this system and for Windows, checks them, leaves them in dist/."""
    apt(session, {"gcc": "gcc", **MINGW, "i686-w64-mingw32-gcc": "gcc-mingw-w64-i686-win32"})
    session.install(*TEST_DEPENDENCIES, *WHEEL_DEPENDENCIES)
    work = scratch(session)
    pythons = {version: work / version for version in WHEEL_VERSIONS}
    fetch(session, "library", str(work / "library"))
    build(session, work / "dist", {})
    for version, folder in pythons.items():
        fetch(session, "python", version, str(folder))
        environment = {"WINTUN_CROSS_PYTHON": str(folder), "WINTUN_BUNDLE": str(work / "library")}
        build(session, work / "dist", environment)
    zig = [f"python -m ziglang cc -target {target}" for target in ZIG_TARGETS]
    headers = ["--windows-python", str(pythons["3.11"])]
    session.run("python", "tools/check_c.py", *headers, *MINGW, *zig)
    files = sorted(map(str, (work / "dist").glob("*.whl")))
    session.run("twine", "check", "--strict", *files)
    session.run("abi3audit", "--strict", *[name for name in files if "abi3" in name])
    offline = ["--no-index", "--no-deps", "--find-links", str(work / "dist")]
    session.install(*offline, "wintun")
    environment = {"WINTUN_WHEELS": str(work / "dist")}
    session.run("python", "-m", "pytest", "tests/wheels", env=environment)
    (ROOT / "dist").mkdir(exist_ok=True)
    for name in files:
        os.replace(name, ROOT / "dist" / Path(name).name)


def fetch(session: nox.Session, *arguments: str) -> None:
    session.run("python", "tools/fetch.py", *arguments)


def build(session: nox.Session, target: Path, environment: dict[str, str]) -> None:
    command = ["python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    tree = str(copy_of_source(session))
    session.run(*command, "--wheel-dir", str(target), tree, env=environment)


@functools.cache
def wine_prefix() -> Path:
    """Makes an installation of Windows for this run alone."""
    prefix = Path(tempfile.mkdtemp(prefix="wintun-wine-"))
    environment = {**os.environ, **wine_environment(prefix)}
    atexit.register(shutil.rmtree, prefix, ignore_errors=True)
    atexit.register(subprocess.run, ["wineserver", "-k"], env=environment, check=False)
    subprocess.run(
        ["wineboot", "-i"],
        env=environment,
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    return prefix


def wine_environment(prefix: Path) -> dict[str, str]:
    return {
        "WINEPREFIX": str(prefix),
        "WINEDEBUG": "-all",
        # Without WMI, which Wine 8 has in part, CPython 3.13 asks the system elsewhere; with it, it
        # dies in its `platform`, which pip and pytest-xdist use.
        "WINEDLLOVERRIDES": "mscoree,mshtml,wbemprox=",
        # The tests lie in the tree that a Python of Linux uses, too.
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def install_for_windows(session: nox.Session, version: str, target: Path) -> None:
    """Installs the package and what the tests need, by the pip of this system: faster than Wine."""
    # pip evaluates markers for the system that it runs on, so what only Windows or an old Python
    # needs is named here; and only its downloads heed the version that a package asks for.
    more = ["cffi", "colorama", "exceptiongroup", "tomli", "typing_extensions"]
    platform = ["--platform", "win_amd64", "--python-version", version, "--only-binary", ":all:"]
    wheels = scratch(session)
    command = ["python", "-m", "pip", "download", "--quiet", *platform, "--dest", str(wheels)]
    session.run(*command, *TEST_DEPENDENCIES, *more)
    files = sorted(map(str, wheels.iterdir()))
    offline = ["--no-deps", "--no-index", "--find-links", "dist", "--target", str(target)]
    session.install(*offline, *platform, *files, "wintun")


ALLOCATOR = "allocator.dll"


def allocator_beside(python: list[str]) -> str:
    """Returns the path of the tests' allocator as Windows spells it, for a command of Python's."""
    program = next(word for word in python if word.endswith("python.exe"))
    return "Z:" + str(Path(program).with_name(ALLOCATOR)).replace("/", "\\")


def install_under_wine(session: nox.Session, version: str) -> list[str]:
    """Unpacks a CPython for Windows and installs into it; returns how its modules are run."""
    apt(session, {"wine": "wine wine64", **MINGW})
    folder = scratch(session)
    fetch(session, "python", version, str(folder))
    install_for_windows(session, version, folder / "Lib" / "site-packages")
    # The suite makes Python's memory run out; nothing in Windows can build what does that.
    options = ["-std=c11", "-shared", "-static-libgcc", "-o", str(folder / ALLOCATOR)]
    session.run(*MINGW, *options, "tests/sweep/allocator.c", external=True)
    return ["python", "tools/wine.py", str(folder / "python.exe"), "-m"]


@nox.session(requires=["wheels"])
@nox.parametrize("version", [nox.param(version, id=version) for version in VERSIONS])
def windows(session: nox.Session, version: str) -> None:
    """The suite in the official CPythons for Windows, under Wine, out of the wheels."""
    python = install_under_wine(session, version)
    environment = {
        **wine_environment(wine_prefix()),
        "WINTUN_TEST_SCALE": os.environ.get("WINTUN_TEST_SCALE", SMALL),
        "WINTUN_TEST_ALLOCATOR": allocator_beside(python),
    }
    options = ["-p", "no:cacheprovider", *PARALLEL, *session.posargs]
    session.run(*python, "pytest", *options, env=environment)


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
    command = [*python, "pytest", "-p", "no:cacheprovider", "-m", "stress", *AT_LENGTH]
    environment = {
        **wine_environment(wine_prefix()),
        "WINTUN_STRESS": "1",
        "WINTUN_TEST_ALLOCATOR": allocator_beside(python),
    }
    session.run(*command, *session.posargs, env=environment)


@nox.session(name="free-threaded", default=False)
def free_threaded(session: nox.Session) -> None:
    """The suite in a CPython without the GIL, which this builds first, in some four minutes."""
    apt(session, {"gcc": "gcc", "ip": "iproute2", "ping": "iputils-ping"}, optional=True)
    python = install_free_threaded(session)
    session.run(python, "-VV", external=True)
    environment = {"WINTUN_TEST_SCALE": os.environ.get("WINTUN_TEST_SCALE", "1")}
    # The sweeps, which lie side by side, take longest here: else one worker does them all.
    command = [python, "-m", "pytest", *PARALLEL, "--dist", "worksteal", *session.posargs]
    session.run(*command, env=environment, external=True)


def free_threaded_folder(session: nox.Session) -> Path:
    return session.cache_dir.resolve() / "free-threaded"


def install_free_threaded(session: nox.Session) -> str:
    """Installs the package and what tests it for a CPython without the GIL; returns its program."""
    apt(session, {"gcc": "gcc", "make": "make", "xz": "xz-utils"})
    folder = free_threaded_folder(session)
    if not (folder / "bin" / "python3").exists():
        session.run("python", "tools/free_threaded.py", str(folder))
    environment = scratch(session) / "environment"
    session.run(str(folder / "bin" / "python3"), "-m", "venv", str(environment), external=True)
    python = str(environment / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet"]
    # The newest of a dependency may have no wheel for this Python; an older one has.
    session.run(*pip, "--only-binary", ":all:", *TEST_DEPENDENCIES, external=True)
    session.run(*pip, "--no-deps", str(copy_of_source(session)), external=True)
    return python


# --- Measurements: not among the checks, for they need a machine that does nothing else ---------

BENCH_VERSIONS = ["3.11", "3.13"]


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
        options = ["--publish", "linux", "--repeats", "7", "--all"]
        options += threads_without_gil(session)
    session.run("python", "-m", "benchmarks", *options)


def threads_without_gil(session: nox.Session) -> list[str]:
    """Measures threads where there is no GIL; returns the options that add them to the others."""
    if not (free_threaded_folder(session) / "bin" / "python3").exists():
        return []
    python = install_free_threaded(session)
    figures = str(scratch(session) / "threads.json")
    command = [python, "-m", "benchmarks", "--parts", "threads", "--repeats", "5"]
    session.run(*command, "--json", figures, external=True)
    return ["--free-threaded", figures]


@nox.session(name="bench-windows", default=False)
@nox.parametrize("version", [nox.param(version, id=version) for version in BENCH_VERSIONS])
def bench_windows(session: nox.Session, version: str) -> None:
    """The same in the official CPythons for Windows, under Wine, against pytun-pmd3."""
    apt(session, {"wine": "wine wine64", **MINGW})
    work = scratch(session)
    fetch(session, "python", BENCH_VERSIONS[0], str(work / "headers"))
    fetch(session, "python", version, str(work / "python"))
    session.install("setuptools>=77")
    build(session, work / "dist", {"WINTUN_CROSS_PYTHON": str(work / "headers")})
    wheel = str(next((work / "dist").glob("*.whl")))
    platform = ["--platform", "win_amd64", "--python-version", version, "--only-binary", ":all:"]
    target = ["--no-deps", "--target", str(work / "python" / "Lib" / "site-packages")]
    session.install(*target, *platform, wheel, "pytun-pmd3==3.0.3")
    c_loop = str(work / "c_loop.dll")
    session.run("python", "-m", "benchmarks.build", c_loop, "--windows")
    python = ["python", "tools/wine.py", str(work / "python" / "python.exe"), "-m"]
    options = session.posargs
    if not options:
        options = ["--publish", f"windows-{version}", "--repeats", "11", "--share", "0.5"]
    command = [*python, "benchmarks", "--c-loop", c_loop, *options]
    session.run(*command, env=wine_environment(wine_prefix()))


@nox.session(name="bench-abi", default=False)
def bench_abi(session: nox.Session) -> None:
    """What the stable ABI costs against a build for one Python, here and under Wine."""
    apt(session, {"gcc": "gcc", "wine": "wine wine64", **MINGW})
    work = scratch(session)
    fetch(session, "python", "3.11", str(work / "python"))
    session.install("setuptools>=77")
    cross = {"WINTUN_CROSS_PYTHON": str(work / "python")}
    build(session, work / "stable", cross)
    build(session, work / "other", {"WINTUN_ABI3": "0"})
    build(session, work / "other", {**cross, "WINTUN_ABI3": "0"})
    for wheel in sorted((work / "other").glob("*.whl")):
        shutil.unpack_archive(wheel, work / "other", "zip")
    folder = work / "other" / "wintun"

    session.install("--no-deps", str(copy_of_source(session)))
    here = str(next(folder.glob("_wintun.*.so")))
    session.run("python", "-m", "benchmarks.abi", here, *session.posargs)

    wheel = next((work / "stable").glob("*.whl"))
    shutil.unpack_archive(wheel, work / "python" / "Lib" / "site-packages", "zip")
    python = ["python", "tools/wine.py", str(work / "python" / "python.exe"), "-m"]
    there = str(next(folder.glob("_wintun.*.pyd")))
    command = [*python, "benchmarks.abi", there, *session.posargs]
    session.run(*command, env=wine_environment(wine_prefix()))


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
    scale = os.environ.get("WINTUN_TEST_SCALE", "5")
    tests = ["tests/hostile", "--override-ini=timeout=3600"]
    session.run("python", "-m", "pytest", *tests, env={"WINTUN_TEST_SCALE": scale})


# --- Programs that use the package --------------------------------------------------------------


@nox.session(default=False)
def frozen(session: nox.Session) -> None:
    """Programs that PyInstaller has made of the package."""
    # It takes apart what it packs with the tools of binutils.
    apt(session, {"gcc": "gcc", "objdump": "binutils"})
    install(session)
    session.install(*nox.project.dependency_groups(PYPROJECT, "frozen"))
    session.run("python", "-m", "pytest", "tests/frozen", *session.posargs)


@nox.session(default=False)
def pymobiledevice3(session: nox.Session) -> None:
    """The tunnel of pymobiledevice3, its newest and unmodified, on our device."""
    apt(session, {"gcc": "gcc", "ip": "iproute2"}, optional=True)
    install(session)
    session.install("pymobiledevice3")
    scale = os.environ.get("WINTUN_TEST_SCALE", "1")
    tests = ["tests/relay", "tests/kernel/test_relay.py"]
    command = ["python", "-m", "pytest", *tests, *session.posargs]
    session.run(*command, env={"WINTUN_TEST_SCALE": scale})


@nox.session(name="pymobiledevice3-windows", default=False)
def pymobiledevice3_windows(session: nox.Session) -> None:
    """The same in the official CPython for Windows, under Wine."""
    python = windows_with_pymobiledevice3(session, "pytest", "pytest-timeout", "hypothesis")
    scale = os.environ.get("WINTUN_TEST_SCALE", "1")
    environment = {**wine_environment(wine_prefix()), "WINTUN_TEST_SCALE": scale}
    options = ["-p", "no:cacheprovider", *session.posargs]
    session.run(*python, "pytest", "tests/relay", *options, env=environment)


@nox.session(name="bench-pymobiledevice3", default=False)
def bench_pymobiledevice3(session: nox.Session) -> None:
    """What that tunnel carries there on our device and on pytun-pmd3's, into its guide."""
    python = windows_with_pymobiledevice3(session, "pytun-pmd3==3.0.3")
    command = [*python, "benchmarks.relay", *(session.posargs or ["--guide"])]
    session.run(*command, env=wine_environment(wine_prefix()))


def windows_with_pymobiledevice3(session: nox.Session, *more: str) -> list[str]:
    """Sets up a Windows CPython with the package and pymobiledevice3; how to run a module in it."""
    apt(session, {"wine": "wine wine64", **MINGW})
    work = scratch(session)
    folder = work / "python"
    fetch(session, "python", "3.11", str(folder))
    session.install("setuptools>=77", "uv")
    build(session, work / "dist", {"WINTUN_CROSS_PYTHON": str(folder)})
    wheel = str(next((work / "dist").glob("*.whl")))
    # Unlike pip, uv reads the markers of all its requirements as Windows does.
    windows = ["--python-platform", "x86_64-pc-windows-msvc", "--python-version", "3.11"]
    target = ["--no-build", "--target", str(folder / "Lib" / "site-packages")]
    command = ["uv", "pip", "install", "--quiet", *windows, *target]
    session.run(*command, wheel, "pymobiledevice3", *more)
    # What Wine lacks of Windows, for the libraries that are written in Rust.
    source = ["tools/bcryptprimitives.c", "-ladvapi32"]
    library = ["-shared", "-o", str(folder / "bcryptprimitives.dll")]
    session.run(*MINGW, "-std=c11", "-Wall", "-Wextra", "-Werror", *library, *source, external=True)
    return ["python", "tools/wine.py", str(folder / "python.exe"), "-m"]
