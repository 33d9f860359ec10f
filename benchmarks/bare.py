"""A Falcon route that does nothing: what the server and the framework cost."""

from __future__ import annotations

from typing import Any

import falcon

from cli.patience import PatientWorker

BODY = b'{"id":"0197f7a0-0000-7000-8000-000000000000","version":1}'


class Nothing:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.data, resp.content_type = BODY, falcon.MEDIA_JSON


class Staying(PatientWorker):
    """The worker class of this service, around any application."""

    def _seconds(self) -> float:
        return 10.0


def create_app() -> Any:
    app: Any = falcon.App()
    app.add_route("/v1/nothing", Nothing())
    return app
