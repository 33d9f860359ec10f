import os
import sys
from base64 import b64encode
from dataclasses import fields
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from infrastructure.secret_files import embedded_secrets
from infrastructure.settings import Settings, WrongSetting

EXAMPLE = Path(__file__).parent.parent.parent / ".env.example"
KEY = "0123456789abcdefghijklmnopqrstuv"
OLD_KEY = KEY[::-1]
MASTER = b64encode(bytes(range(32))).decode()
OLD_MASTER = b64encode(bytes(range(32, 64))).decode()
DISTRIBUTED = {
    "DATABASE_URL": "mysql+pymysql://shop:hidden-1@db/shop",
    "REDIS_URL": "redis://:hidden-2@cache:6379/0",
    "JWT_SECRET_KEY": KEY,
    "MASTER_KEY": MASTER,
}


def lines_of(environ: dict[str, str]) -> list[str]:
    with pytest.raises(WrongSetting) as wrong:
        Settings.read(environ)
    assert str(wrong.value) == "\n".join(wrong.value.lines)
    return list(wrong.value.lines)


def test_nothing_set_is_one_process_with_a_demonstration() -> None:
    settings = Settings.read({})

    assert settings == Settings(demo=True)
    assert settings.embedded
    assert settings.data_dir == Path("var")
    assert (settings.jwt_keys, settings.master_keys) == ((), ())


def test_two_urls_and_two_keys_are_the_distributed_shape() -> None:
    settings = Settings.read(
        {
            **DISTRIBUTED,
            "JWT_PREVIOUS_SECRET_KEYS": f"{OLD_KEY}, {KEY}",
            "MASTER_PREVIOUS_KEYS": OLD_MASTER,
        }
    )

    assert not settings.embedded
    assert not settings.demo
    assert settings.jwt_keys == (KEY, OLD_KEY, KEY)
    assert settings.master_keys == (bytes(range(32)), bytes(range(32, 64)))
    assert settings.with_secrets() is settings


def test_values_arrive_as_what_they_mean(tmp_path: Path) -> None:
    settings = Settings.read(
        {
            "PORT": "65535",
            "DATA_DIR": str(tmp_path / "not" / "yet"),
            "DEMO": "0",
            "SHOP_TIMEZONE": "Europe/Berlin",
            "ODOMETER_UNIT": "km",
            "RATE_LIMIT_ENABLED": "0",
            "SHOP_NAME": " Any Garage ",
            "LOG_LEVEL": "",
        }
    )

    assert settings == Settings(
        port=65_535,
        data_dir=tmp_path / "not" / "yet",
        demo=False,
        shop_timezone=ZoneInfo("Europe/Berlin"),
        odometer_unit="km",
        rate_limit_enabled=False,
        shop_name="Any Garage",
    )


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORT", "0", "a number from 1 to 65535, not '0'"),
        ("PORT", "65536", "a number from 1 to 65535"),
        ("PORT", "http", "a number from 1 to 65535"),
        ("PORT", "²", "a number from 1 to 65535"),
        ("WEB_CONCURRENCY", "-1", "a number from 1 to 256"),
        ("WEB_THREADS", "1.5", "a number from 1 to 256"),
        ("DATA_DIR", f"{__file__}/below", "a directory that can be written"),
        ("DATA_DIR", sys.executable, "a directory that can be written"),
        ("JWT_SECRET_KEY", KEY[:31], "32 characters or more"),
        ("JWT_SECRET_KEY", "change-me-change-me-change-me-1234567890", "a random key"),
        ("JWT_SECRET_KEY", "Super Secret Secrets 0123456789 abcdef", "a random key"),
        ("JWT_SECRET_KEY", "ab" * 20, "a random key"),
        ("JWT_PREVIOUS_SECRET_KEYS", f"{KEY},", "32 characters or more"),
        ("MASTER_KEY", b64encode(bytes(31)).decode(), "base64 of 32 bytes"),
        ("MASTER_KEY", "not base64!", "base64 of 32 bytes"),
        ("MASTER_KEY", b64encode(bytes(32)).decode(), "a random key"),
        ("MASTER_PREVIOUS_KEYS", f"{MASTER},x", "base64 of 32 bytes"),
        ("DEMO", "yes", "1 or 0, not 'yes'"),
        ("SHOP_TIMEZONE", "Europe/Nowhere", "a time zone such as Europe/Berlin"),
        ("SHOP_TIMEZONE", "../../etc", "a time zone such as Europe/Berlin"),
        ("ODOMETER_UNIT", "miles", "mi or km, not 'miles'"),
        ("LOG_LEVEL", "LOUD", "DEBUG or INFO or WARNING or ERROR"),
        ("RATE_LIMIT_ENABLED", "2", "1 or 0"),
    ],
)
def test_a_wrong_value_gets_one_line_that_says_what_was_expected(
    name: str, value: str, expected: str
) -> None:
    (line,) = lines_of({name: value})

    assert line.startswith(f"{name}: expected {expected}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://shop@db/shop"),
        ("DATABASE_URL", "postgresql://shop@db/shop"),
        ("DATABASE_URL", "mysql+pymysql://shop@db"),
        ("DATABASE_URL", "mysql+pymysql://shop@db:port/shop"),
        ("DATABASE_URL", "sqlite://"),
        ("REDIS_URL", "http://cache"),
        ("REDIS_URL", "redis://"),
        ("REDIS_URL", "unix://"),
    ],
)
def test_a_url_of_another_kind_is_wrong(name: str, value: str) -> None:
    (line,) = lines_of({**DISTRIBUTED, name: value})

    assert line.startswith(f"{name}: expected ")
    rest = value.partition("://")[2]
    assert not rest or rest not in line


@pytest.mark.parametrize(
    "more",
    [
        {"DATABASE_URL": "sqlite:///shop.sqlite"},
        {"REDIS_URL": "rediss://cache"},
        {"REDIS_URL": "unix:///run/cache.sock"},
    ],
)
def test_urls_of_the_right_kinds_are_taken(more: dict[str, str]) -> None:
    assert not Settings.read({**DISTRIBUTED, **more}).embedded


@pytest.mark.parametrize("missing", sorted(DISTRIBUTED))
def test_the_distributed_shape_needs_all_of_it(missing: str) -> None:
    given = {name: value for name, value in DISTRIBUTED.items() if name != missing}

    lines = lines_of(given)

    assert f"{missing}: expected together with " in lines[0]


@pytest.mark.parametrize("alone", ["ADMIN_EMAIL", "ADMIN_PASSWORD"])
def test_an_admin_has_both_an_address_and_a_password(alone: str) -> None:
    both = {"ADMIN_EMAIL": "admin@shop.example", "ADMIN_PASSWORD": "long enough to keep"}
    (other,) = both.keys() - {alone}

    assert Settings.read(both).admin_email == "admin@shop.example"
    assert lines_of({alone: both[alone]}) == [f"{other}: expected together with {alone}"]
    assert lines_of({**both, "ADMIN_EMAIL": "nobody"})[0].startswith("ADMIN_EMAIL: ")
    assert lines_of({**both, "ADMIN_PASSWORD": "short"})[0].startswith("ADMIN_PASSWORD: ")


def test_everything_that_is_wrong_is_said_at_once() -> None:
    lines = lines_of({"PORT": "x", "DEMO": "x", "REDIS_URL": "redis://cache"})

    assert [line.partition(":")[0] for line in lines] == ["PORT", "DEMO", "DATABASE_URL"]


def test_no_secret_shows(tmp_path: Path) -> None:
    secret = {
        **DISTRIBUTED,
        "JWT_PREVIOUS_SECRET_KEYS": OLD_KEY,
        "MASTER_PREVIOUS_KEYS": OLD_MASTER,
        "ADMIN_EMAIL": "admin@shop.example",
        "ADMIN_PASSWORD": "hidden-3 and long",
    }
    settings = Settings.read(secret)

    shown = f"{settings!r} {settings}"

    assert "hidden" not in shown
    assert KEY not in shown
    assert OLD_KEY not in shown
    assert repr(settings.master_keys[0]) not in shown
    assert repr(settings.master_keys[1]) not in shown
    for line in lines_of(dict.fromkeys(("JWT_SECRET_KEY", "MASTER_KEY"), "hidden")):
        assert "hidden" not in line


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("PORT=1111\nSHOP_NAME=A ${HOME} garage # the one we mean\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "2222")
    for declared in fields(Settings):
        if declared.name != "port":
            monkeypatch.delenv(declared.name.upper(), raising=False)

    settings = Settings.read()

    assert (settings.port, settings.shop_name) == (2222, "A ${HOME} garage")


def test_a_file_that_is_not_text_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_bytes(b"PORT=\xff\n")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(WrongSetting, match=r"^\.env: "):
        Settings.read()


def test_the_example_file_lists_every_setting_with_its_meaning_and_default() -> None:
    stanzas = EXAMPLE.read_text().strip().split("\n\n")[1:]

    assert [stanza.partition("=")[0] for stanza in stanzas] == [
        f"# {declared.metadata['meaning']}\n#{declared.name.upper()}"
        for declared in fields(Settings)
    ]
    for stanza, declared in zip(stanzas, fields(Settings), strict=True):
        value = stanza.partition("=")[2]
        if value and declared.default not in (None, False):
            assert declared.metadata["read"](value) == declared.default


def test_a_damaged_secret_is_not_replaced(tmp_path: Path) -> None:
    settings = Settings.read({"DATA_DIR": str(tmp_path)})
    settings.with_secrets()
    (tmp_path / "master.key").write_text("")

    with pytest.raises(WrongSetting, match=r"^DATA_DIR: .*master\.key"):
        settings.with_secrets()


def test_given_secrets_win_over_made_ones(tmp_path: Path) -> None:
    settings = Settings.read({"DATA_DIR": str(tmp_path), "JWT_SECRET_KEY": KEY})

    complete = settings.with_secrets()

    assert complete.jwt_keys == (KEY,)
    assert complete.master_keys == (embedded_secrets(tmp_path)[1],)
    assert os.listdir(tmp_path)
