"""A tiny dcgan run with validation patients, its quality per step written by hand."""

from gastritis_gan.training.monitor import HealthCheck
from tests.helpers.tiny_run import FakeStore, sections_of

STORE = FakeStore(num_validation=16)

# 8 steps of 4 images, a tick after each. A checkpoint after 4 and 8 replaces all before
# it but for the best.
DCGAN = {"num_images": 32}
SECTIONS = sections_of(
    dcgan=DCGAN,
    training={"tick_images": 4, "checkpoint_images": 16, "keep_checkpoints": 1},
)
BEST_STEP = 5  # of two equal ones the first
QUALITY = dict(enumerate((0.9, 0.5, 0.7, 0.6, 0.3, float("nan"), 0.3, 0.5), start=1))


def script_quality(set_attribute):
    """Has every health check report QUALITY."""

    def measure(self, model, alpha):
        return {
            "quality": QUALITY[model.num_steps_done],
            "quality_floor": 0.1,
            "quality_other_class": 2.0,
        }

    set_attribute(HealthCheck, "measure", measure)
