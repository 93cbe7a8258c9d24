"""Who may import whom (docs/architecture.md, "Layers")."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "queryinst_vis"

# Parts of the package -> parts of the package they may import, beside themselves, errors and limits.
ALLOWED = {
    "ops": set(),
    "masks": {"ops"},
    "structures": {"masks", "ops"},
    "registry": set(),
    "models": {"structures", "masks", "ops", "registry"},
    "trackers": {"structures", "masks", "ops", "registry"},
    "data": {"structures", "masks", "ops", "registry"},
    "evaluation": {"structures", "masks", "ops", "registry", "data"},
    "video": {"structures", "outputs", "ops"},
    "visualization": {"structures", "masks", "ops"},
    "pipeline": {"structures", "models", "trackers"},
    "acceleration": {"models"},
    "exporting": (
        {"structures", "masks", "ops", "models", "acceleration", "config", "device", "outputs", "safe_load", "weights_file"}
    ),
    "jobs": (
        {"structures", "models", "trackers", "video", "visualization", "results", "pipeline", "outputs", "tracks", "safe_load"}
        | {"submission", "__version__"}  # claims of work shared by processes; what wrote a checkpoint
    ),
    "conversion": set(),
}
# Libraries -> the only parts that import them.
LIBRARIES = {
    "av": {"video"},
    "cv2": {"data", "visualization", "video", "cli"},
    "onnx": {"exporting"},
    "onnxruntime": {"exporting"},
    "onnxscript": {"exporting"},
    "mmcv": {"ops", "data"},
    "mmengine": {"registry", "config", "runner", "training", "models", "evaluation", "checkpoint", "safe_load"},
    "PIL": {"data", "ops", "video"},
    "pycocotools": {"ops", "data", "evaluation"},
}


def part_of(path: Path) -> str:
    """The top-level module or folder of a file of the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    """Dotted names of all modules that a file imports, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "queryinst_vis":
            names |= {f"queryinst_vis.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("part", sorted(ALLOWED))
def test_imports_point_to_lower_layers_only(part: str):
    allowed = ALLOWED[part] | {part, "errors", "limits"}
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in FILES
        if part_of(path) == part
        for name in sorted(imports_of(path))
        if name.startswith("queryinst_vis.") and name.split(".")[1] not in allowed
    ]
    assert not wrong


@pytest.mark.parametrize("library", sorted(LIBRARIES))
def test_library_is_imported_by_its_own_parts_only(library: str):
    users = {part_of(path) for path in FILES for name in imports_of(path) if name.split(".")[0] == library}
    assert users <= LIBRARIES[library]


def test_training_works_without_av():
    parts = ", ".join(f"queryinst_vis.{part}" for part in ("runner", "models", "data", "evaluation"))
    code = f"import sys; sys.modules['av'] = None; import {parts}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_package_loads_no_framework():
    code = "import sys, queryinst_vis; sys.exit(bool({'torch', 'cv2', 'av', 'mmengine'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)
