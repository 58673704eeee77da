# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # From radiographs to a GAN-train table
#
# This notebook makes an artificial cohort, trains one generator for each class, looks at
# the samples beside real patches, and measures what the samples are worth as training
# data. It runs in the repository's root. Open it with Jupyter (`jupytext --to notebook
# docs/tutorial.py`, or "Open as notebook" with the jupytext extension), or run it:
# `python docs/tutorial.py`. With `configs/phantom.yaml` it takes some ten minutes on two
# CPU cores.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import gastritis_gan as gg

OUT = Path("tutorial")
config = gg.load_config("configs/phantom.yaml")
resolution = config.schedule.final_resolution

# %% [markdown]
# ## A cohort
#
# A cohort is a `cohort.csv` (`image,patient,label,outline`) with DICOM, PNG or TIFF
# images and an outline of the stomach for each. `make_phantom` draws one; yours comes
# from `gg.draft_cohort`.

# %%
cohort = gg.make_phantom(OUT / "cohort", patients=40, image_size=1024, seed=0)
print(cohort.read_text().splitlines()[:3])

# %% [markdown]
# ## A store
#
# The store holds no name, date or path, and is split by patient: training patients and
# test patients never mix.

# %%
store = gg.prepare(cohort, config, OUT / "store")
for target in ("positive", "negative", "outside"):
    print(target, *(len(store.patch_set(target, side)) for side in ("train", "test")))

# %% [markdown]
# ## Two runs, two exported models
#
# LC-PGGAN grows from 4 pixels and judges patches of the other class as fake from
# `objective.lc_resolution` on (the paper's Eq. 5). Interrupt it as you like:
# `resume=True` resumes where it was.

# %%
models = {}
for target in ("positive", "negative"):
    run = gg.fit(
        config, store, model="lc_pggan", target=target, out=OUT / "runs" / target
    )
    models[target] = run.export(OUT / "exported", name=f"lc_{target}")
    print(run)

# %% [markdown]
# ## Patches beside samples
#
# Left: patches of training patients. Right: samples. The left half shows patients
# wherever the cohort is not artificial.

# %%
COUNT = 16


def mosaic(images: np.ndarray) -> np.ndarray:
    """Lays 16 images `(16, r, r, 1)` out in four rows."""
    rows = images[..., 0].reshape(4, 4, *images.shape[1:3])  # [4, 4, r, r]
    return rows.swapaxes(1, 2).reshape(4 * images.shape[1], 4 * images.shape[2])


figure, axes = plt.subplots(2, 2, figsize=(8, 8), layout="constrained")
for row, target in zip(axes, ("positive", "negative"), strict=True):
    patches = store.patch_set(target, "train")
    chosen = np.linspace(0, len(patches) - 1, COUNT).astype(int)
    real = store.read(patches[chosen], resolution=resolution)
    samples = models[target].generate(seeds=range(COUNT))
    for axis, images, title in zip(
        row, (real, samples), ("real patches", "samples"), strict=True
    ):
        axis.imshow(mosaic(images), cmap="gray", vmin=0, vmax=255)
        axis.set_title(f"{getattr(store, target)}: {title}")
        axis.set_axis_off()
figure.savefig(OUT / "patches_and_samples.png", dpi=150)

# %% [markdown]
# ## What are the samples worth?
#
# GAN-train: a classifier that was trained on samples alone diagnoses the test patients.
# "Retention" is its score as a share of the score with real training patches.

# %%
result = gg.gan_train(config, store, list(models.values()), out=OUT / "results")
print(result.table)
