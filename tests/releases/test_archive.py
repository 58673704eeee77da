"""Two releases in a PACS (Orthanc) stay apart and come back as they were."""

import io
import json

import numpy as np
import pydicom

from gastritis_gan.releases.release import release
from tests.helpers.archive import Archive


def test_two_releases_stay_apart(exported, tmp_path):
    sent = {}
    for name, seed in (("a", 0), ("b", 2)):  # one image is in both
        folder = release(
            exported, tmp_path / name, per_class=3, seed=seed, image_format="dicom",
            accept_risk="weights were drawn at random",
        )  # fmt: skip
        for path in folder.rglob("*.dcm"):
            dataset = pydicom.dcmread(path)
            sent[dataset.PatientID, dataset.InstanceNumber] = dataset.pixel_array
    (tmp_path / "archive").mkdir()
    with Archive(tmp_path / "archive").running() as archive:
        for name in ("a", "b"):
            archive.send(tmp_path / name / "images" / "gastritis")
        patients = [json.loads(archive.ask(f"/patients/{patient}"))
                    for patient in json.loads(archive.ask("/patients"))]  # fmt: skip
        returned = {}
        for instance in json.loads(archive.ask("/instances")):
            content = archive.ask(f"/instances/{instance}/file")
            dataset = pydicom.dcmread(io.BytesIO(content))
            assert dataset[0x0008, 0x001C].value == "YES"
            key = dataset.PatientID, dataset.InstanceNumber
            returned[key] = dataset.pixel_array
            preview = archive.ask(f"/instances/{instance}/preview")
            assert preview.startswith(b"\x89PNG")
    names = {patient["MainDicomTags"]["PatientID"] for patient in patients}
    assert len(names) == 2
    assert all(name.startswith("SYNTHETIC-") for name in names)
    assert [len(patient["Studies"]) for patient in patients] == [1, 1]
    assert returned.keys() == sent.keys()
    assert len(sent) == 6
    for key, pixels in sent.items():
        np.testing.assert_array_equal(returned[key], pixels)
