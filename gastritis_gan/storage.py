"""Files that are either complete or absent, whoever is interrupted while writing them.

Everything is written beside its place and then renamed: single files (`new_file`,
`write_bytes`, `write_json`), whole folders (`new_folder`) and arrays (`ArrayFolder`,
`kept_array`). Work of hours grows in a `work_folder`, which outlives a kill; a
`file_lock` keeps a second process out of it. What shows patients is written in a
`private_folder`, which its owner alone can read. A `DocumentFormat` refuses a JSON file
of another kind or version with the way out.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import functools
import hashlib
import json
import math
import operator
import os
import re
import secrets
import shutil
import stat
import struct
import threading
import tokenize
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from gastritis_gan.errors import InputError, refusal_of
from gastritis_gan.progress import progress_bar

PLAN_FILE = "plan.json"  # of a work folder: what is being made

_ERRORS_OF_A_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)

_LOCK_FILE = "lock"
_MOST_SHOWN = 300  # characters of an error that a message repeats
_PARTIAL_NAME = re.compile(r"\.(.+)\.partial-\w+")

_MAX_NAME_LENGTH = 50  # 200 bytes at most; a file's name may have 255, endings included
_WINDOWS_DEVICE = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9¹²³]", re.IGNORECASE)

_MAX_YAML_BYTES = 100_000
_MAX_YAML_VALUES = 10_000  # an alias counts as often as it stands
_MAX_YAML_DEPTH = 20
_YAML_TAGS = (
    "str", "int", "float", "bool", "null", "timestamp", "value", "merge", "seq", "map",
)  # fmt: skip
_YAML_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*(_[0-9]+)*)")
_YAML_NUMBER = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+][0-9]+)?")
_YAML_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", "+.inf"), math.inf),
    "-.inf": -math.inf,
    ".nan": math.nan,
    ".NaN": math.nan,
}
_NPY_HEADER_BYTES = 128  # of any array of up to four dimensions that np.save writes


class _Umask:
    """The umask of this process while private files are written.

    It is the only way to reach files that other libraries make. Blocks of several
    threads may overlap: the strictest counts until the last one ends.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: list[int] = []
        self._before = 0

    @contextlib.contextmanager
    def set_to(self, mask: int) -> Iterator[None]:
        self._change(self._asked.append, mask)
        try:
            yield
        finally:
            self._change(self._asked.remove, mask)

    def _change(self, change: Callable[[int], None], mask: int) -> None:
        with self._lock:
            if not self._asked:
                self._before = os.umask(_OWNER_ONLY)
            change(mask)
            masks = self._asked or [self._before]
            os.umask(functools.reduce(operator.or_, masks))


_OWNER_ONLY, _GROUP_TOO = 0o077, 0o007
_umask = _Umask()


@contextlib.contextmanager
def private_folder(path: Path) -> Iterator[None]:
    """Makes a folder for its owner alone, and keeps so what the block writes.

    Folders get the mode 0700 and files 0600, whatever the umask. Where the folder
    around `path` is setgid, its group works together: 2770 and 0660. The umask belongs
    to the process: what other threads write meanwhile is private too.

    Args:
        path: The folder, made if it is missing. Missing parents are made, with the
            user's own umask.

    Raises:
        InputError: It cannot be made.
    """
    made = make_folder(path.parent)
    try:
        with private_files(path.parent):
            made = make_folder(path) + made
            yield
    except BaseException:
        remove_empty(made)
        raise


@contextlib.contextmanager
def private_files(folder: Path) -> Iterator[None]:
    """Keeps for their owner what the block writes in `folder`; see `private_folder`.

    Args:
        folder: It exists, and stays as it is.
    """
    is_shared = folder.exists() and folder.stat().st_mode & stat.S_ISGID
    with _umask.set_to(_GROUP_TOO if is_shared else _OWNER_ONLY):
        yield


@contextlib.contextmanager
def new_folder(path: Path, *, private: bool = False) -> Iterator[Path]:
    """Yields a temporary sibling folder that becomes `path` when the block succeeds.

    A failing block leaves nothing behind. The temporary name starts with a dot and is
    not an integer, so TensorFlow Serving does not take it for a version.

    Args:
        path: The folder to publish. Missing parents are made.
        private: Whether it shows patients, as in `private_folder`; otherwise the umask
            decides who can read it.

    Raises:
        InputError: `path` exists already.
    """
    refuse_existing(path)
    with _writing(path):
        made = make_folder(path.parent)
        try:
            partial = _partial(path)
            with private_files(path.parent) if private else contextlib.nullcontext():
                partial.mkdir()
                try:
                    yield partial
                    refuse_existing(path)
                    partial.rename(path)
                finally:
                    shutil.rmtree(partial, ignore_errors=True)
        except BaseException:
            remove_empty(made)
            raise


def make_folder(path: Path) -> list[Path]:
    """Makes a folder with its parents, and returns those that it made, deepest first.

    Raises:
        InputError: It cannot be made; nothing is left.
    """
    missing = [p for p in (path, *path.parents) if not p.exists()]
    with _writing(path):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError:
            remove_empty(missing)
            raise
    return missing


def remove_empty(folders: Iterable[Path]) -> None:
    """Removes folders that are empty, as far as they are."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turns what the system answers while `path` is written into a sentence.

    An error about a file elsewhere passes. One that names none, as of a full disk, is
    about what is written.
    """
    try:
        yield
    except OSError as error:
        if not _concerns(error, path.absolute()):
            raise
        raise refusal_of(error, _published(path)) from error


def _concerns(error: OSError, path: Path) -> bool:
    if not isinstance(error.filename, str | Path):
        return error.errno is None or error.errno in _ERRORS_OF_A_WRITE
    named = Path(error.filename).absolute()
    if path.is_relative_to(named):
        return True
    if not named.is_relative_to(path.parent):
        return False
    beside = named.relative_to(path.parent).parts[0]  # itself, or what becomes it
    return beside.removeprefix(".").startswith(path.name)


def _partial(path: Path) -> Path:
    """Returns a name beside `path` that nothing has."""
    return path.with_name(f".{path.name}.partial-{secrets.token_hex(8)}")


def _published(path: Path) -> Path:
    """Returns what a half-written file or folder will be a part of, for a message."""
    for parent in (path, *path.parents):
        match = _PARTIAL_NAME.fullmatch(parent.name)
        if match:
            return parent.with_name(match[1])
    return path


def refuse_existing(path: Path) -> None:
    """Raises InputError when `path` exists: nothing is ever overwritten."""
    with _writing(path):
        exists = path.exists() or path.is_symlink()
    if exists:
        raise InputError(
            f"{path} exists already; nothing was changed. Give another path or remove "
            "it."
        )


def is_file_name(name: str) -> bool:
    """Whether a text can name a file or a folder on every system as it is.

    It has letters, accents and digits of any script, spaces and `_-.+()`, begins with a
    letter, digit or `_`, does not end with a space or dot, has at most 50 characters,
    and is not a device of Windows, such as `con`.
    """
    return (
        1 <= len(name) <= _MAX_NAME_LENGTH
        and all(c in " _-.+()" or unicodedata.category(c)[0] in "LMN" for c in name)
        and (name[0] == "_" or name[0].isalnum())
        and name[-1] not in " ."
        and _WINDOWS_DEVICE.fullmatch(name.partition(".")[0].rstrip()) is None
    )


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yields a sibling path; its file replaces `path` when the block succeeds.

    Args:
        path: The file, in a folder that exists. The umask decides who can read it; one
            that is replaced keeps its permissions.
    """
    with _writing(path):
        partial = _partial(path)
        partial.touch(exist_ok=False)
        try:
            yield partial
            with partial.open("rb") as stream:
                os.fsync(stream.fileno())
            if path.exists():
                partial.chmod(stat.S_IMODE(path.stat().st_mode))
            partial.replace(path)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    """Replaces the file `path` by `content` in one step, or leaves it as it was."""
    with new_file(path) as partial:
        partial.write_bytes(content)


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented UTF-8 JSON in one step."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(path, (text + "\n").encode())


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        InputError: The file cannot be read or is not JSON.
    """
    return read_hashed_json(path)[0]


def read_hashed_json(path: Path) -> tuple[Any, str]:
    """Reads a JSON file once.

    Returns:
        Its content, and the SHA-256 of exactly that as 64 hexadecimal digits.

    Raises:
        InputError: The file cannot be read or is not JSON.
    """
    try:
        content = path.read_bytes()
        return json.loads(content.decode()), hashlib.sha256(content).hexdigest()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist.") from None
    except OSError as error:
        raise refusal_of(error, path) from None
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path} is not valid JSON ({error}); it may be damaged."
        ) from None


def read_yaml(path: Path) -> Any:
    """Reads a YAML file, without what makes YAML a trap.

    `yes`, `010`, `1:30` and dates are texts, as in YAML 1.2, and no key is there twice.

    Returns:
        Nested dicts, lists, texts, numbers, booleans and None, which an empty file is.

    Raises:
        InputError: The file cannot be read, is not YAML, is too large or nested too
            deep, or has a key twice.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_YAML_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from None
    try:
        return parse_yaml(content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def parse_yaml(content: bytes) -> Any:
    """Reads what `read_yaml` reads from a file.

    Raises:
        InputError: As `read_yaml`; the message continues the name of the source.
    """
    import yaml  # many commands read none

    if len(content) > _MAX_YAML_BYTES:
        raise InputError(f"is larger than {_MAX_YAML_BYTES} bytes.")
    try:
        node = yaml.compose(content.decode("utf-8-sig"), Loader=yaml.SafeLoader)
        return None if node is None else _YamlValues().read(node)
    except RecursionError:
        raise InputError("is nested too deep.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"is not valid YAML ({reason}).") from None


class _YamlValues:
    """Turns the nodes of a YAML file into values, and counts them."""

    def __init__(self) -> None:
        self._left = _MAX_YAML_VALUES

    def read(self, node: Any, place: str = "", depth: int = 0) -> Any:
        self._left -= 1
        if self._left < 0 or depth > _MAX_YAML_DEPTH:
            raise InputError("has too many values, or is nested too deep.")
        if node.tag.removeprefix("tag:yaml.org,2002:") not in _YAML_TAGS:
            raise InputError(f"is not valid YAML (the tag {node.tag} is not known).")
        if node.id == "scalar":
            return node.value if node.style else _yaml_scalar(node.value)
        if node.id == "sequence":
            return [self.read(item, place, depth + 1) for item in node.value]
        values: dict[Any, Any] = {}
        line_of: dict[Any, int] = {}
        for key_node, value_node in node.value:
            if key_node.id != "scalar":
                raise InputError("is not valid YAML (a key must be a word or number).")
            key, line = self.read(key_node), key_node.start_mark.line + 1
            name = f"{place}.{key}" if place else str(key)
            if key in line_of:
                raise InputError(
                    f"the key `{name[:80]}` is there twice, in lines {line_of[key]} "
                    f"and {line}; keep one."
                )
            line_of[key] = line
            values[key] = self.read(value_node, name, depth + 1)
        return values


def _yaml_scalar(text: str) -> Any:
    """Returns what a YAML text without quotation marks stands for."""
    if text in _YAML_WORDS:
        return _YAML_WORDS[text]
    if _YAML_INTEGER.fullmatch(text) and len(text) < 1000:
        return int(text)
    return float(text) if _YAML_NUMBER.fullmatch(text) else text


def sha256_of_file(path: Path) -> str:
    """Returns the SHA-256 of a file's content as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclasses.dataclass(frozen=True)
class DocumentFormat:
    """A kind of JSON file, in the one version that this program writes and reads.

    Attributes:
        name: What the file describes, as in "gastritis-gan store".
        version: Number of the version.
        way_out: A sentence for whoever has a file of another version.
    """

    name: str
    version: int
    way_out: str

    def head(self) -> dict[str, Any]:
        """Returns the keys with which every document of this format begins."""
        return {"format": self.name, "format_version": self.version}

    def write(self, path: Path, content: Mapping[str, Any]) -> None:
        """Writes a document in one step.

        Args:
            path: The file.
            content: What JSON can hold, without `format` and `format_version`.
        """
        write_json(path, {**self.head(), **content})

    def read(self, path: Path) -> dict[str, Any]:
        """Returns the content of a document, with `format` and `format_version`.

        Raises:
            InputError: The file is absent, is not JSON, or is of another kind or
                version.
        """
        return self.read_hashed(path)[0]

    def read_hashed(self, path: Path) -> tuple[dict[str, Any], str]:
        """Returns what `read` does, and the SHA-256 of the file.

        Raises:
            InputError: As `read`.
        """
        document, sha256 = read_hashed_json(path)
        if not isinstance(document, dict) or document.get("format") != self.name:
            raise InputError(f"{path} does not describe a {self.name}.")
        version = document.get("format_version")
        if version != self.version:
            raise InputError(
                f"{path} has format version {version!r:.40}; this program reads "
                f"version {self.version}. {self.way_out}"
            )
        return document, sha256


@contextlib.contextmanager
def file_lock(path: Path, *, refusal: str) -> Iterator[int]:
    """Holds the lock file `path`, which keeps every other process out of the block.

    The system releases it when the process ends, in whatever way. Yields its
    descriptor: a process that inherits it holds the lock as well.

    Args:
        path: The file; made when it is absent, and left there.
        refusal: The message for whoever finds it held.

    Raises:
        InputError: Another process holds it.
    """
    with _writing(path):
        stream = path.open("w")
    with stream:
        try:
            taken = _take(stream.fileno())
        except OSError as error:  # as some network shares answer
            raise refusal_of(error, path) from error
        if not taken:
            raise InputError(refusal)
        yield stream.fileno()


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock file `path` now."""
    try:
        with path.open("r") as stream:
            return not _take(stream.fileno())
    except OSError:  # without locks, `file_lock` lets nobody work there
        return False


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def work_folder_of(path: Path) -> Path:
    """Returns the visible folder beside `path` in which it is made."""
    return path.with_name(f"{path.name}.partial")


@contextlib.contextmanager
def work_folder(path: Path) -> Iterator[Path]:
    """Yields the private work folder of `path`, made or found; removes it in the end.

    A block that raises an exception leaves a folder that it found and removes one that
    it made; a block that is interrupted (Ctrl-C, a kill) leaves it in any case, so that
    the next one resumes there.

    Args:
        path: What is to be made; its parent exists.

    Raises:
        InputError: Another process works in the folder, or it holds something else.
    """
    folder = work_folder_of(path)
    with _writing(folder), private_files(folder.parent):
        try:
            folder.mkdir()
            is_new = True
        except FileExistsError:
            is_new = False
            _refuse_other_content(folder)
    refusal = f"another process is working in {folder}; wait until it has finished."
    try:
        with (
            _writing(path),
            private_files(folder.parent),
            file_lock(folder / _LOCK_FILE, refusal=refusal),
        ):
            yield folder
            shutil.rmtree(folder)
    except Exception:
        if is_new:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _refuse_other_content(path: Path) -> None:
    """Raises InputError for a folder that holds anything but unfinished work."""
    names = {p.name for p in path.iterdir()} if path.is_dir() else {path.name}
    is_ours = PLAN_FILE in names or all(n.startswith((".", _LOCK_FILE)) for n in names)
    if not is_ours:
        raise InputError(
            f"{path} exists and does not hold unfinished work of gastritis-gan; move "
            "it away or give another path."
        )


class ArrayFolder:
    """Arrays as `.npy` files named after the hash of what is in them.

    Args:
        path: The folder; made when the first array is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def holds(self, key: str, shape: tuple[int, ...], dtype: DTypeLike) -> bool:
        """Whether there is a file as long as such an array is; it is not read.

        Args:
            key: 64 hexadecimal digits.
            shape: Of the array.
            dtype: Of the array.
        """
        path = self._path(key)
        num_bytes = _NPY_HEADER_BYTES + math.prod(shape) * np.dtype(dtype).itemsize
        return path.is_file() and path.stat().st_size == num_bytes

    def read(self, key: str) -> NDArray[Any]:
        """Returns an array that the folder holds."""
        array: NDArray[Any] = np.load(self._path(key), allow_pickle=False)
        return array

    def write(self, key: str, array: NDArray[Any]) -> None:
        """Writes an array in one step."""
        _write_array(self._path(key), array)

    def _path(self, key: str) -> Path:
        return self.path / key[:2] / f"{key[2:]}.npy"


def kept_array(path: Path, compute: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """Returns the array that `path` holds; without one, computes and writes it.

    Args:
        path: A `.npy` file, in a folder that belongs to one plan; missing parents are
            made. A damaged file is computed again.
        compute: Makes the array.
    """
    try:
        with path.open("rb") as stream:
            if _npy_bytes(stream) != path.stat().st_size:
                raise ValueError("it is not an array of its size")
            stream.seek(0)
            kept: NDArray[Any] = np.load(stream, allow_pickle=False)
        return kept
    except (*DAMAGE, OSError, EOFError):
        array = compute()
    _write_array(path, array)
    return array


def kept_rows(
    folder: Path,
    number: int,
    compute: Callable[[slice], NDArray[Any]],
    *,
    rows_per_file: int,
    description: str,
) -> NDArray[Any]:
    """Returns an array that is computed and kept some rows at a time.

    Args:
        folder: Gets a file for every `rows_per_file` rows.
        number: Of all rows, at least 1.
        compute: Makes the rows of a slice.
        rows_per_file: What an interruption may cost.
        description: Of the progress bar.
    """
    parts = []
    with progress_bar(total=number, description=description, unit="image") as bar:
        for start in range(0, number, rows_per_file):
            part = slice(start, min(start + rows_per_file, number))
            path = folder / f"{start:06d}.npy"
            parts.append(kept_array(path, functools.partial(compute, part)))
            bar.update(len(parts[-1]))
    return np.concatenate(parts)


def read_arrays(path: Path, *, most_bytes: int) -> dict[str, NDArray[Any]]:
    """Reads a `.npz` file, once it is known what its arrays take.

    A few bytes can claim any shape, and a compressed file holds a thousand times its
    size.

    Args:
        path: The file.
        most_bytes: What all arrays together may take.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is damaged, or its arrays would take more.
    """
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if total > most_bytes:
                raise ValueError(f"its arrays take {total:,} bytes, not {most_bytes:,}")
            for member in members:
                with archive.open(member) as file:
                    claimed = _npy_bytes(file)
                if claimed != member.file_size:
                    raise ValueError(f"{member.filename!a} is not an array of its size")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as loaded:
                return {name: loaded[name] for name in loaded.files}
    except (
        *DAMAGE,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
    ) as e:
        if isinstance(e, OSError | ValueError):
            raise
        raise ValueError(f"{type(e).__name__}: {e}") from None


def _npy_bytes(file: Any) -> int:
    """Returns how long a `.npy` file is according to its header."""
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[np.lib.format.read_magic(file)]
    shape, _, dtype = read_header(file)
    if min(shape, default=0) < 0:
        raise ValueError(f"the shape {shape} is impossible")
    return int(file.tell() + math.prod(shape) * dtype.itemsize)


DAMAGE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    tokenize.TokenError,
)
"""What reading a damaged document can raise, wherever the damage is."""


@contextlib.contextmanager
def refused_if_damaged(what: object, way_out: str) -> Iterator[None]:
    """Turns whatever a damaged document raises in the block into an InputError.

    Args:
        what: Such as the document's path.
        way_out: A sentence.
    """
    try:
        yield
    except InputError:
        raise
    except (*DAMAGE, EOFError, OSError) as error:
        # A terminal would obey control letters.
        text = f"{type(error).__name__}: {error}"[:_MOST_SHOWN]
        words = "".join(c if c.isprintable() else " " for c in text).split()
        reason = " ".join(words)
        raise InputError(f"{what} is damaged ({reason}). {way_out}") from None


def _write_array(path: Path, array: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_file(path) as partial, partial.open("wb") as stream:
        np.save(stream, np.ascontiguousarray(array))
