"""Where this system has Debian's packages from."""

from __future__ import annotations

import subprocess


def mirror() -> str | None:
    """Returns the address of the archive that this system takes its own packages from.

    None if it is no Debian.
    """
    ask = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(CODENAME) $(REPO_URI)"]
    answer = subprocess.run(
        [*ask, "Created-By: Packages"], capture_output=True, text=True, check=True
    )
    for line in answer.stdout.splitlines():
        origin, codename, address = line.split()
        if origin == "Debian" and "-" not in codename:
            return address
    return None
