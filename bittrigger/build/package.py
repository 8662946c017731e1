"""A release: a build, lists, constraints, pattern files and pages in one folder, under a manifest of hashes.

``manifest.json`` is an in-toto statement with a SLSA provenance: its subjects are all files of the package with their SHA-256,
its predicate the options, what went in, and the versions of the tools. ``manifest.sha256`` holds the hash of the manifest, the
one number that names the release: whoever knows it from elsewhere knows every byte.

Sources: in-toto Attestation Framework, Statement v1; SLSA v1.0, Provenance.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bittrigger.build.exchange import WRITTEN
from bittrigger.build.folder import Build
from bittrigger.build.manifest import read_file, sha256
from bittrigger.errors import ConfigError, TamperError

MANIFEST = "manifest.json"
DIGEST = "manifest.sha256"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "bittrigger/convert/1"

SCRATCH = ("sim",)
"""Folders that executors make anew at any time; they are no part of a package."""

_REMEDY = "take the package from where it was released"


def file_names(folder: Path) -> list[str]:
    """All files below ``folder`` but manifest, hash and notes of the exchange; links and what is no file are refused.

    Raises:
        TamperError: if something is neither a file nor a folder.
    """
    found = []
    for place, folders, files in os.walk(folder):
        here = Path(place)
        if here == folder:
            folders[:] = [name for name in folders if name not in SCRATCH]
        for name in (*folders, *files):
            path = here / name
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise TamperError(f"{str(path)!r}: neither a file nor a folder; {_REMEDY}")
        found += [(here / name).relative_to(folder).as_posix() for name in files]
    return sorted(name for name in found if name not in (MANIFEST, DIGEST, WRITTEN))


def write_manifest(folder: Path, build: Build, extra: Mapping[str, object]) -> str:
    """Write the manifest of the package in ``folder`` and return its hash.

    Args:
        build: the package itself, read as a build.
        extra: options of the package.
    """
    subjects = [{"name": name, "digest": {"sha256": sha256(read_file(folder, name))}} for name in file_names(folder)]
    statement = {"_type": STATEMENT, "subject": subjects, "predicateType": PREDICATE}
    text = json.dumps(statement | {"predicate": _predicate(build, extra)}, indent=1, sort_keys=True) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()
    (folder / DIGEST).write_text(f"{digest}  {MANIFEST}\n", encoding="utf-8")
    return digest


def _predicate(build: Build, extra: Mapping[str, object]) -> dict[str, Any]:
    """What the build was made of, all of it from files of the package, so that `verify` can make it again."""
    made = build.provenance
    model, events = made.get("model", {}), made.get("events_sha256")
    inputs = [{"name": model.get("file", "model"), "digest": {"sha256": model["sha256"]}}] if "sha256" in model else []
    inputs += [{"name": "events", "digest": {"sha256": events}}] if events else []
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "settings": asdict(build.settings),
                **made.get("options", {}),
                "package": dict(extra),
            },
            "internalParameters": {"latency_cycles": build.pipeline.latency_cycles},
            "resolvedDependencies": inputs,
        },
        "runDetails": {
            "builder": {
                "id": "bittrigger",
                "version": made.get("versions", {}) | {"bittrigger": made.get("bittrigger")},
            }
        },
    }


def check_package(folder: Path, expected: str | None = None) -> dict[str, Any]:
    """Check every file of the package in ``folder`` against its manifest, and return the manifest.

    Args:
        expected: the hash of the manifest as it is known from elsewhere; None takes it from the package.

    Raises:
        ConfigError: if ``folder`` is no package.
        TamperError: naming the first file that is changed, missing or foreign.
    """
    if not (folder / MANIFEST).is_file():
        raise ConfigError(f"{folder}: not a package (it has no {MANIFEST}); make one with `bittrigger package`")
    names = file_names(folder)
    data = read_file(folder, MANIFEST)
    digest = sha256(data)
    recorded = read_file(folder, DIGEST).decode(errors="replace").split() if (folder / DIGEST).exists() else []
    if recorded != [digest, MANIFEST]:
        raise TamperError(f"{folder / MANIFEST}: its SHA-256 is {digest}, not that in {DIGEST}; {_REMEDY}")
    if expected is not None and expected.lower() != digest:
        raise TamperError(f"{folder / MANIFEST}: its SHA-256 is {digest}, not {expected}; {_REMEDY}")
    subjects = _subjects(folder, data)
    for name in names:
        if name not in subjects:
            raise TamperError(f"{str(folder / name)!r}: not a file of this package; {_REMEDY}")
    for name, wanted in subjects.items():
        if name not in names:
            raise TamperError(f"{folder / name}: missing; {_REMEDY}")
        if sha256(read_file(folder, name)) != wanted:
            raise TamperError(f"{folder / name}: changed since the package was made; {_REMEDY}")
    statement: dict[str, Any] = json.loads(data)
    return statement


def _subjects(folder: Path, data: bytes) -> dict[str, str]:
    try:
        statement = json.loads(data)
        if (statement["_type"], statement["predicateType"]) != (STATEMENT, PREDICATE):
            statement = {}
        return {str(entry["name"]): str(entry["digest"]["sha256"]) for entry in statement["subject"]}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TamperError(
            f"{folder / MANIFEST}: not a manifest of bittrigger ({str(error)[:200]}); {_REMEDY}"
        ) from error


def check_predicate(statement: dict[str, Any], build: Build) -> None:
    """Check that what the manifest says of options and inputs is what the files of the package say.

    Raises:
        TamperError: naming the first part that differs.
    """
    said = statement["predicate"]
    package = said.get("buildDefinition", {}).get("externalParameters", {}).get("package", {})
    wanted = json.loads(json.dumps(_predicate(build, package)))
    for part in ("buildDefinition", "runDetails"):
        if said.get(part) != wanted[part]:
            raise TamperError(f"{MANIFEST}: its {part} is not that of the build in the package; {_REMEDY}")
