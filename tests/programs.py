"""Programs that pages of the documentation use, and that a machine may lack."""

from __future__ import annotations

import os
import shutil

import pytest

MUST_BE_HERE = os.environ.get("CI") in ("true", "1")
NOT_WALKED = "COMMANDS OF THE DOCUMENTATION WERE NOT RUN"


def needs(*programs: str) -> pytest.MarkDecorator:
    """Leaves the test out where one of them is missing; never on CI, where it fails by itself."""
    lacking = [program for program in programs if shutil.which(program) is None]
    reason = f"{NOT_WALKED}: no {', '.join(lacking)} here. `make test-servers` installs them."
    return pytest.mark.skipif(bool(lacking) and not MUST_BE_HERE, reason=reason)
