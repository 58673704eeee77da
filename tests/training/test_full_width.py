from __future__ import annotations

import numpy as np
import pytest

from benchmarks.full_width import measure


@pytest.mark.slow
def test_the_papers_networks_take_two_loss_conditional_steps():
    measurement = measure(batch_size=2)
    assert min(measurement.num_parameters) > 23_000_000
    assert np.isfinite(measurement.losses).all()
    assert measurement.losses[0] != measurement.losses[1]
    assert 0 < measurement.peak_gib < 16
