"""What can be set from outside, each setting declared once.

The environment wins over a `.env` file in the working directory. An empty value counts as
not given. The values themselves are read in `infrastructure.setting_values`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from limits import RateLimitItem

from infrastructure import setting_values as values
from infrastructure.secret_files import embedded_secrets
from infrastructure.setting_values import Account, Network


class WrongSetting(Exception):
    """At least one setting cannot be used; one line for each, naming it."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def _setting(
    meaning: str, read: Callable[[str], object], default: object, *, secret: bool = False
) -> Any:
    """A field whose environment variable is its name in capitals."""
    return field(default=default, repr=not secret, metadata={"meaning": meaning, "read": read})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Two shapes: `embedded` (no DATABASE_URL and no REDIS_URL: one process, files in
    DATA_DIR) and distributed (both). Secrets are left out of the repr.
    """

    host: str = _setting("Address HTTP is served on.", values.text, "127.0.0.1")
    port: int = _setting("Port HTTP is served on.", values.number(1, 65_535), 8000)
    data_dir: Path = _setting(
        "Directory for what is kept in files: the embedded database and its secrets.",
        values.directory,
        Path("var"),
    )
    database_url: str | None = _setting(
        "mysql+pymysql://user:password@host:3306/database; without it: SQLite in DATA_DIR.",
        values.database_url,
        None,
        secret=True,
    )
    redis_url: str | None = _setting(
        "redis://host:6379/0 (rediss:// with TLS, unix:// for a socket); goes with DATABASE_URL.",
        values.redis_url,
        None,
        secret=True,
    )
    api_database_user: Account | None = _setting(
        "User of the API's DATABASE_URL, whom `migrate` grants what it needs; MySQL, MariaDB.",
        values.account,
        None,
    )
    worker_database_user: Account | None = _setting("The same for workers.", values.account, None)
    jwt_secret_key: str | None = _setting(
        "Signs access tokens, 32 characters or more; embedded mode makes one on first start.",
        values.jwt_key,
        None,
        secret=True,
    )
    jwt_previous_secret_keys: tuple[str, ...] = _setting(
        "Keys that signed before, still accepted; separated by commas.",
        values.several(values.jwt_key),
        (),
        secret=True,
    )
    master_key: bytes | None = _setting(
        "Wraps the keys of personal data, base64 of 32 bytes; embedded mode makes one.",
        values.master_key,
        None,
        secret=True,
    )
    master_previous_keys: tuple[bytes, ...] = _setting(
        "Master keys from before, still needed for what they wrapped; separated by commas.",
        values.several(values.master_key),
        (),
        secret=True,
    )
    admin_email: str | None = _setting(
        "E-mail address of the first admin; goes with ADMIN_PASSWORD.", values.email, None
    )
    admin_password: str | None = _setting(
        "Password of the first admin, 12 characters or more.", values.password, None, secret=True
    )
    demo: bool = _setting(
        "Fill an empty shop with demonstration data: 1 or 0; not given: 1 in embedded mode.",
        values.switch,
        False,
    )
    web_concurrency: int = _setting(
        "Processes that serve HTTP; embedded mode is always one.", values.number(1, 256), 1
    )
    web_threads: int = _setting("Threads in each of them.", values.number(1, 256), 8)
    request_seconds: int = _setting(
        "Seconds a request has to arrive, be answered and be taken.", values.number(1, 3600), 60
    )
    read_seconds: int = _setting(
        "Seconds MySQL or MariaDB may read; then 503 `too-slow`.", values.number(1, 3600), 10
    )
    lock_wait_seconds: int = _setting(
        "Seconds a write waits for another before it is tried again.", values.number(1, 60), 5
    )
    shop_timezone: ZoneInfo = _setting(
        "Where the shop's days begin and end, as in Europe/Berlin.",
        values.timezone,
        ZoneInfo("UTC"),
    )
    shop_name: str = _setting("How the shop calls itself.", values.text, "Mechanic Shop")
    odometer_unit: str = _setting(
        "Unit of a reading that names none: mi or km.", values.one_of("mi", "km"), "mi"
    )
    log_level: str = _setting(
        "Least important message that is logged.",
        values.one_of("DEBUG", "INFO", "WARNING", "ERROR"),
        "INFO",
    )
    log_format: str = _setting(
        "json: an object a line; text: for people; not given: text in embedded mode, else json.",
        values.one_of("json", "text"),
        "text",
    )
    metrics_token: str | None = _setting(
        "Bearer token that `GET /metrics` asks for, 16 characters or more; not given: none.",
        values.metrics_token,
        None,
        secret=True,
    )
    access_log_days: int = _setting(
        "Days that records of who read the past are kept.", values.number(1, 36_500), 730
    )
    export_hours: int = _setting(
        "Hours that an export can be downloaded.", values.number(1, 24 * 365), 24
    )
    rate_limit_enabled: bool = _setting(
        "Whether clients that ask too much are turned away: 1 or 0.", values.switch, True
    )
    rate_limit_reads: RateLimitItem = _setting(
        "How often one account may read, as in 20/second or 1000 per 5 minutes.",
        values.rate,
        values.rate("1200/minute"),
    )
    rate_limit_writes: RateLimitItem = _setting(
        "How often one account may write.", values.rate, values.rate("300/minute")
    )
    rate_limit_logins: RateLimitItem = _setting(
        "How often one e-mail may try to log in from one address.",
        values.rate,
        values.rate("10/minute"),
    )
    rate_limit_wider: int = _setting(
        "How many times as often one address may ask, for all accounts behind it together.",
        values.number(1, 1000),
        10,
    )
    trusted_proxies: tuple[Network, ...] = _setting(
        "Addresses or networks whose X-Forwarded-For and -Proto are believed; by commas.",
        values.several(values.network),
        (),
    )
    cors_origins: tuple[str, ...] = _setting(
        "Origins whose pages may call this from a browser, as in https://desk.example; by commas.",
        values.several(values.origin),
        (),
    )

    @property
    def embedded(self) -> bool:
        return self.database_url is None

    @property
    def feed_places(self) -> int:
        """Threads of one process that streams and waiting requests may hold: the other half
        is for everybody else."""
        return max(1, self.web_threads // 2)

    @property
    def jwt_keys(self) -> tuple[str, ...]:
        """The first signs, all are accepted. Empty in embedded mode until a key is made."""
        return (*filter(None, [self.jwt_secret_key]), *self.jwt_previous_secret_keys)

    @property
    def master_keys(self) -> tuple[bytes, ...]:
        """The first wraps, all unwrap. Empty in embedded mode until a key is made."""
        return (*filter(None, [self.master_key]), *self.master_previous_keys)

    def with_secrets(self) -> Settings:
        """These settings with both keys: in embedded mode those in DATA_DIR, unless given."""
        if self.jwt_secret_key and self.master_key:
            return self
        try:
            jwt_key, master_key = embedded_secrets(self.data_dir)
        except ValueError as error:
            raise WrongSetting(f"DATA_DIR: {error}") from error
        return replace(
            self,
            jwt_secret_key=self.jwt_secret_key or jwt_key,
            master_key=self.master_key or master_key,
        )

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """The settings in `environ`, else those of the environment and `.env`.

        Raises `WrongSetting` with everything that is wrong, not only the first.
        """
        given = {
            name: value.strip()
            for name, value in (_from_outside() if environ is None else environ).items()
            if value and value.strip()
        }
        good: dict[str, Any] = {}
        wrong: list[str] = []
        for declared in fields(cls):
            name = declared.name.upper()
            try:
                if name in given:
                    good[declared.name] = declared.metadata["read"](given[name])
                elif declared.name == "data_dir":
                    values.directory(str(declared.default))
            except ValueError as error:
                wrong.append(f"{name}: {error}")
        wrong += _together(given)
        if wrong:
            raise WrongSetting(*wrong)
        good.setdefault("demo", "DATABASE_URL" not in given)
        good.setdefault("log_format", "json" if "DATABASE_URL" in given else "text")
        return cls(**good)


def _from_outside() -> dict[str, str | None]:
    """No interpolation: a `$` in a password is a `$`."""
    try:
        return {**dotenv_values(".env", interpolate=False), **os.environ}
    except (OSError, UnicodeDecodeError) as error:
        raise WrongSetting(f".env: cannot be read ({error})") from error


def _together(given: Mapping[str, str]) -> list[str]:
    """What is wrong about settings that are right one by one."""
    wrong = [
        f"{missing}: expected together with {name}"
        for pair in (("DATABASE_URL", "REDIS_URL"), ("ADMIN_EMAIL", "ADMIN_PASSWORD"))
        for name, missing in (pair, pair[::-1])
        if name in given and missing not in given
    ]
    if "DATABASE_URL" in given:
        wrong += [
            f"{name}: expected together with DATABASE_URL, only embedded mode makes its own"
            for name in ("JWT_SECRET_KEY", "MASTER_KEY")
            if name not in given
        ]
    return wrong
