"""Orthanc, a PACS."""

import contextlib
import io
import json
import socket
import subprocess
import time
import urllib.request
import zipfile
from pathlib import Path

import pytest

from tests.helpers.outside_programs import find_or_skip


class Archive:
    """Orthanc on free ports of this machine, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.dicom_port, self.url = 0, ""
        self._folder = folder

    @contextlib.contextmanager
    def running(self):
        program = find_or_skip("Orthanc")
        with socket.socket() as one, socket.socket() as two:
            for free in (one, two):
                free.bind(("127.0.0.1", 0))
            self.dicom_port, http_port = (s.getsockname()[1] for s in (one, two))
        self.url = f"http://127.0.0.1:{http_port}"
        settings = self._folder / "orthanc.json"
        settings.write_text(
            json.dumps(
                {
                    "StorageDirectory": str(self._folder / "films"),
                    "IndexDirectory": str(self._folder / "index"),
                    "DicomPort": self.dicom_port,
                    "HttpPort": http_port,
                    "RemoteAccessAllowed": False,
                    "AuthenticationEnabled": False,
                    "Plugins": [],
                }
            )
        )
        process = subprocess.Popen(
            [program, settings], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            self._wait(process)
            yield self
        finally:
            process.terminate()
            process.communicate(timeout=60)

    def _wait(self, process):
        for _ in range(600):
            assert process.poll() is None, process.stdout.read().decode()
            with contextlib.suppress(OSError):
                self.ask("/system")
                return
            time.sleep(0.1)
        pytest.fail("Orthanc does not answer.")

    def ask(self, path, document=None):
        data = None if document is None else json.dumps(document).encode()
        with urllib.request.urlopen(self.url + path, data, timeout=60) as answer:
            return answer.read()

    def send(self, folder):
        subprocess.run(
            [find_or_skip("storescu"), "--scan-directories", "--required",
             "127.0.0.1", str(self.dicom_port), folder],
            check=True,
        )  # fmt: skip

    def export(self, kind, folder):
        studies = json.loads(self.ask("/studies"))
        content = self.ask(
            f"/tools/create-{kind}", {"Resources": studies, "Synchronous": True}
        )
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            file.extractall(folder)
