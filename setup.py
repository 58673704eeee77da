"""Installs `gastritis_gan`; the folder `cli/` becomes `gastritis_gan.cli`."""

import pathlib
import re

from setuptools import find_packages, setup

ROOT = pathlib.Path(__file__).parent
VERSION = re.search(
    r'^__version__ = "(.+)"$',
    (ROOT / "gastritis_gan" / "version.py").read_text(encoding="utf-8"),
    re.MULTILINE,
).group(1)

# What training, evaluation and the local server need beside TensorFlow itself.
COMPUTE = [
    "h5py>=3.11",
    "jinja2>=3.1",
    "keras>=3.12.3",
    "matplotlib>=3.9",
    "scikit-image>=0.24",
    "scikit-learn>=1.5",
    "scipy>=1.13",
    "tensorboard>=2.20",
    "threadpoolctl>=3.1",
    "waitress>=3.0",
]
# NIfTI and NRRD masks; both MIT.
OUTLINES = ["nibabel>=5.2", "pynrrd>=1.0"]
# Finds burned-in text; Apache-2.0, as its network, which is in the wheel; MIT.
TEXT = ["rapidocr>=3.10,<4", "onnxruntime>=1.20"]
# Runs `gastritis-gan reproduce`, here or on a cluster; MIT.
WORKFLOW = ["snakemake>=9"]
CPU_BUILD = "sys_platform == 'linux' and platform_machine == 'x86_64'"
NO_CPU_BUILD = "sys_platform != 'linux' or platform_machine != 'x86_64'"

setup(
    name="gastritis-gan",
    version=VERSION,
    description=(
        "Synthetic gastritis radiographs by a loss function-based conditional PGGAN"
    ),
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Environment :: Console",
        "Intended Audience :: Healthcare Industry",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Medical Science Apps.",
    ],
    python_requires=">=3.11",
    packages=[
        *find_packages(include=["gastritis_gan", "gastritis_gan.*"]),
        "gastritis_gan.cli",
    ],
    package_dir={"gastritis_gan.cli": "cli"},
    package_data={
        "gastritis_gan": ["py.typed"],
        "gastritis_gan.privacy": ["*.j2"],
        "gastritis_gan.reports": ["*.j2"],
        "gastritis_gan.workflow": ["Snakefile"],
    },
    entry_points={
        "console_scripts": ["gastritis-gan = gastritis_gan.cli.main:main"],
    },
    install_requires=[
        "click>=8.1",
        # Decodes compressed DICOM. BSD; since 2025.3.30 any precision.
        "imagecodecs>=2025.3.30",
        "numpy>=1.26",
        "pillow>=10.1",
        "pydicom>=3.0.2",
        "PyYAML>=6.0",
        "tqdm>=4.66",
    ],
    extras_require={
        # pip cannot swap one TensorFlow build for another, hence an extra for each.
        "cpu": [
            f"tensorflow-cpu>=2.21; {CPU_BUILD}",
            f"tensorflow>=2.21; {NO_CPU_BUILD}",
            *COMPUTE,
        ],
        "gpu": ["tensorflow[and-cuda]>=2.21", *COMPUTE],
        "outlines": OUTLINES,
        "text": TEXT,
        "workflow": WORKFLOW,
        "test": [
            "build>=1.2",
            f"dicom3tools>=20260927; {CPU_BUILD}",
            "hypothesis>=6.100",
            "mlcroissant>=1.1",
            "pytest>=8.2",
            "pytest-xdist>=3.6",
            "selenium>=4.20",
            *OUTLINES,
            *TEXT,
            *WORKFLOW,
        ],
        "lint": [
            "import-linter>=2.1",
            "mypy>=1.14",
            "ruff>=0.12",
            "types-PyYAML>=6.0",
        ],
        # Builds the site; MIT. 0.0.74 and later need zensical-ui, which not every index
        # has.
        "docs": ["zensical==0.0.73"],
    },
)
