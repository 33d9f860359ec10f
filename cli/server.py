"""The HTTP server around the application."""

from __future__ import annotations

import os
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from prometheus_client.multiprocess import mark_process_dead

from api.app import create_app
from cli.patience import PatientWorker
from infrastructure import metrics
from infrastructure.runtime import Runtime, open_runtime
from infrastructure.settings import Settings

GRACE_SECONDS = 20
KEEPALIVE_SECONDS = 15
LINE_MAX_BYTES = HEADER_MAX_BYTES = 8190
HEADERS_MAX = 100


class Log(Logger):
    """What gunicorn has to say goes where everything else goes."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class Server(BaseApplication):
    """Gunicorn, told what to do by our settings."""

    def __init__(self, settings: Settings, address: str) -> None:
        self.settings, self._address = settings, address
        self._runtime: Runtime | None = None
        super().__init__()

    def load_config(self) -> None:
        settings = self.settings
        options: dict[str, Any] = dict(
            bind=self._address,
            workers=1 if settings.embedded else settings.web_concurrency,
            worker_class=PatientWorker,
            logger_class=f"{__name__}.{Log.__name__}",
            threads=settings.web_threads,
            graceful_timeout=GRACE_SECONDS,
            keepalive=KEEPALIVE_SECONDS,
            limit_request_line=LINE_MAX_BYTES,
            limit_request_fields=HEADERS_MAX,
            limit_request_field_size=HEADER_MAX_BYTES,
            # Who is trusted to forward is our own setting (api/callers.py).
            forwarded_allow_ips="",
            loglevel=settings.log_level.lower(),
            on_starting=_share_metrics,
            post_worker_init=self._started,
            worker_exit=self._exit,
            child_exit=_forget_process,
            on_exit=_drop_metrics,
            # Answers come from this program alone; the version of the server is nobody's business.
            proc_name="mechanic-shop",
            # It would lie in the home directory, where the next server takes it away.
            control_socket_disable=True,
        )
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """In each worker process, after the fork."""
        self._runtime = open_runtime(self.settings)
        self._runtime.start()
        return create_app(self._runtime)

    def _started(self, worker: Any) -> None:
        """Streams hold threads that the worker would wait for when it is asked to end."""
        if self._runtime is not None:
            self._runtime.tailer.close_when(lambda: not worker.alive)

    def _exit(self, server: object, worker: object) -> None:
        if self._runtime is not None:
            self._runtime.close()


def _share_metrics(_: object) -> None:
    """In the first process, before any is forked: a place where all of them count."""
    os.environ[metrics.DIRECTORY] = mkdtemp(prefix="mechanic-shop-metrics-")


def _forget_process(_: object, worker: Any) -> None:
    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def _drop_metrics(_: object) -> None:
    rmtree(os.environ.pop(metrics.DIRECTORY), ignore_errors=True)
