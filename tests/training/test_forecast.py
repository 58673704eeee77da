import re

from gastritis_gan.config import config_from_dict
from gastritis_gan.layers.cpu import winograd
from gastritis_gan.models.network_size import discriminator_flops, generator_flops
from gastritis_gan.training.forecast import _costs, _Timer, forecast
from gastritis_gan.training.plan import schedule_of, steps_per_call
from gastritis_gan.training.stage_model import build_stage_model

from .fake_store import FakeStore
from .tiny import CONFIG, DOCUMENT


def test_every_stage_is_tried():
    """The weights of 8 stable pixels by hand, for 8 feature maps everywhere.

    Generator: 16 * 8 * 8 + 8 and 9 * 8 * 8 + 8 at 4 pixels, twice 9 * 8 * 8 + 8 at 8
    pixels, 8 + 1 to grey. Discriminator: 8 + 8 from grey, twice 9 * 8 * 8 + 8, then
    9 * 9 * 8 + 8, 16 * 8 * 8 + 8 and 8 + 1.
    """
    schedule = {**DOCUMENT["schedule"], "transition_images": 0}
    config = config_from_dict({**DOCUMENT, "schedule": schedule})
    table = forecast(config, FakeStore(), model="lc_pggan", target="positive")
    rows = [re.findall(r"[^|]+", line) for line in table.splitlines()[2:4]]
    stages = [[cell.strip() for cell in row[:4]] for row in rows]
    assert stages[0][:3] == ["4", "stable", "4"]
    assert stages[1] == ["8", "stable", "4", "2,793 + 2,881"]
    assert all(float(row[6].replace(",", "")) > 0 for row in rows)
    assert "Whole schedule:" in table


def test_steps_are_timed_one_by_one(monkeypatch):
    """A run does two steps of this stage in a call."""
    done = []
    original = _Timer.on_train_batch_end

    def remember(self, batch, logs=None):
        done.append(self.model.num_steps_done)
        original(self, batch, logs)

    monkeypatch.setattr(_Timer, "on_train_batch_end", remember)
    schedule = {**DOCUMENT["schedule"], "final_resolution": 4}
    objective = {**DOCUMENT["objective"], "lc_resolution": 4}
    config = config_from_dict(
        {**DOCUMENT, "schedule": schedule, "objective": objective}
    )
    assert (
        steps_per_call(config, "pggan", schedule_of(config, "pggan").stages[0], 0) == 2
    )
    forecast(config, FakeStore(), model="pggan", target="positive")
    assert done == list(range(1, len(done) + 1))


def test_operations_are_those_of_the_plain_sums(monkeypatch):
    """Training computes convolutions with fewer, and has other operations for them."""
    monkeypatch.setattr(winograd, "FEWEST_CHANNELS", 1)
    stage = schedule_of(CONFIG, "pggan").stages[0]
    costs = _costs(build_stage_model(CONFIG, stage, None, model="pggan"), stage)
    width = {"fmap_base": 64, "fmap_max": 8}
    assert costs["discriminator_flops"] == discriminator_flops(4, **width)
    assert costs["generator_flops"] == generator_flops(4, latent_dim=8, **width)
