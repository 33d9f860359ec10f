"""A Falcon route that does nothing: what the server and the framework cost."""

from __future__ import annotations

from typing import Any

import falcon

BODY = b'{"id":"0197f7a0-0000-7000-8000-000000000000","version":1}'


class Nothing:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.data, resp.content_type = BODY, falcon.MEDIA_JSON


def create_app() -> Any:
    app: Any = falcon.App()
    app.add_route("/v1/nothing", Nothing())
    return app
