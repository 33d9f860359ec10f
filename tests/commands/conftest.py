import pytest

from tests.commands.shop import Shop


@pytest.fixture
def shop() -> Shop:
    return Shop()
