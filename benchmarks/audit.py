r"""A whole audit from the command line: time, memory, and what a kill costs.

    python benchmarks/audit.py --work /tmp/audit
    python benchmarks/audit.py --work /tmp/audit --classes positive negative \
      --kill-after 300

It makes phantoms of 1,024 pixels, 100 training and 100 held-out patients of each class,
trains a small network of 64 pixels for a moment, exports it, and runs `gastritis-gan
audit` with all attacks on 10,000 samples of each class that is named. What a generator
has learnt changes none of the work. Steps that are done in the folder are not done
again.

With --kill-after a second audit is killed (SIGKILL) after so many seconds and run
again; its figures must be equal, apart from the run time.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

CONFIG = """
cohort: {positive: gastritis, negative: non_gastritis}
patches: {patch_size: 128, stride: 32}  # as configs/phantom.yaml: 1,024 pixels
split: {train_positive_patients: 100, train_negative_patients: 100}  # the paper's
networks: {latent_dim: 128, fmap_base: 1024, fmap_max: 64, fused_scale: true}
schedule:
  initial_resolution: 32
  final_resolution: 64
  transition_images: 32
  stable_images: 32
  batch_size: 16
training: {tick_images: 32, sheet_columns: 4}
audit: {samples_per_generator: SAMPLES}
"""
COMMAND = Path(sys.executable).with_name("gastritis-gan")


def run(*arguments: object) -> None:
    """Runs a command of the project; its progress bars are shown."""
    subprocess.run([COMMAND, *map(str, arguments)], check=True)


def prepare_everything(work: Path, samples: int, classes: list[str]) -> None:
    """Makes what an audit needs, as far as it is missing."""
    work.mkdir(parents=True, exist_ok=True)
    config = work / "config.yaml"
    config.write_text(CONFIG.replace("SAMPLES", str(samples)))
    if not (work / "cohort").exists():
        run("phantom", "--out", work / "cohort", "--patients", 400, "--seed", 0)
    if not (work / "store").exists():
        run("prepare", work / "cohort", "--config", config, "--out", work / "store")
    for target in classes:
        run_dir = work / "runs" / target
        if not run_dir.exists():
            run("fit", "--config", config, "--store", work / "store", "--run", run_dir,
                "--model", "pggan", "--target", target)  # fmt: skip
        if not (work / "exported" / target).exists():
            run(
                "export", run_dir, "--name", target, "--exported-dir", work / "exported"
            )


def start_audit(work: Path, name: str, classes: list[str]) -> subprocess.Popen[bytes]:
    """Starts an audit with every attack."""
    command = [COMMAND, "audit", "--config", work / "config.yaml", "--store",
               work / "store", "--out", work / name]  # fmt: skip
    for target in classes:
        command += ["--generators", work / "exported" / target]
        command += ["--run", work / "runs" / target]
    return subprocess.Popen([str(word) for word in command])


def audit(work: Path, name: str, classes: list[str]) -> dict[str, float]:
    """Runs an audit to its end and returns its seconds and its peak memory."""
    start = time.perf_counter()
    process = start_audit(work, name, classes)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the audit ended with status {status}")
    return {
        "wall": time.perf_counter() - start,
        "cpu": usage.ru_utime + usage.ru_stime,
        "gib": usage.ru_maxrss / 2**20,
    }


def figures_of(work: Path, name: str) -> dict[str, object]:
    """Returns what `audit.json` holds, without the run time."""
    document = json.loads((work / name / "audit.json").read_text())
    del document["run_seconds"]
    return document


def main() -> None:
    """Prints the figures of one run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder to work in")
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--classes", nargs="+", default=["positive"])
    parser.add_argument("--kill-after", type=float, help="seconds")
    arguments = parser.parse_args()
    work, classes = arguments.work.resolve(), arguments.classes

    prepare_everything(work, arguments.samples, classes)
    if not (work / "audit").exists():
        used = audit(work, "audit", classes)
        print(  # noqa: T201
            f"{arguments.samples} samples of {len(classes)} generators, "
            f"{200 * len(classes)} images: {used['wall'] / 60:.1f} min, "
            f"{used['cpu'] / 60:.1f} min of CPU, {used['gib']:.2f} GiB at most."
        )
    if arguments.kill_after is None:
        return
    process = start_audit(work, "again", classes)
    time.sleep(arguments.kill_after)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = len(list((work / "again.partial").rglob("*.np?")))
    used = audit(work, "again", classes)
    equal = figures_of(work, "audit") == figures_of(work, "again")
    print(  # noqa: T201
        f"Killed after {arguments.kill_after:.0f} s with {kept} files kept; the same "
        f"command then took {used['wall'] / 60:.1f} min, {used['cpu'] / 60:.1f} min of "
        f"CPU. Figures equal: {equal}."
    )


if __name__ == "__main__":
    main()
