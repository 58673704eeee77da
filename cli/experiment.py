"""An experiment file and a store that belong together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gastritis_gan.config import ExperimentConfig
    from gastritis_gan.store.store import Store


def open_experiment(
    config_path: Path, store_path: Path
) -> tuple[ExperimentConfig, Store]:
    """Reads the config and opens the store that was prepared with it.

    Raises:
        InputError: One of them cannot be read, or the store was prepared with other
            classes, patches, bits or numbers of patients than the config's.
    """
    from gastritis_gan.config import load_config
    from gastritis_gan.store.fits import check_store_fits
    from gastritis_gan.store.store import Store

    config = load_config(config_path)
    store = Store.open(store_path)
    check_store_fits(
        store,
        cohort=config.cohort,
        patches=config.patches,
        split=config.split,
        config_name=str(config_path),
    )
    return config, store
