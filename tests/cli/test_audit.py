"""`mechanic-shop audit`, and the auditor's guide walked command by command."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text, update

from infrastructure.runtime import Runtime
from infrastructure.transparency.tables import log_keys
from infrastructure.transparency.verifier import Key, open_checkpoint
from tests.cli.conftest import Ask
from tests.infrastructure.transparency.past import catch_up, go_on, happen
from tests.process import KEYS, ROOT
from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, Api


@pytest.fixture
def held(runtime: Runtime, tmp_path: Path) -> Path:
    happen(runtime)
    file = tmp_path / "held.txt"
    file.write_text(catch_up(runtime))
    return file


def edit(runtime: Runtime) -> None:
    with runtime.database.transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE events SET topic = 'ticket.voided' WHERE topic = 'ticket.closed'"
        )


def test_the_checkpoint_printed_is_up_to_date(
    ask: Ask, embedded: dict[str, str], runtime: Runtime
) -> None:
    last = happen(runtime)

    answer = ask("audit", "checkpoint", settings=embedded)
    keys = ask("audit", "keys", settings=embedded).stdout.split()

    assert answer.exit_code == 0
    assert open_checkpoint(answer.stdout, [Key.parse(keys[0])]).size == last


def test_a_whole_log_is_told_so(
    ask: Ask, embedded: dict[str, str], runtime: Runtime, held: Path
) -> None:
    go_on(runtime)
    catch_up(runtime)

    plain = ask("audit", "check", settings=embedded)
    against = ask("audit", "check", "--against", str(held), settings=embedded)
    told = ask("audit", "check", "--against", str(held), "--json", settings=embedded)

    assert (plain.exit_code, against.exit_code, told.exit_code) == (0, 0, 0)
    assert "events are as they were logged" in plain.stdout
    assert "continues the checkpoint held" in against.stdout
    assert json.loads(told.stdout)["faults"] == []
    assert json.loads(told.stdout)["size"] == runtime.feed.position()


def test_an_edited_event_is_named_and_the_exit_code_says_so(
    ask: Ask, embedded: dict[str, str], runtime: Runtime, held: Path
) -> None:
    edit(runtime)

    plain = ask("audit", "check", "--against", str(held), settings=embedded)
    told = ask("audit", "check", "--json", settings=embedded)

    assert (plain.exit_code, told.exit_code) == (1, 1)
    assert re.search(
        r"the event at position \d+ \(ticket\.voided, version \d+ of [0-9a-f-]{36}\) is not what "
        r"was logged: its columns and its stored bytes disagree on topic",
        plain.stdout,
    )
    fault = json.loads(told.stdout)["faults"][0]
    assert {"says", "position", "stream_id", "version"} == fault.keys()
    assert fault["position"] > 0


def test_a_key_that_is_not_the_logs_is_a_fault(
    ask: Ask, embedded: dict[str, str], held: Path
) -> None:
    stranger = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"

    answer = ask("audit", "check", "--key", stranger, settings=embedded)
    nonsense = ask("audit", "check", "--key", "nonsense", settings=embedded)

    assert answer.exit_code == nonsense.exit_code == 1
    assert "none of the keys" in answer.stdout
    assert "no Ed25519 public key" in nonsense.stdout


def test_a_head_that_is_none_is_told_in_a_sentence(
    ask: Ask, embedded: dict[str, str], runtime: Runtime, held: Path
) -> None:
    with runtime.database.transaction() as connection:
        connection.exec_driver_sql("UPDATE log_head SET size = 'many'")

    checked = ask("audit", "check", "--against", str(held), settings=embedded)
    told = ask("audit", "check", "--json", settings=embedded)
    made = ask("audit", "checkpoint", settings=embedded)

    assert (checked.exit_code, told.exit_code, made.exit_code) == (1, 1, 1)
    assert checked.stdout.splitlines() == ["the head of the log holds what none can"]
    assert json.loads(told.stdout)["checkpoint"] is None
    assert made.stderr.splitlines()[-1] == "Error: the head of the log holds what none can"


@pytest.mark.parametrize("column", ["key_id", "made_at", "retired_at"])
def test_keys_that_are_none_are_told_in_a_sentence(
    ask: Ask, embedded: dict[str, str], runtime: Runtime, held: Path, column: str
) -> None:
    with runtime.database.transaction() as connection:
        connection.execute(update(log_keys).values({column: text("'none'")}))

    answer = ask("audit", "keys", settings=embedded)

    assert answer.exit_code == 1
    assert answer.stderr.splitlines()[-1].startswith("Error: a key of the log is none any more")


def test_a_signer_is_added_and_the_old_one_retires(
    ask: Ask, embedded: dict[str, str], runtime: Runtime, held: Path
) -> None:
    (old,) = runtime.transparency_log.signers.published()

    alone = ask("keys", "retire-signer", old.key_id, settings=embedded)
    added = ask("keys", "add-signer", settings=embedded)
    retired = ask("keys", "retire-signer", old.key_id, settings=embedded)
    again = ask("keys", "retire-signer", old.key_id, settings=embedded)
    nonsense = ask("keys", "retire-signer", "nonsense", settings=embedded)

    codes = [answer.exit_code for answer in (alone, added, retired, again, nonsense)]
    assert codes == [1, 0, 0, 1, 1]
    assert nonsense.stderr == "Error: a key id is hexadecimal; 'nonsense' is none\n"
    assert "only active key" in alone.stderr
    new = runtime.transparency_log.signers.active()[0]
    assert open_checkpoint(runtime.transparency_log.head().note, [new])
    checked = ask("audit", "check", "--against", str(held), settings=embedded)
    assert checked.exit_code == 0, checked.stdout
    assert "retired" in ask("audit", "keys", settings=embedded).stdout


def test_another_shops_master_key_wraps_no_key_of_the_log(
    ask: Ask, embedded: dict[str, str], runtime: Runtime, held: Path
) -> None:
    runtime.keyring.digest(b"")
    other = embedded | {"MASTER_KEY": "dz3XG83uQ2d04fFTBl1PhZCUHP/1eNeXm41nkn8s1KU="}

    answer = ask("keys", "add-signer", settings=other)

    assert answer.exit_code == 1
    assert "MASTER_KEY" in answer.stderr
    assert len(runtime.transparency_log.signers.published()) == 1


def test_a_checkpoint_held_that_is_no_text_is_a_fault(
    ask: Ask, embedded: dict[str, str], held: Path, tmp_path: Path
) -> None:
    (tmp_path / "held").write_bytes(b"\xff\xfe")

    answer = ask("audit", "check", "--against", "held", settings=embedded)

    assert answer.exit_code == 1
    assert "no signed note" in answer.stdout


def test_evidence_that_is_none_fails(ask: Ask, embedded: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "bundle").write_text("{}")

    answer = ask("audit", "verify", "bundle", settings=embedded)
    told = ask("audit", "verify", "bundle", "--json", settings=embedded)

    assert (answer.exit_code, told.exit_code) == (1, 1)
    assert answer.stdout.splitlines()[-1] == "NOT VERIFIED"
    assert json.loads(told.stdout)["verified"] is False


def guide() -> list[str]:
    """Every command of the auditor's guide."""
    text = (ROOT / "docs" / "auditing.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()]


def test_every_command_of_the_guide_does_what_it_says(tmp_path: Path) -> None:
    api = Api.start(tmp_path / "api", ADMIN_EMAIL=ADMIN_EMAIL, ADMIN_PASSWORD=ADMIN_PASSWORD)
    with closing(api.client()) as client:
        tickets = client.get("/v1/tickets?limit=1").raise_for_status().json()
        values = {
            "URL": api.url,
            "TOKEN": client.headers["Authorization"].removeprefix("Bearer "),
            "TICKET": tickets["items"][0]["id"],
            **_key_of(client),
        }
        printed = {line: _walk(line, values, api, tmp_path) for line in guide()}
    api.stop()

    assert len(printed) == 19
    for line, said in printed.items():
        if "forged.json --key" in line:
            assert re.search(
                r"version 1, is not what the log holds there\nNOT VERIFIED$", said.strip()
            )
        elif line.startswith("KEY="):
            assert said == values["KEY"]
        elif "evidence.json" in line and "verif" in line:
            assert said.splitlines()[-1] == "verified", said
        elif "DATA_DIR=copy" in line:
            assert "(ticket.voided, version" in said
        elif "--json" in line:
            assert json.loads(said)["faults"] == []
        elif "audit check " in line:
            assert "continues the checkpoint held" in said
        elif "base64" in line:
            assert '"type":"ticket.opened"' in said


def _key_of(client: httpx.Client) -> dict[str, str]:
    (key,) = client.get("/v1/log/keys").raise_for_status().json()["items"]
    return {"KEY": key["public_key"], "OLD_KEY_ID": key["key_id"]}


def _walk(line: str, values: dict[str, Any], api: Api, directory: Path) -> str:
    """As a shell does, with this Python and this code behind the names."""
    python = shlex.quote(sys.executable)
    line = re.sub(r"\bmechanic-shop(?= audit| keys)", f"{python} -m cli", line)
    line = re.sub(r"^python infrastructure", f"{python} {ROOT}/infrastructure", line)
    line += '; printf "$KEY"' if line.startswith("KEY=") else ""
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **KEYS, **values}
    environment["DATA_DIR"] = str(api.directory)
    walked = subprocess.run(
        ["sh", "-e", "-c", line], cwd=directory, env=environment, capture_output=True, text=True
    )
    caught = "forged.json --key" in line or "DATA_DIR=copy" in line
    assert walked.returncode == caught, f"{line}\n{walked.stdout}{walked.stderr}"
    return walked.stdout
