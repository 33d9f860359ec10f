"""The guide in docs/consumers.md, walked command by command against the service as it runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from tests.examples.service import Service
from tests.process import ROOT
from tests.programs import needs
from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD


def snippets(url: str) -> str:
    """The commands of the guide, with the values that a reader puts in."""
    guide = (ROOT / "docs" / "consumers.md").read_text()
    script = "".join(re.findall(r"^```sh\n(.*?)^```$", guide, re.DOTALL | re.MULTILINE))
    for name, value in (("URL", url), ("EMAIL", ADMIN_EMAIL), ("PASSWORD", ADMIN_PASSWORD)):
        script, found = re.subn(rf"^{name}=.*$", f"{name}='{value}'", script, flags=re.MULTILINE)
        assert found == 1, f"the guide sets {name} once"
    # What is piped to the end must fail where any part of it does.
    return f"set -e -o pipefail\n{script.replace('python3 examples', f'{sys.executable} examples')}"


@needs("curl")
def test_the_guide_leads_where_it_says(service: Service) -> None:
    with closing(service.client()) as http:
        part = {"part_number": "P-1", "name": "A part", "unit_price_cents": 100}
        http.post("/v1/inventory", json=part).raise_for_status()

    walked = subprocess.run(
        ["bash", "-c", snippets(service.url)],
        cwd=ROOT,
        env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )

    assert walked.returncode == 0, walked.stdout + walked.stderr
    said = walked.stdout
    assert said.count('"type":"account.registered"') >= 1
    assert '"sequence":"0000000000000000003"' in said
    assert re.search(r"\]1$", said, re.MULTILINE), "one line of inventory"
    assert '"name":"report"' in said
    assert '"lag_events":0' in said
    assert re.search(r"\d+ \S+Z inventory\.item-added \S+$", said, re.MULTILINE), "it followed"
