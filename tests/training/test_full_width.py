from __future__ import annotations

import dataclasses
import resource

import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.config import load_config
from gastritis_gan.training.gan_step import build_gan
from gastritis_gan.training.recipe import make_recipe


@pytest.mark.slow
def test_the_papers_networks_take_two_loss_conditional_steps(repository):
    config = load_config(repository / "configs/paper.yaml")
    spec = make_recipe("lc_pggan", config.training_sections).stages[-1]
    stage = dataclasses.replace(spec.stage, batch_size=2)
    gan = build_gan(dataclasses.replace(spec, stage=stage))
    assert gan.generator.count_params() > 23_000_000
    assert gan.discriminator.count_params() > 23_000_000
    train_step = tf.function(gan.train_step)
    losses = []
    for step in range(2):
        shape = (2, stage.resolution, stage.resolution, 1)
        images = [tf.random.stateless_normal(shape, (i, step)) for i in range(3)]
        logs = train_step(tuple(images))  # real, negative, outside
        losses.append((float(logs["d_loss"]), float(logs["g_loss"])))
    assert np.isfinite(losses).all()
    assert losses[0] != losses[1]
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert 0 < peak_kib < 16 * 2**20
