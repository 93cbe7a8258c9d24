"""Metadata, dependencies, extras and the entry point; settings of tools stand in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
(VERSION,) = re.findall(
    r'^__version__ = "(.+)"$', (ROOT / "queryinst_vis" / "__init__.py").read_text(encoding="utf-8"), re.MULTILINE
)

# configs/ lies at the top of the repository, where people look for it, and is installed as the package queryinst_vis.configs.
PACKAGE_DIR = {"queryinst_vis.configs": "configs"} | {
    f"queryinst_vis.configs.{folder}": f"configs/{folder}" for folder in ("ablations", "base", "hustvl")
}

setup(
    name="queryinst-vis",
    version=VERSION,
    description="Video instance segmentation with queries: QueryInst, trackers, training, and a small model that is ready to use",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE", "NOTICE"],
    python_requires=">=3.11",
    packages=[*find_packages(include=["queryinst_vis", "queryinst_vis.*"]), *PACKAGE_DIR],
    package_dir=PACKAGE_DIR,
    package_data={"queryinst_vis": ["weights/*.safetensors", "py.typed"]},
    # README.md, "Dependencies", gives the reason for each.
    install_requires=[
        "av>=17,<19",  # earlier ones do not keep colours; 19 dropped arguments of open() that unreadable metadata needs
        "mmcv-lite>=2.2",
        "mmengine>=0.10.7",
        "numpy>=1.26",
        "opencv-python>=4.10",
        "pillow>=10",
        "pycocotools>=2.0.8",
        "rich>=13",
        "safetensors>=0.4.5",
        "scipy>=1.13",
        "torch>=2.10",
        "torchvision>=0.25",
    ],
    extras_require={
        "dev": ["mypy>=1.11", "pre-commit>=3.8", "pytest>=8", "pytest-xdist>=3.6", "ruff>=0.6", "timm>=1.0.22"],
        "demo": ["scikit-image>=0.24"],  # only to render the clip again; running it needs nothing
        "onnx": ["onnx>=1.17", "onnxruntime>=1.20", "onnxscript>=0.5"],  # export-model, and running what it wrote
        "supervision": ["supervision>=0.25"],  # Instances.to_supervision()
        "ray": ["ray>=2.30"],  # track-videos --ray
        "tensorboard": ["tensorboard>=2.17"],
        "timm": ["timm>=1.0.22"],  # TimmBackbone; networks of earlier ones cannot be built without memory for their weights
    },
    entry_points={"console_scripts": ["queryinst-vis = queryinst_vis.cli.main:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
)
