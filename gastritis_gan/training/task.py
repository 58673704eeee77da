"""What is to be trained: a model, its target and the patches, checked to fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from gastritis_gan.config import ExperimentConfig
from gastritis_gan.errors import InputError
from gastritis_gan.names import ModelName, Target
from gastritis_gan.store.dataset import draw_indices, make_dataset
from gastritis_gan.store.store import Store, read_patches
from gastritis_gan.training.plan import is_conditional, schedule_of
from gastritis_gan.training.schedule import Stage

_HEALTH_STREAM = 1 << 20  # apart from the pools of the training batches


class Task:
    """A model to train on a store.

    Args:
        config: The experiment.
        store: Where the patches come from.
        model: Which objective and networks.
        target: The patch set to imitate.

    Attributes:
        schedule: The stages.
        facts: Model, target, class and split: what makes two runs the same task.
        num_images: Training images that have patches of the target.

    Raises:
        InputError: A patch set is empty, or the objective cannot train the model.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        store: Store,
        *,
        model: ModelName,
        target: Target,
    ) -> None:
        self.config = config
        self.schedule = schedule_of(config, model)
        self.facts: dict[str, Any] = {
            "model": model,
            "target": target,
            "class_name": store.positive if target == "positive" else store.negative,
            "split_hash": store.split_hash,
        }
        self._store = store
        store.keep_images()
        self.model: ModelName = model
        other = "negative" if target == "positive" else "positive"
        sets = (target, other, "outside") if model == "lc_pggan" else (target,)
        self._pools = [self._pool(name) for name in sets]
        self._validation_pool = store.patch_set(target, "validation")
        self.num_images = len(np.unique(store.patch_image[self._pools[0]]))

    @property
    def is_logistic(self) -> bool:
        """Whether scores are logits."""
        loss = self.config.objective.adversarial_loss
        return self.model == "dcgan" or loss == "logistic"

    def is_conditional(self, stage: Stage) -> bool:
        """Whether the loss-conditional terms apply in a stage (Eq. 5)."""
        return is_conditional(self.config, self.model, stage)

    def dataset(
        self,
        stage: Stage,
        first_step: int,
        shards: Sequence[int] = (0,),
        num_shards: int = 1,
    ) -> tf.data.Dataset:
        """Returns the batches of a stage from a step of the run on.

        Args:
            stage: The stage.
            first_step: Step of the run.
            shards: As of `make_dataset`.
            num_shards: As of `make_dataset`.
        """
        return make_dataset(
            self._store,
            self._pools if self.is_conditional(stage) else self._pools[:1],
            resolution=stage.resolution,
            batch_size=stage.batch_size,
            seed=self.config.training.seed,
            first_step=first_step,
            num_steps=stage.end_step - first_step,
            shards=shards,
            num_shards=num_shards,
        )

    def health_patches(self, stage: Stage) -> tuple[np.ndarray, np.ndarray | None]:
        """Returns fixed patches of training and of validation patients, if there are.

        Returns:
            float32 arrays of shape (n, r, r, 1) in [-1, 1]; n is the multiple of the
            stage's batch next to `training.health_patches`.
        """
        batches = max(1, round(self.config.training.health_patches / stage.batch_size))
        count = batches * stage.batch_size

        def some(pool: np.ndarray) -> np.ndarray:
            indices = draw_indices(
                pool, seed=0, stream=_HEALTH_STREAM, step=0, batch_size=count
            )
            return read_patches(self._store, indices, stage.resolution)

        validation = self._validation_pool
        return some(self._pools[0]), some(validation) if len(validation) else None

    def _pool(self, name: str) -> np.ndarray:
        pool = self._store.patch_set(name, "train")
        if not len(pool):
            raise InputError(
                f"{self._store.path} has no {name} patches among its training images. "
                "Lower `patches.inside_coverage` or raise `patches.outside_coverage`, "
                "and prepare the store again."
            )
        return pool
