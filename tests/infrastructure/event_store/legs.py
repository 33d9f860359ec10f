"""Tests about one kind of database run on all of that kind."""

from __future__ import annotations

import pytest

from tests.conftest import LEGS

on_sqlite = pytest.mark.parametrize("leg", ["sqlite"])
on_mysql = pytest.mark.parametrize("leg", [leg for leg in LEGS if leg != "sqlite"])
