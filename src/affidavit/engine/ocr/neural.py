"""Load the libraries that run neural models, one thread each and with telemetry off."""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from affidavit.engine.errors import OcrUnavailable

EXTRA = "pip install 'affidavit[ocr-neural]'"

# Read by the libraries when they are loaded, so these must stand in the environment before.
# onnxruntime since 1.29 starts a thread that sends events to its vendor unless told not to, and
# keeps a device id on disk; OpenBLAS starts a thread a core. A thread does not survive a fork.
ENVIRONMENT = {
    "ORT_DISABLE_TELEMETRY": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}


@functools.cache
def load(engine: str, module: str) -> Any:
    """Import a module of the extra `ocr-neural`. Raises OcrUnavailable, saying what to install."""
    os.environ.update(ENVIRONMENT)
    try:
        loaded = importlib.import_module(module)
    except ImportError as error:
        raise OcrUnavailable(engine, f"{module.partition('.')[0]} is missing; {EXTRA}") from error
    if module == "cv2":
        loaded.setNumThreads(1)
    return loaded


def missing(*modules: str) -> tuple[str, ...]:
    """Return those of the top-level modules that are not installed, without importing any."""
    return tuple(module for module in modules if importlib.util.find_spec(module) is None)


def folder(package: str) -> Path | None:
    """Return where a package is installed, without importing it; None when it is not."""
    spec = importlib.util.find_spec(package)
    found = list(spec.submodule_search_locations or []) if spec else []
    return Path(found[0]) if found else None


def distribution_version(package: str) -> str | None:
    """Return the version of an installed distribution, without importing it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def session(engine: str, model: Path) -> Any:
    """Return an inference session of one thread, safe to fork. Raises OcrUnavailable."""
    runtime = load(engine, "onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
    options.enable_cpu_mem_arena = False  # an arena keeps the memory of its largest page
    options.log_severity_level = 4
    if not model.is_file():
        raise OcrUnavailable(engine, f"its model {model.name} is missing; reinstall it: {EXTRA}")
    return runtime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


@functools.cache
def sha256(model: Path) -> str:
    """Return the SHA-256 of a model file, in hex."""
    with model.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
