"""A past that was kept, once for all the tests that falsify it."""

from __future__ import annotations

import shutil

import pytest

from tests.infrastructure.transparency.past import Past, catch_up, go_on, happen, opened
from tests.shop import prepare_url


@pytest.fixture(scope="session")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    directory = tmp_path_factory.mktemp("past")
    prepare_url(f"sqlite:///{directory / 'shop.db'}")
    runtime = opened(directory)
    happen(runtime)
    while runtime.advance():
        continue
    held_before = catch_up(runtime)
    runtime.close()
    shutil.copy(directory / "shop.db", before := directory / "before.db")
    runtime = opened(directory)
    go_on(runtime, 30)
    while runtime.advance():
        continue
    held = catch_up(runtime)
    go_on(runtime, 5)
    catch_up(runtime)
    keys = [key.public_key for key in runtime.transparency_log.signers.published()]
    runtime.close()
    shutil.copy(directory / "shop.db", after := directory / "after.db")
    return Past(before, after, held_before, held, keys)
