"""Style and types of the tree: what the session lint checks beside the C compilers."""

from __future__ import annotations

import nox

from tools.sessions.setting_up import ROOT, copy_of_source


def check_style(session: nox.Session) -> None:
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    paths = [*sorted(ROOT.glob("src/**/*.[ch]")), *sorted(ROOT.glob("include/*.h"))]
    c_files = [str(path.relative_to(ROOT)) for path in paths]
    session.run("clang-format", "--dry-run", "--Werror", *c_files)


def check_types(session: nox.Session) -> None:
    # The package as its oldest Python sees it; the tools' own packages need a newer one.
    session.run("mypy", "--python-version", "3.9", "src", "examples")
    session.run("mypy", "noxfile.py", "setup.py", "tools", "benchmarks", "tests")
    # The stub against what it describes: names, parameters, which of them have names.
    session.install("--no-deps", str(copy_of_source(session)))
    allowed = ["--allowlist", str(ROOT / "tools" / "stubtest.txt"), "--ignore-unused-allowlist"]
    allowed += ["--ignore-disjoint-bases"]
    session.run("python", "-m", "mypy.stubtest", "wintun._wintun", *allowed)


def check_workflows(session: nox.Session) -> None:
    workflows = sorted(map(str, ROOT.glob(".github/workflows/*.yml")))
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    session.run("zizmor", "--offline", "--quiet", *workflows)
