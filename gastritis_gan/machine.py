"""What this machine has: versions, devices, memory, disk, weights, servers.

TensorFlow is asked in a process of its own, so that a build that crashes is a finding.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from gastritis_gan.evaluation.weights import (
    IMAGENET_WEIGHTS,
    keras_folder,
    weights_path,
)
from gastritis_gan.serving.tf_serving import IMAGE, PROGRAM
from gastritis_gan.version import __version__

State = Literal["ok", "missing", "broken"]

_PACKAGES = ("numpy", "pydicom", "imagecodecs", "pillow")
_LEAST_MEMORY_GIB, _LEAST_DISK_GIB = 4, 10  # of the demo: 2 and 1
_SECONDS = 180
_TENSORFLOW = ("tensorflow", "tensorflow-cpu")
_GIB = 2**30

# What a fresh process says of TensorFlow, as JSON in its last line.
_QUESTION = """
import json
from gastritis_gan.tensorflow_setup import set_up_tensorflow
set_up_tensorflow()
import keras, tensorflow as tf
assert float(tf.reduce_sum(tf.matmul(tf.ones((2, 2)), tf.ones((2, 2))))) == 8.0
build = tf.sysconfig.get_build_info()
print(json.dumps({
    "tensorflow": tf.__version__,
    "keras": keras.__version__,
    "cuda": build.get("cuda_version"),
    "built_for": list(build.get("cuda_compute_capabilities", ())),
    "gpus": [
        tf.config.experimental.get_device_details(gpu)
        for gpu in tf.config.list_physical_devices("GPU")
    ],
}))
"""
_NO_TENSORFLOW = (
    "prepare, inspect and clients of a server work; for the rest install "
    "'gastritis-gan[cpu]' or 'gastritis-gan[gpu]'"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What it is.
        state: "ok"; "missing", which is no mistake; or "broken", where something that
            is installed does not work.
        text: What was found.
        way_out: What to do, empty where there is nothing to do.
    """

    name: str
    state: State
    text: str
    way_out: str = ""


def examine_machine(folder: str | os.PathLike[str] = ".") -> list[Finding]:
    """Looks at what gastritis-gan needs, and changes nothing.

    Args:
        folder: Where the work will be; the disk below it counts.

    Returns:
        What was looked at, in a fixed order.

    Example:
        >>> [f.name for f in gg.examine_machine()][:2]  # doctest: +SKIP
        ['gastritis-gan', 'Python']
    """
    return [
        Finding(name="gastritis-gan", state="ok", text=__version__),
        Finding(name="Python", state="ok", text=platform.python_version()),
        *map(_package, _PACKAGES),
        *_tensorflow(),
        _processors(),
        _memory(),
        _disk(Path(folder)),
        _weights(),
        *_servers(),
    ]


def _package(name: str) -> Finding:
    module = {"pillow": "PIL"}.get(name, name)
    try:
        version = importlib.metadata.version(name)
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - a broken package raises anything
        return Finding(
            name=name,
            state="broken",
            text=_first_line(error),
            way_out="install gastritis-gan again, in an environment of its own",
        )
    return Finding(name=name, state="ok", text=version)


def _tensorflow() -> Iterator[Finding]:
    """Yields what is to be said of TensorFlow, Keras and GPUs."""
    names = [name for name in _TENSORFLOW if _is_installed(name)]
    if not names:
        yield Finding(
            name="TensorFlow",
            state="missing",
            text="not installed",
            way_out=_NO_TENSORFLOW,
        )
        return
    if len(names) > 1:
        yield Finding(
            name="TensorFlow",
            state="broken",
            text=f"{' and '.join(names)} are both installed, into one folder",
            way_out="make a new environment with one of the extras",
        )
        return
    answer = _asked([sys.executable, "-c", _QUESTION])
    try:
        found = json.loads(answer.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        yield Finding(
            name="TensorFlow",
            state="broken",
            text=_last_line(answer.stderr) or f"ended with code {answer.returncode}",
            way_out="install one of the extras in a new environment; TensorFlow needs "
            "a processor with AVX",
        )
        return
    yield Finding(
        name="TensorFlow", state="ok", text=f"{found['tensorflow']} ({names[0]})"
    )
    yield Finding(name="Keras", state="ok", text=found["keras"])
    yield from _gpus(found)


def _gpus(found: dict[str, Any]) -> Iterator[Finding]:
    cards = _cards()
    for gpu in found["gpus"]:
        capability = tuple(gpu.get("compute_capability") or ())
        newest = max(map(_capability, found["built_for"]), default=capability)
        yield Finding(
            name="GPU",
            state="ok",
            text=f"{gpu.get('device_name', 'a GPU')}, compute capability "
            f"{'.'.join(map(str, capability)) or 'unknown'}",
            way_out=f"TensorFlow's kernels are built for {newest[0]}.x and older: they "
            "may fail here (docs/training.md, GPUs)"
            if capability[:1] > newest[:1]
            else "",
        )
    if found["gpus"]:
        return
    if not cards:
        yield Finding(name="GPU", state="missing", text="none; the CPU computes")
        return
    yield Finding(
        name="GPU",
        state="broken" if found["cuda"] else "missing",
        text=f"{cards[0]}, not used by TensorFlow",
        way_out="look at what TensorFlow says: TF_CPP_MIN_LOG_LEVEL=0 python -c "
        "'import tensorflow as tf; tf.config.list_physical_devices()'"
        if found["cuda"]
        else "install 'gastritis-gan[gpu]' in an environment of its own",
    )


def _capability(name: str) -> tuple[int, int]:
    """Returns (8, 9) for "sm_89" and "compute_89"."""
    digits = name.rpartition("_")[2].rstrip("abcdefghijklmnopqrstuvwxyz")
    return int(digits[:-1]), int(digits[-1])


def _cards() -> list[str]:
    """Returns the names of the GPUs that NVIDIA's driver knows."""
    if shutil.which("nvidia-smi") is None:
        return []
    columns = "name,compute_cap,driver_version"
    answer = _asked(["nvidia-smi", f"--query-gpu={columns}", "--format=csv,noheader"])
    return answer.stdout.splitlines() if answer.returncode == 0 else []


def _processors() -> Finding:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    number = usable or os.cpu_count() or 1
    cores = f"{number} core{'s' * (number > 1)}, {platform.machine()}"
    return Finding(name="Processors", state="ok", text=cores)


def _memory() -> Finding:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB
    except (AttributeError, OSError, ValueError):  # not on every system
        return Finding(name="Memory", state="missing", text="could not be measured")
    is_enough = total >= _LEAST_MEMORY_GIB
    return Finding(
        name="Memory",
        state="ok",
        text=f"{total:.0f} GiB",
        way_out="" if is_enough else "`fit --dry-run` estimates what a run needs",
    )


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free / _GIB
    is_enough = free >= _LEAST_DISK_GIB
    return Finding(
        name="Disk",
        state="ok",
        text=f"{free:.0f} GiB free here",
        way_out="" if is_enough else "a store takes about as much as its images",
    )


def _weights() -> Finding:
    there = [name for name in IMAGENET_WEIGHTS if weights_path(name, None).is_file()]
    return Finding(
        name="ImageNet weights",
        state="ok" if there else "missing",
        text=f"{', '.join(there) or 'none'} in {keras_folder()}",
        way_out=""
        if len(there) == len(IMAGENET_WEIGHTS)
        else "`gastritis-gan weights --fetch`; the extractor texture needs none",
    )


def _servers() -> Iterator[Finding]:
    program = shutil.which(PROGRAM)
    yield Finding(
        name=PROGRAM,
        state="ok" if program else "missing",
        text=program or "not on the PATH",
        way_out="" if program else "`serve` starts a local server for development",
    )
    docker = shutil.which("docker")
    if docker is None:
        yield Finding(name="docker", state="missing", text="not on the PATH")
        return
    answer = _asked([docker, "version", "--format", "{{.Server.Version}}"])
    if answer.returncode:  # no command of this project fails without it
        yield Finding(
            name="docker",
            state="missing",
            text=f"does not answer: {_last_line(answer.stderr)}",
            way_out="start it, or ask to be let in",
        )
        return
    yield Finding(
        name="docker",
        state="ok",
        text=answer.stdout.strip(),
        way_out=f"`docker pull {IMAGE}`, then `gastritis-gan serve --print docker`",
    )


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _asked(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", _first_line(error))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
