"""The C library OpenJPEG, of which pydicom's plugins decode whole images only.

OpenJPEG can decode some rows at a time, but works on 32 bits a pixel, so that a whole
image costs four times an 8-bit one beside the result. No Python package offers the
first; the library itself is there wherever Pillow reads JPEG 2000, for Pillow is linked
to it.
"""

from __future__ import annotations

import ctypes
import functools
import types
from typing import BinaryIO

import numpy as np
from PIL import _imaging

_CODESTREAM = 0  # OPJ_CODEC_J2K
_STREAM_BUFFER_BYTES = 1 << 16
_PARAMETERS_BYTES = 1 << 14  # more than opj_dparameters_t has
_END = ctypes.c_size_t(-1).value

_Read = ctypes.CFUNCTYPE(
    ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p
)
_Skip = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
_Seek = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int64, ctypes.c_void_p)
_Message = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_void_p)


class _Component(ctypes.Structure):  # opj_image_comp_t
    _fields_ = (
        *(
            (name, ctypes.c_uint32)
            for name in (
                *("dx", "dy", "width", "height", "x0", "y0"),
                *("precision", "bpp", "is_signed", "resolution", "factor"),
            )
        ),
        ("data", ctypes.POINTER(ctypes.c_int32)),
        ("alpha", ctypes.c_uint16),
    )


class _Image(ctypes.Structure):  # opj_image_t
    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("x0", "y0", "x1", "y1", "components")),
        ("colour_space", ctypes.c_int),
        ("component", ctypes.POINTER(_Component)),
        ("icc_profile", ctypes.c_void_p),
        ("icc_profile_bytes", ctypes.c_uint32),
    )


_ImagePointer = ctypes.POINTER(_Image)
_POINTER, _INT = ctypes.c_void_p, ctypes.c_int
_FUNCTIONS = {  # openjpeg.h: the result, the arguments
    "stream_create": (_POINTER, ctypes.c_size_t, _INT),
    "stream_destroy": (None, _POINTER),
    "stream_set_read_function": (None, _POINTER, _Read),
    "stream_set_skip_function": (None, _POINTER, _Skip),
    "stream_set_seek_function": (None, _POINTER, _Seek),
    "stream_set_user_data_length": (None, _POINTER, ctypes.c_uint64),
    "create_decompress": (_POINTER, _INT),
    "destroy_codec": (None, _POINTER),
    "set_error_handler": (_INT, _POINTER, _Message, _POINTER),
    "set_default_decoder_parameters": (None, _POINTER),
    "setup_decoder": (_INT, _POINTER, _POINTER),
    "read_header": (_INT, _POINTER, _POINTER, ctypes.POINTER(_ImagePointer)),
    "set_decode_area": (_INT, _POINTER, _ImagePointer, *4 * (ctypes.c_int32,)),
    "decode": (_INT, _POINTER, _POINTER, _ImagePointer),
    "image_destroy": (None, _ImagePointer),
}


class OpenJpegDecoder:
    """Decodes parts of a JPEG 2000 codestream of one component; use it in `with`.

    Of a codestream with one tile every part can be asked for, one after another; what a
    part shares with the one before it is decoded once. Of one with several tiles a
    decoder gives one part.

    Args:
        codestream: A file that is read as needed.
        start: Where the codestream begins in it.
        size: Where it ends.

    Raises:
        ImportError: Pillow is not linked to OpenJPEG.
        ValueError: The header is damaged.
    """

    def __init__(self, codestream: BinaryIO, *, start: int, size: int) -> None:
        self._file, self._start, self._size = codestream, start, size
        self._position = start
        self._messages: list[str] = []
        self._callbacks = (  # kept, for C calls them
            _Read(self._read),
            _Skip(self._skip),
            _Seek(self._seek),
            _Message(self._note),
        )
        self._image = _ImagePointer()
        library = self._library = _library()
        self._stream = library.stream_create(_STREAM_BUFFER_BYTES, True)
        self._codec = library.create_decompress(_CODESTREAM)
        read, skip, seek, note = self._callbacks
        library.stream_set_read_function(self._stream, read)
        library.stream_set_skip_function(self._stream, skip)
        library.stream_set_seek_function(self._stream, seek)
        library.stream_set_user_data_length(self._stream, size - start)
        library.set_error_handler(self._codec, note, None)
        parameters = ctypes.create_string_buffer(_PARAMETERS_BYTES)
        library.set_default_decoder_parameters(parameters)
        try:
            self._check(library.setup_decoder(self._codec, parameters))
            self._check(
                library.read_header(
                    self._stream, self._codec, ctypes.byref(self._image)
                )
            )
            if self._component().dx != 1 or self._component().dy != 1:
                raise ValueError("the component is subsampled")
            # of all of it; later the image is what was decoded last
            self._origin = self._image.contents.x0, self._image.contents.y0
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> OpenJpegDecoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives the library's memory back."""
        self._library.image_destroy(self._image)
        self._library.destroy_codec(self._codec)
        self._library.stream_destroy(self._stream)

    def area(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """Decodes the pixels from row `top` and column `left` to before the others.

        Returns:
            ndarray of int32 of shape (bottom - top, right - left); it holds until the
            decoder is used again or closed.

        Raises:
            ValueError: The codestream is damaged.
        """
        x0, y0 = self._origin
        corners = (x0 + left, y0 + top, x0 + right, y0 + bottom)
        library = self._library
        self._check(library.set_decode_area(self._codec, self._image, *corners))
        self._check(library.decode(self._codec, self._stream, self._image))
        component = self._component()
        shape = (component.height, component.width)
        if shape != (bottom - top, right - left) or not component.data:
            raise ValueError("the codestream has no pixels for a part of the image")
        return np.ctypeslib.as_array(component.data, shape)

    def _component(self) -> _Component:
        component: _Component = self._image.contents.component[0]
        return component

    def _check(self, is_fine: int) -> None:
        if not is_fine:
            raise ValueError("; ".join(self._messages) or "OpenJPEG gives no reason")

    def _note(self, message: bytes, _: object) -> None:
        self._messages.append(message.decode("utf-8", "replace").strip())

    def _read(self, buffer: int, num_bytes: int, _: object) -> int:
        num_bytes = min(num_bytes, self._size - self._position)
        if num_bytes <= 0:
            return _END
        self._file.seek(self._position)
        target = (ctypes.c_char * num_bytes).from_address(buffer)
        num_read: int = self._file.readinto(target)  # type: ignore[attr-defined]
        self._position += num_read
        return num_read or _END

    def _skip(self, num_bytes: int, _: object) -> int:
        self._position += num_bytes
        return num_bytes

    def _seek(self, position: int, _: object) -> bool:
        self._position = self._start + position
        return True


@functools.cache
def _library() -> types.SimpleNamespace:
    """Returns the functions of the library that Pillow is linked to."""
    try:
        library = ctypes.CDLL(_imaging.__file__)
        functions = {name: getattr(library, f"opj_{name}") for name in _FUNCTIONS}
    except (AttributeError, OSError):
        raise ImportError("Pillow is not linked to OpenJPEG") from None
    for name, (result, *arguments) in _FUNCTIONS.items():
        functions[name].restype = result
        functions[name].argtypes = arguments
    return types.SimpleNamespace(**functions)
