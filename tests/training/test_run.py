import json
import subprocess
import sys

import numpy as np
import pytest

from gastritis_gan.config import config_to_dict
from gastritis_gan.errors import InputError
from gastritis_gan.training.fit import fit
from gastritis_gan.training.gan_step import build_gan
from gastritis_gan.training.run import Run
from tests.helpers.tiny_run import CONFIG, FakeStore, sections_of

RECORD = {"model": "pggan", "target": "positive", "class_name": "x"}


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "run", RECORD, config_to_dict(CONFIG))
    run.create()
    return run


def test_only_whole_lines_up_to_the_step_stay(run):
    (run.path / "metrics.jsonl").write_bytes(
        b'{"step": 2}\n{"step": 4}\n{"step": 6}\n{"st'
    )
    run.rewind(4)
    assert (run.path / "metrics.jsonl").read_bytes() == b'{"step": 2}\n{"step": 4}\n'


def test_a_line_without_its_end_is_torn_even_if_it_parses(run):
    (run.path / "metrics.jsonl").write_bytes(b'{"step": 2}\n{"step": 4}')
    assert run.last_metrics() == {"step": 2}
    run.rewind(4)
    assert (run.path / "metrics.jsonl").read_bytes() == b'{"step": 2}\n'


def test_what_a_kill_left_half_made_goes(run):
    partial = (run.path / "checkpoints") / ".step_0000000004.npz.partial-x1"
    kept = (run.path / "checkpoints") / "step_0000000002.npz"
    partial.touch()
    kept.touch()
    run.rewind(2)
    assert list((run.path / "checkpoints").iterdir()) == [kept]


def test_a_second_process_is_refused_until_the_first_is_gone(run):
    program = (
        "import sys\n"
        "from gastritis_gan.training.run import Run\n"
        "with Run.open(sys.argv[1]).locked():\n"
        "    print('locked', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    assert run.state == "stopped"
    with subprocess.Popen(
        [sys.executable, "-c", program, run.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout.readline() == b"locked\n"
        assert run.state == "running"
        with (
            pytest.raises(InputError, match="another process is training"),
            run.locked(),
        ):
            pass
        other.kill()
    assert run.state == "stopped"
    with run.locked():
        pass


def test_what_it_says_of_itself(run):
    assert repr(Run.open(run.path)) == f"Run('{run.path}', pggan of positive, stopped)"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"format": 1, "model": "pggan"}', "by an earlier version.* Train again"),
        ('{"format": "gastritis-gan run", "format_version": 9}', "format version 9"),
        ('{"format": "gastritis-gan store"}', "does not describe a gastritis-gan run"),
    ],
)
def test_another_format_is_refused_in_a_sentence(run, content, message):
    (run.path / "run.json").write_text(content)
    with pytest.raises(InputError, match=message):
        Run.open(run.path)


def test_a_run_without_its_config_is_damaged(run):
    (run.path / "config.yaml").write_text("networks: [")
    with pytest.raises(InputError, match=r"config\.yaml is missing or damaged"):
        Run.open(run.path)


def test_it_is_read_without_tensorflow(run):
    program = (
        "import sys\n"
        "from gastritis_gan.training.run import list_runs\n"
        "print([run.summary.state for run in list_runs(sys.argv[1])])\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, run.path.parent],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "['stopped']\n"


@pytest.fixture(scope="module")
def faded_run(tmp_path_factory):
    """A run whose schedule ends in a transition."""
    sections = sections_of(
        schedule={"transition_images": 8, "stable_images": {4: 8, 8: 0}},
        networks={"mbstd_group_size": 2},
    )
    out = tmp_path_factory.mktemp("runs") / "faded"
    return fit(sections, FakeStore(), model="pggan", target="positive", out=out)


def test_the_discriminator_of_a_run_that_ends_in_a_transition(faded_run):
    """It scores as the last stage's does once the new block alone is left."""
    gan = build_gan(faded_run.recipe.stages[-1], faded_run.checkpoint())
    patches = np.random.default_rng(2).uniform(-1, 1, (6, 8, 8, 1)).astype("float32")
    expected = [
        gan.discriminator(patches[i : i + 2], alpha=1.0, training=False).numpy().ravel()
        for i in (0, 2, 4)
    ]
    scores = Run.open(faded_run.path).discriminator()(patches)
    np.testing.assert_allclose(scores, np.concatenate(expected), rtol=1e-5, atol=1e-6)


def test_a_torn_last_line_of_metrics_does_not_stop_an_export(faded_run, tmp_path):
    last = faded_run.last_metrics()
    with (faded_run.path / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 99, "d_lo')
    model = Run.open(faded_run.path).export(tmp_path, name="a", version=4)
    assert (model.name, model.version, model.resolution) == ("a", 4, 8)
    assert model.card["checkpoint"]["choice"] == "last"  # no validation patients
    assert model.card["metrics"] == json.loads(json.dumps(last))
