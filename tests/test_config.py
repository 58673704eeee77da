from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gastritis_gan.config import (
    ExperimentConfig,
    config_from_dict,
    config_to_dict,
    load_config,
)
from gastritis_gan.errors import InputError

CONFIGS = sorted((Path(__file__).resolve().parents[1] / "configs").glob("*.yaml"))


def test_the_shipped_experiments_are_found():
    names = {path.stem for path in CONFIGS}

    assert names >= {"mias", "paper", "phantom", "smoke"}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_experiment_survives_a_round_trip(path, tmp_path):
    config = load_config(path)

    text = yaml.safe_dump(config_to_dict(config))
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")

    assert load_config(tmp_path / "config.yaml") == config


@pytest.fixture
def paper(repository):
    return load_config(repository / "configs" / "paper.yaml")


def test_paper_values_are_those_of_its_section_iv(paper):
    assert (paper.patches.patch_size, paper.patches.stride) == (299, 50)
    assert paper.split.train_positive_patients == 100
    assert paper.split.train_negative_patients == 100
    assert paper.schedule.resolutions == (4, 8, 16, 32, 64, 128, 256)
    stated = {4: 32, 8: 32, 16: 16, 64: 16, 128: 16, 256: 8}
    assert paper.schedule.batch_size == {**stated, 32: 16}
    assert paper.objective.adversarial_loss == "logistic"
    assert paper.objective.lc_resolution == 256
    assert paper.evaluation.samples_per_generator == 10_000
    assert paper.evaluation.patches_per_class == 5_000
    assert paper.evaluation.vote == "all"


def test_defaults_are_the_paper(paper):
    defaults = ExperimentConfig()
    assert paper.split.numbers == defaults.split.numbers
    stated = dataclasses.replace(paper.cohort, organ="", modality="")
    stated = {"cohort": stated, "split": defaults.split}
    assert dataclasses.replace(paper, **stated) == defaults


def test_paper_yaml_states_every_key(repository):
    written = yaml.safe_load((repository / "configs" / "paper.yaml").read_text("utf-8"))

    expected = config_to_dict(ExperimentConfig())
    # null by default: a cohort file with a column `split` needs no numbers
    expected["split"] |= {
        "train_positive_patients": 100,
        "train_negative_patients": 100,
    }
    expected["cohort"] |= {"organ": "stomach", "modality": "RF"}
    assert written == expected


def test_an_empty_file_is_the_default_experiment(tmp_path):
    (tmp_path / "empty.yaml").touch()

    assert load_config(tmp_path / "empty.yaml") == ExperimentConfig()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("network: {}", "unknown key `network`. Did you mean `networks`? Known keys: "),
        (
            "networks: {latent_dims: 64}",
            "unknown key `networks.latent_dims`. Did you mean `latent_dim`? Known",
        ),
        ("1: 2", "unknown key `1`."),
        ("[1, 2]", "the file must be a mapping of keys."),
        ("networks: 5", "`networks` must be a mapping of keys. Received: 5."),
        (
            "networks: {latent_dim: 64.0}",
            "latent_dim` must be an integer. Received: 64",
        ),
        ("networks: {latent_dim: true}", "must be an integer. Received: True."),
        ("networks: {fused_scale: 1}", "`networks.fused_scale` must be true or false."),
        ("cohort: {positive: 3}", "`cohort.positive` must be a text. Received: 3."),
        ("cohort: {positive: a, negative: a}", "`cohort.negative` must differ from"),
        ("cohort: {organ: Magen-Darm}", "`cohort.organ` must be up to 16 letters"),
        ("cohort: {view: ' AP'}", "`cohort.view` must be up to 16 letters"),
        (f"cohort: {{modality: {'X' * 17}}}", "`cohort.modality` must be up to 16"),
        ("cohort: {bits: 12}", "`cohort.bits` must be 8 or 16. Received: 12."),
        (
            "optimizer: {learning_rate: fast}",
            "learning_rate` must be a number or a map",
        ),
        ("optimizer: {learning_rate: .nan}", "must be a number. Received: nan."),
        ("optimizer: {learning_rate: .inf}", "must be a number. Received: inf."),
        ("optimizer: {learning_rate: 0}", "learning_rate` must be positive."),
        (
            "optimizer: {learning_rate: {256: 0.1}}",
            "`optimizer.learning_rate` must name every resolution it applies to; "
            "missing: 4. Received",
        ),
        (
            "optimizer: {discriminator_learning_rate: -1}",
            "`optimizer.discriminator_learning_rate` must be positive. Received: -1.",
        ),
        ("optimizer: {at_growth: kept}", "must be one of reset, keep. Received: 'kept"),
        ("optimizer: {ema_half_life_images: -1}", "must be at least 0. Received: -1."),
        (
            "networks: {precision: float16}",
            "must be one of float32, mixed_bfloat16, mixed_float16, auto. Received: ",
        ),
        (
            "schedule: {accumulation_steps: 3}",
            "`schedule.batch_size` must be a multiple of `networks.mbstd_group_size` "
            "(4) x `schedule.accumulation_steps` (3). Received: 32.",
        ),
        ("schedule: {accumulation_steps: 0}", "accumulation_steps` must be at least 1"),
        (
            "augmentation: {probability: 0.5}",
            "`augmentation.probability` must be from 0 to below 0.5",
        ),
        (
            "augmentation: {transforms: [cutout, rotation]}",
            "`augmentation.transforms[1]` must be one of translation, brightness,",
        ),
        (
            "dcgan: {resolution: 4}",
            "`dcgan.resolution` must be a power of two from 8 to 1024. Received: 4.",
        ),
        ("dcgan: {beta_1: 1}", "`dcgan.beta_1` must be from 0 to below 1."),
        ("dcgan: {batch_size: 0}", "`dcgan.batch_size` must be from 1 to 65536."),
        ("optimizer: {beta_2: 1.0}", "`optimizer.beta_2` must be from 0 to below 1."),
        ("training: {seed: -1}", "`training.seed` must be at least 0. Received: -1."),
        (
            "split: {train_positive_patients: 3, validation_positive_patients: 3}",
            "`split.validation_positive_patients` must leave a patient of "
            "`train_positive_patients` to train on, so be at most 2. Received: 3.",
        ),
        (
            "patches: {stride: 0}",
            "`patches.stride` must be from 1 to 65535. Received: 0.",
        ),
        ("patches: {inside_coverage: 0.0}", "must be above `outside_coverage`"),
        (
            "schedule: {final_resolution: 48}",
            "final_resolution` must be a power of two from 4 to 1024. Received: 48.",
        ),
        ("schedule: {initial_resolution: 512}", "must not exceed `final_resolution`"),
        (
            "schedule: {final_resolution: 512, batch_size: 8}",
            "must not exceed `patches.patch_size` (299). Received: 512.",
        ),
        (
            "schedule: {final_resolution: 16, batch_size: {4: 8, 16: 8}}",
            "batch_size` must name every resolution it applies to; missing: [8]",
        ),
        (
            "schedule: {final_resolution: 8, stable_images: {8: 8}}",
            "stable_images` must name every resolution it applies to; missing: [4]",
        ),
        ("schedule: {batch_size: {four: 8}}", "must be an integer. Received: 'four'."),
        (
            "schedule: {batch_size: {4: a}}",
            "`schedule.batch_size.4` must be an integer",
        ),
        ("schedule: {batch_size: 6}", "multiple of `networks.mbstd_group_size` (4)"),
        (
            "objective: {adversarial_loss: logistics}",
            "must be one of logistic, wgan_gp. Received: 'logistics'. Did you "
            "mean `logistic`?",
        ),
        (
            "objective: {r1_weight: automatic}",
            "`objective.r1_weight` must be a number or 'auto'. Received: 'automatic'.",
        ),
        ("objective: {lc_resolution: 100}", "lc_resolution` must be a power of two"),
        ("evaluation: {extractors: texture}", "extractors` must be a list."),
        ("evaluation: {extractors: []}", "extractors` must name at least one."),
        ("evaluation: {extractors: [vgg]}", "extractors[0]` must be one of texture,"),
        (
            "evaluation: {samples_per_generator: 10, patches_per_class: 11}",
            "patches_per_class` must not exceed `samples_per_generator`. Received: 11",
        ),
        ("networks: {latent_dim: 1", "is not valid YAML"),
        ("!!python/object/apply:os.getcwd []", "is not valid YAML"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(tmp_path, text, expected):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)

    with pytest.raises(InputError) as caught:
        load_config(path)

    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert expected in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Keys that are there twice
        ("split: {seed: 1}\nsplit: {seed: 2}", "`split` is there twice, in lines 1 a"),
        ("split: {seed: 1, seed: 2}", "the key `split.seed` is there twice"),
        ("schedule: {batch_size: {4: 8, +4: 16}}", "`schedule.batch_size.4` is there"),
        # What YAML 1.1 reads as something else
        ("cohort: {positive: 2020-01-02, negative: 010, bits: 010}", "`cohort.bits`"),
        ("split: {seed: 1:30}", "`split.seed` must be an integer. Received: '1:30'."),
        ("evaluation: {controls: yes}", "must be true or false. Received: 'yes'."),
        ("networks: {latent_dim: 1e3}", "Received: '1e3'. Write 1000."),
        ("networks: {latent_dim: 64.0}", "Received: 64.0. Write 64."),
        ("cohort: {positive: 1}", "must be a text. Received: 1. Put it into quotation"),
        # What grows without end
        ("a: " + "[" * 30 + "]" * 30, "nested too deep"),
        ("a: " + "[" * 1500 + "]" * 1500, "nested too deep"),
        ("a: &a [*a]", "nested too deep"),
        ("a: " + "x" * 200_000, "is larger than 100000 bytes"),
        (
            "l0: &l0 [lol]\n"
            + "\n".join(f"l{n}: &l{n} [{f'*l{n - 1}, ' * 9}]" for n in range(1, 7)),
            "has too many values",
        ),
        ("networks: {latent_dim: " + "9" * 5000 + "}", "must be an integer. Received"),
        ("training: {seed: " + "9" * 500 + "}", "`training.seed` must be at most 2^58"),
        ("optimizer: {epsilon: 1" + "0" * 400 + "}", "epsilon` must be a number"),
        ("optimizer: {epsilon: 1.0e-60}", "`optimizer.epsilon` must be 0 or from"),
        # Documents that are no experiment
        ("? [a, b]\n: 1", "a key must be a word or number"),
        ("a: !!binary aGk=", "is not valid YAML (the tag"),
        ("a: 1\n---\nb: 2", "is not valid YAML"),
        ("a: \0", "is not valid YAML"),
        # Values that no command could use
        ("cohort: {positive: a/b}", "`cohort.positive` must name a class"),
        ("cohort: {positive: ' a'}", "`cohort.positive` must name a class"),
        ("cohort: {positive: 'a\\b'}", "`cohort.positive` must name a class"),
        ('cohort: {positive: "a\\n"}', "`cohort.positive` must name a class"),
        ("cohort: {positive: ..}", "`cohort.positive` must name a class"),
        ("cohort: {positive: a$b}", "`cohort.positive` must name a class"),
        ("cohort: {positive: Con.1}", "`cohort.positive` must name a class"),
        ("cohort: {negative: " + "x" * 51 + "}", "`cohort.negative` must name a class"),
        ("cohort: {positive: A, negative: a}", "`cohort.negative` must differ from"),
        (
            'cohort: {positive: "\\u00e9", negative: "e\\u0301"}',
            "`cohort.negative` must differ from",
        ),
        ("cohort: {image_size: 100000, other_sizes: pad}", "image_size` must be from"),
        ("networks: {fmap_base: 127}", "`networks.fmap_base` must be at least 128"),
        ("networks: {latent_dim: 1000000000}", "latent_dim` must be from 1 to 16384"),
        ("training: {seed: 288230376151711745}", "`training.seed` must be at most"),
        ("split: {seed: 288230376151711745}", "`split.seed` must be at most 2^58"),
        ("evaluation: {seed: 288230376151711745}", "must be at most 2^58"),
        ("audit: {seed: 288230376151711745}", "`audit.seed` must be at most 2^58"),
        (
            "objective: {lc_resolution: 512}",
            "`objective.lc_resolution` must not exceed the last resolution at which",
        ),
        (
            "schedule: {final_resolution: 8, transition_images: 0, stable_images: "
            "{4: 8, 8: 0}, batch_size: 8}",
            "`objective.lc_resolution` must not exceed the last resolution at which",
        ),
        (
            "schedule: {transition_images: 0, stable_images: 0}",
            "`schedule.stable_images` and `transition_images` must not all be 0",
        ),
        (
            "schedule: {batch_size: {4: 8, 8: 8, 16: 8, 32: 8, 64: 8, 128: 8, 256: 8, "
            "512: 8, 7: 8}}",
            "`schedule.batch_size` must have keys among [4, 8, 16, 32, 64, 128, 256, "
            "512, 1024] only. Received: [7].",
        ),
        ("training: {health_patches: 1}", "health_patches` must be 0 or from 2 to"),
        (
            "training: {health_patches: 31}",
            "`training.health_patches` must be 0 or at least `schedule.batch_size` (32",
        ),
        ("training: {sheet_columns: 1000000}", "sheet_columns` must be from 1 to 64"),
        ("evaluation: {extractors: [texture, texture]}", "must name nothing twice"),
        ("audit: {extractors: [texture, texture]}", "must name nothing twice"),
        ("audit: {match_resolution: 4096}", "match_resolution` must be from 8 to 1024"),
    ],
)  # fmt: skip
def test_a_trap_of_yaml_or_a_useless_value_is_refused(tmp_path, text, expected):
    path = tmp_path / "trap.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(InputError) as caught:
        load_config(path)

    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert expected in message
    assert len(message) < len(f"{path}") + 700
    assert "\n" not in message


def test_words_that_yaml_1_1_takes_for_something_else_are_texts(tmp_path):
    (tmp_path / "words.yaml").write_text("cohort: {positive: yes, negative: no}")

    cohort = load_config(tmp_path / "words.yaml").cohort

    assert (cohort.positive, cohort.negative) == ("yes", "no")


@pytest.mark.parametrize("name", ["胃炎", "non gastritis", "HP+", "Entzündung (akut)"])
def test_a_class_may_have_a_name_of_any_script(name):
    assert config_from_dict({"cohort": {"positive": name}}).cohort.positive == name


def test_a_resolution_that_is_not_given_is_the_final_one():
    schedule = {"final_resolution": 32, "batch_size": 16}

    config = config_from_dict({"schedule": schedule})
    other = config_from_dict(
        {
            "schedule": schedule,
            "objective": {"lc_resolution": 16},
            "dcgan": {"resolution": 8},
        }
    )

    assert (config.objective.lc_resolution, config.dcgan.resolution) == (32, 32)
    assert (other.objective.lc_resolution, other.dcgan.resolution) == (16, 8)


def test_a_missing_file_and_a_binary_file_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml: cannot be read \(No such file"):
        load_config(tmp_path / "none.yaml")

    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match=r"binary\.yaml: is not valid YAML"):
        load_config(tmp_path / "binary.yaml")


def test_numbers_without_a_dot_are_numbers():
    # YAML 1.1 reads 1e-8 as a text and 1 as an integer.
    config = config_from_dict({"optimizer": {"epsilon": "1e-8", "learning_rate": 1}})

    assert config.optimizer.epsilon == 1e-8
    assert config.optimizer.learning_rate == 1.0
    assert isinstance(config.optimizer.learning_rate, float)


_RESOLUTIONS = st.sampled_from([4, 8, 16, 32, 64, 128, 256])
_PER_RESOLUTION = st.fixed_dictionaries(
    {resolution: st.integers(1, 10**7) for resolution in (4, 8, 16, 32, 64, 128, 256)}
)


@given(
    first=_RESOLUTIONS,
    last=_RESOLUTIONS,
    images=_PER_RESOLUTION | st.integers(1, 10**7),
    r1_weight=st.floats(1e-30, 1e9) | st.just("auto"),
    rate=st.floats(min_value=1e-30, max_value=1e9),
)
def test_every_valid_experiment_survives_a_round_trip(
    first, last, images, r1_weight, rate
):
    config = config_from_dict(
        {
            "schedule": {
                "initial_resolution": min(first, last),
                "final_resolution": max(first, last),
                "stable_images": images,
            },
            "objective": {"r1_weight": r1_weight},
            "optimizer": {"learning_rate": rate},
        }
    )

    assert (
        config_from_dict(yaml.safe_load(yaml.safe_dump(config_to_dict(config))))
        == config
    )


_KNOWN_KEYS = [
    field.name
    for section in dataclasses.fields(ExperimentConfig)
    for field in (section, *dataclasses.fields(section.default))
]
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_DOCUMENTS = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(_KNOWN_KEYS), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(_DOCUMENTS)
def test_any_document_is_an_experiment_or_an_input_error(document):
    with contextlib.suppress(InputError):
        assert isinstance(config_from_dict(document), ExperimentConfig)
