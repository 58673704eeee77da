"""Runs a SavedModel through TensorFlow's C++ loader, without its Python or Keras.

`TF_LoadSessionFromSavedModel` and `TF_SessionRun` are what TensorFlow Serving calls
under its network code. Usage: `cpp_loader.py VERSION_FOLDER REQUESTS.npz REPLIES.npz`,
where the arrays of both files are named `signature/tensor`; a string output is one
array of bytes per row, named `signature/tensor/row`.
"""

import ctypes
import importlib.util
import pathlib
import sys

import numpy as np

for blocked in ("keras", "gastritis_gan"):
    sys.modules[blocked] = None

P = ctypes.c_void_p
STRING = 7
DTYPES = {1: np.float32, 4: np.uint8, 9: np.int64}
CODES = {np.dtype(dtype): code for code, dtype in DTYPES.items()}


class Buffer(ctypes.Structure):
    _fields_ = [("data", P), ("length", ctypes.c_size_t), ("deallocator", P)]


class Output(ctypes.Structure):
    _fields_ = [("operation", P), ("index", ctypes.c_int)]


def load_library():
    package = importlib.util.find_spec("tensorflow").submodule_search_locations[0]
    return ctypes.CDLL(str(pathlib.Path(package) / "libtensorflow_cc.so.2"))


try:
    TF = load_library()
    disable_xla = TF._ZN10tensorflow21DisableXlaCompilationEv
except (AttributeError, OSError) as error:  # another build of TensorFlow
    sys.stderr.write(str(error))
    sys.exit(77)

RESULTS_AND_ARGUMENTS = {
    "TF_NewStatus": (P, []),
    "TF_GetCode": (ctypes.c_int, [P]),
    "TF_Message": (ctypes.c_char_p, [P]),
    "TF_NewGraph": (P, []),
    "TF_NewSessionOptions": (P, []),
    "TF_NewBuffer": (ctypes.POINTER(Buffer), []),
    "TF_LoadSessionFromSavedModel": (
        P,
        [P, P, ctypes.c_char_p, P, ctypes.c_int, P, P, P],
    ),
    "TF_GraphOperationByName": (P, [P, ctypes.c_char_p]),
    "TF_AllocateTensor": (P, [ctypes.c_int, P, ctypes.c_int, ctypes.c_size_t]),
    "TF_TensorData": (P, [P]),
    "TF_TensorType": (ctypes.c_int, [P]),
    "TF_NumDims": (ctypes.c_int, [P]),
    "TF_Dim": (ctypes.c_int64, [P, ctypes.c_int]),
    "TF_SessionRun": (
        None,
        [P, P, P, P, ctypes.c_int, P, P, ctypes.c_int, P, ctypes.c_int, P, P],
    ),
    "TF_StringGetDataPointer": (P, [P]),
    "TF_StringGetSize": (ctypes.c_size_t, [P]),
}
for name, (result, arguments) in RESULTS_AND_ARGUMENTS.items():
    getattr(TF, name).restype = result
    getattr(TF, name).argtypes = arguments


def checked(status):
    if TF.TF_GetCode(status):
        sys.exit(f"[{TF.TF_GetCode(status)}] {TF.TF_Message(status).decode()}")


def fields(message):
    """Yields (field number, bytes) of a protocol buffer's length-delimited fields."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        kind = key & 7
        if kind == 0:
            varint()
            continue
        size = varint() if kind == 2 else {1: 8, 5: 4}[kind]
        if kind == 2:
            yield key >> 3, message[at : at + size]
        at += size


def mapping(message, number):
    """Returns a map field as {key: value bytes}."""
    entries = [dict(fields(value)) for key, value in fields(message) if key == number]
    return {entry[1].decode(): entry.get(2, b"") for entry in entries}


def tensor_names(signature, side):
    return {
        key: dict(fields(info))[1].decode()
        for key, info in mapping(signature, side).items()
    }


def endpoint(graph, name):
    operation, index = name.rsplit(":", 1)
    return Output(TF.TF_GraphOperationByName(graph, operation.encode()), int(index))


def to_tensor(array):
    shape = (ctypes.c_int64 * array.ndim)(*array.shape)
    tensor = TF.TF_AllocateTensor(CODES[array.dtype], shape, array.ndim, array.nbytes)
    ctypes.memmove(TF.TF_TensorData(tensor), array.tobytes(), array.nbytes)
    return tensor


def to_arrays(tensor):
    """Yields (suffix of the name, array)."""
    shape = [TF.TF_Dim(tensor, axis) for axis in range(TF.TF_NumDims(tensor))]
    data = TF.TF_TensorData(tensor)
    if TF.TF_TensorType(tensor) == STRING:
        for row in range(shape[0]):
            at = data + 24 * row  # sizeof(TF_TString)
            pointer, size = TF.TF_StringGetDataPointer(at), TF.TF_StringGetSize(at)
            yield f"/{row}", np.frombuffer(ctypes.string_at(pointer, size), np.uint8)
    else:
        dtype = np.dtype(DTYPES[TF.TF_TensorType(tensor)])
        content = ctypes.string_at(data, int(np.prod(shape)) * dtype.itemsize)
        yield "", np.frombuffer(content, dtype).reshape(shape)


def main(folder, requests_path, replies_path):
    disable_xla()  # as the server's main() does
    status, graph, buffer = TF.TF_NewStatus(), TF.TF_NewGraph(), TF.TF_NewBuffer()
    tags = (ctypes.c_char_p * 1)(b"serve")
    session = TF.TF_LoadSessionFromSavedModel(
        TF.TF_NewSessionOptions(), None, folder.encode(), tags, 1, graph, buffer, status
    )
    checked(status)
    meta_graph = ctypes.string_at(buffer.contents.data, buffer.contents.length)
    signatures = mapping(meta_graph, 5)
    with np.load(requests_path, allow_pickle=False) as file:
        requests = dict(file)
    replies = {}
    for signature in sorted({name.split("/")[0] for name in requests}):
        input_names = tensor_names(signatures[signature], 1)
        output_names = tensor_names(signatures[signature], 2)
        inputs = [endpoint(graph, name) for name in input_names.values()]
        values = [to_tensor(requests[f"{signature}/{key}"]) for key in input_names]
        outputs = [endpoint(graph, name) for name in output_names.values()]
        results = (P * len(outputs))()
        TF.TF_SessionRun(
            session,
            None,
            (Output * len(inputs))(*inputs),
            (P * len(values))(*values),
            len(inputs),
            (Output * len(outputs))(*outputs),
            results,
            len(outputs),
            None,
            0,
            None,
            status,
        )
        checked(status)
        for key, result in zip(output_names, results, strict=True):
            for suffix, array in to_arrays(result):
                replies[f"{signature}/{key}{suffix}"] = array
    np.savez(replies_path, **replies)


main(*sys.argv[1:])
