"""A server with a certificate: what is said to it is encrypted, and whom to believe is said
by the URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from infrastructure.database import Database
from tests.servers import MariaDB


class Encrypted(MariaDB):
    def _command(self) -> list[str]:
        certificate = make_certificate(self.directory)
        key = certificate.with_suffix(".key")
        return [*super()._command(), f"--ssl-cert={certificate}", f"--ssl-key={key}"]


def make_certificate(directory: Path) -> Path:
    """One that vouches for itself, with its key beside it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a server of the tests")])
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    key, now = generate_private_key(SECP256R1()), datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(here, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    file = directory / "certificate"
    file.write_bytes(made.public_bytes(Encoding.PEM))
    plain = PrivateFormat.PKCS8, NoEncryption()
    file.with_suffix(".key").write_bytes(key.private_bytes(Encoding.PEM, *plain))
    return file


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MariaDB]:
    server = Encrypted.start(tmp_path / "server")
    yield server
    server.destroy()


def seen(server: MariaDB, certificate: Path | None = None) -> list[tuple[int, str]]:
    """Twice what the server says: the number of the connection, and its cipher."""
    url = make_url(server.create_database("shop"))
    if certificate is not None:
        url = url.update_query_dict({"ssl_ca": str(certificate)})
    found = list[tuple[int, str]]()
    with closing(Database(url)) as database:
        database.ping(3)
        for _ in range(2):
            with database.reading() as connection:
                number = connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
                status = connection.exec_driver_sql("SHOW STATUS LIKE 'Ssl_cipher'").one()
                found.append((number, status[1]))
    return found


def test_it_is_talked_to_encrypted_on_a_connection_that_is_kept(server: MariaDB) -> None:
    first, again = seen(server)

    assert first == again
    assert first[1] != ""


def test_it_is_believed_where_the_url_names_its_certificate(server: MariaDB) -> None:
    ((_, cipher), _) = seen(server, server.directory / "certificate")

    assert cipher != ""


def test_it_is_not_believed_where_the_url_names_another(server: MariaDB, tmp_path: Path) -> None:
    with pytest.raises(OperationalError, match="CERTIFICATE_VERIFY_FAILED"):
        seen(server, make_certificate(tmp_path))
