"""TensorFlow Serving's gRPC interface: Predict, GetModelMetadata, GetModelStatus."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from gastritis_gan.errors import InputError
from gastritis_gan.serving.local_server.json_request import DEFAULT_SIGNATURE
from gastritis_gan.serving.local_server.model_spec import ModelSpec
from gastritis_gan.serving.local_server.request_error import Code, RequestError
from gastritis_gan.serving.local_server.servable import Servable, State
from gastritis_gan.serving.local_server.servables import Servables
from gastritis_gan.serving.warmup import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    GetModelStatusRequest,
    GetModelStatusResponse,
    PredictRequest,
    PredictResponse,
    SignatureDefMap,
    from_entries,
    to_entries,
)

_NUM_THREADS = 8
_MAX_CALLS = 64  # running or waiting; further ones get RESOURCE_EXHAUSTED
_MAX_REQUEST_BYTES = 4 << 20
_MAX_ERROR_LENGTH = 1024
_UNKNOWN = 2  # error code of a version that could not be loaded
_METADATA_TYPE = "type.googleapis.com/tensorflow.serving.SignatureDefMap"
_STATUS_OF_CODE = {status.value[0]: status for status in grpc.StatusCode}

Call = Callable[[Servables, Any], Any]


class GrpcServer:
    """Answers gRPC requests on threads of its own until it is stopped.

    Args:
        servables: The models.
        host: Address to listen on.
        port: 0 takes a free one.

    Raises:
        InputError: The address cannot be used.
    """

    def __init__(self, servables: Servables, *, host: str, port: int) -> None:
        self._server = grpc.server(
            concurrent.futures.ThreadPoolExecutor(_NUM_THREADS),
            options=[
                ("grpc.max_receive_message_length", _MAX_REQUEST_BYTES),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),
            ],
            maximum_concurrent_rpcs=_MAX_CALLS,
        )
        for service, calls in _SERVICES.items():
            handlers = {
                name: grpc.unary_unary_rpc_method_handler(
                    _handler(servables, call, request_type),
                    response_serializer=lambda reply: reply.SerializeToString(),
                )
                for name, (call, request_type) in calls.items()
            }
            self._server.add_generic_rpc_handlers(
                [grpc.method_handlers_generic_handler(service, handlers)]
            )
        try:
            self.port: int = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            raise InputError(
                f"the server cannot listen on {host}:{port}; choose another "
                "--grpc-port, or 0 for a free one."
            ) from error
        self._server.start()

    def stop(self, grace_seconds: float = 30.0) -> None:
        """Takes no new call and finishes those at hand."""
        self._server.stop(grace_seconds).wait()


def _handler(servables: Servables, call: Call, request_type: Any) -> Any:
    def handle(content: bytes, context: Any) -> Any:
        try:
            return call(servables, request_type.FromString(content))
        except RequestError as error:
            code, message = error.code, str(error)
        except (DecodeError, ValueError, TypeError) as error:
            code, message = Code.INVALID_ARGUMENT, f"Cannot be read: {error}"
        return context.abort(_STATUS_OF_CODE[code], message[:_MAX_ERROR_LENGTH])

    return handle


def _predict(servables: Servables, request: Any) -> Any:
    servable, session = servables.available(_spec(request.model_spec))
    signature = request.model_spec.signature_name or DEFAULT_SIGNATURE
    definition = session.signatures.get(signature)
    if definition is None:
        raise RequestError(
            Code.FAILED_PRECONDITION, f'Serving signature key "{signature}" not found.'
        )
    inputs = from_entries(request.inputs)
    if inputs.keys() != definition.inputs.keys() or not inputs:
        raise RequestError(
            Code.INVALID_ARGUMENT,
            f"input names are {sorted(inputs)}; expected {sorted(definition.inputs)}",
        )
    outputs = servables.predict(session, signature, inputs)
    wanted = list(request.output_filter) or list(outputs)
    if not set(wanted) <= outputs.keys():
        raise RequestError(Code.INVALID_ARGUMENT, f"output names are {sorted(outputs)}")
    return PredictResponse(
        outputs=to_entries({name: outputs[name] for name in wanted}),
        model_spec=_describe(servable, signature),
    )


def _metadata(servables: Servables, request: Any) -> Any:
    if list(request.metadata_field) != ["signature_def"]:
        raise RequestError(
            Code.INVALID_ARGUMENT,
            f"Metadata field {list(request.metadata_field)} is not supported",
        )
    servable, session = servables.available(_spec(request.model_spec))
    signatures = SignatureDefMap(
        signature_def=[
            {"key": name, "value": definition.SerializeToString()}
            for name, definition in session.signatures.items()
        ]
    )
    content = {"type_url": _METADATA_TYPE, "value": signatures.SerializeToString()}
    return GetModelMetadataResponse(
        model_spec=_describe(servable, ""),
        metadata=[{"key": "signature_def", "value": content}],
    )


def _status(servables: Servables, request: Any) -> Any:
    return GetModelStatusResponse(
        model_version_status=[
            {
                "version": servable.version,
                "state": int(servable.state),
                "status": {
                    "error_code": _UNKNOWN if servable.state == State.END else 0,
                    "error_message": servable.error,
                },
            }
            for servable in servables.versions(_spec(request.model_spec))
        ]
    )


def _spec(spec: Any) -> ModelSpec:
    return ModelSpec(
        spec.name,
        spec.version.value if spec.HasField("version") else None,
        spec.version_label or None,
    )


def _describe(servable: Servable, signature: str) -> dict[str, Any]:
    return {
        "name": servable.model,
        "version": {"value": servable.version},
        "signature_name": signature,
    }


_SERVICES: dict[str, dict[str, tuple[Call, Any]]] = {
    "tensorflow.serving.PredictionService": {
        "Predict": (_predict, PredictRequest),
        "GetModelMetadata": (_metadata, GetModelMetadataRequest),
    },
    "tensorflow.serving.ModelService": {
        "GetModelStatus": (_status, GetModelStatusRequest),
    },
}
