"""The smallest experiment that goes through every kind of stage, and its store."""

import copy
import types
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from gastritis_gan.config import config_from_dict
from gastritis_gan.images import float_to_uint8
from gastritis_gan.store.patches import PatchGeometry
from gastritis_gan.store.store import read_patches
from gastritis_gan.training.recipe import make_recipe

DOCUMENT = {
    "patches": {"patch_size": 16, "stride": 16},
    "networks": {
        "latent_dim": 8,
        "fmap_base": 64,
        "fmap_max": 8,
        "mbstd_group_size": 4,
    },
    "schedule": {
        "final_resolution": 8,
        "transition_images": 12,
        "stable_images": 16,
        "batch_size": 4,
    },
    "objective": {"lc_resolution": 8, "r1_interval_steps": 2},
    "optimizer": {"ema_half_life_images": 26},
    "dcgan": {
        "resolution": 8,
        "num_images": 24,
        "batch_size": 4,
        "latent_dim": 8,
        "fmap_base": 64,
        "fmap_max": 8,
    },
    "training": {
        "seed": 3,
        "tick_images": 8,
        "checkpoint_images": 8,
        "sheet_columns": 2,
        "health_patches": 8,
    },
}
CONFIG = config_from_dict(DOCUMENT)
SECTIONS = CONFIG.training_sections
NUM_STEPS = 4 + 3 + 4  # 16, 12 and 16 images in batches of 4


def sections_of(**changes):
    """The tiny experiment's training sections with other keys, by section."""
    document = copy.deepcopy(DOCUMENT)
    for name, keys in changes.items():
        document[name] = {**document.get(name, {}), **keys}
    return config_from_dict(document).training_sections


def stages_of(model="pggan", **changes):
    """Specifications of the stages of the tiny experiment."""
    return make_recipe(model, sections_of(**changes)).stages


class FakeStore:
    """Stands for a store: random patches of 16 pixels, no file.

    Validation patients, where asked for, have patches of the positive class only.
    """

    path = Path("store")
    split_hash = "ab" * 32
    split_mark = "cd" * 12
    is_synthetic = split_given = False
    subject = types.MappingProxyType({"organ": "stomach", "view": ""})
    positive = "gastritis"
    negative = "non_gastritis"
    bits = 8
    geometry = PatchGeometry(patch_size=16, stride=16)

    def __init__(self, num_patches=12, num_validation=0):
        total = num_patches + num_validation
        levels = np.random.default_rng(0).integers(0, 256, (total, 4, 4))
        self._num_training = num_patches
        self.patch_image = np.arange(total)  # one patch an image
        self.images = [SimpleNamespace(patient=f"p{n}") for n in range(total)]
        self._windows = np.kron(levels, np.ones((4, 4), int)).astype(np.uint8)

    def keep_images(self):
        pass

    def window(self, index):
        return self._windows[index]

    def read(self, patches, resolution):
        return float_to_uint8(read_patches(self, patches, resolution))

    def patch_set(self, name, split):
        if split == "validation":
            return np.arange(self._num_training, len(self._windows), dtype=np.int64)
        third = self._num_training // 3
        start = ("positive", "negative", "outside").index(name) * third
        return np.arange(start, start + third, dtype=np.int64)
