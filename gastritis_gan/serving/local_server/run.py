"""Runs the local server until it is told to stop."""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import signal
import threading
from collections.abc import Callable, Iterator, Sequence

from gastritis_gan.errors import InputError
from gastritis_gan.serving.local_server.http_server import HttpServer
from gastritis_gan.serving.local_server.servables import Servables
from gastritis_gan.serving.tf_serving import ServedModel


def run_local_server(
    models: Sequence[ServedModel],
    *,
    host: str,
    port: int,
    grpc_port: int,
    report: Callable[[str], None],
    on_ready: Callable[[str], None],
) -> None:
    """Serves models until SIGTERM or SIGINT, then finishes what was asked.

    gRPC is served where the package grpcio is installed.

    Args:
        models: What to serve.
        host: Address to listen on.
        port: Of the REST interface; 0 takes a free one.
        grpc_port: Of the gRPC interface; 0 takes a free one.
        report: Gets a sentence on each thing that is ready.
        on_ready: Gets the REST address, `http://host:port`, once the models are loaded.

    Raises:
        InputError: A port cannot be used, or no model can be loaded.
    """
    servables = Servables(models)
    with contextlib.ExitStack() as stack:
        told_to_stop = stack.enter_context(_signals())
        http = HttpServer(servables, host=host, port=port)
        stack.callback(http.stop)
        address = f"http://{host}:{http.port}"
        report(f"REST: {address}/v1/models/NAME")
        if importlib.util.find_spec("grpc"):
            from gastritis_gan.serving.local_server.grpc_server import GrpcServer

            grpc = GrpcServer(servables, host=host, port=grpc_port)
            stack.callback(grpc.stop)
            report(f"gRPC: {host}:{grpc.port}")
        for model in models:
            if told_to_stop.is_set():
                return
            for servable in servables.load(model.name):
                state = servable.error or servable.state.name
                report(f"{servable.model}, version {servable.version}: {state}")
        if not servables.any_available():
            raise InputError("no model could be loaded; nothing can be served.")
        gc.freeze()  # else the lists of a large reply set off searches of TensorFlow's
        on_ready(address)
        told_to_stop.wait()


@contextlib.contextmanager
def _signals() -> Iterator[threading.Event]:
    told_to_stop = threading.Event()
    earlier = {
        number: signal.signal(number, lambda *_: told_to_stop.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield told_to_stop
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
