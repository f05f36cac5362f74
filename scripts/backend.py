"""The build backend of pyproject.toml: scikit-build-core, with vendor/ filled before it builds anything.

An sdist has vendor/ full and is built without a network; so is everything with
--config-settings=cmake.define.HEROQ_BUNDLED=OFF.
"""

from __future__ import annotations

from typing import Any

from scikit_build_core import build as real

import vendor

_Settings = dict[str, Any] | None

prepare_metadata_for_build_wheel = real.prepare_metadata_for_build_wheel
prepare_metadata_for_build_editable = real.prepare_metadata_for_build_editable


def _is_due(settings: _Settings) -> bool:
    asked = (settings or {}).get("cmake.define.HEROQ_BUNDLED", "ON")
    asked = asked[-1] if isinstance(asked, list) else asked
    return asked.upper() not in ("OFF", "NO", "FALSE", "0") and not vendor.is_complete()


def _requires(settings: _Settings) -> list[str]:
    return ["pip", "setuptools>=70.1"] if _is_due(settings) else []


def get_requires_for_build_sdist(settings: _Settings = None) -> list[str]:
    return real.get_requires_for_build_sdist(settings) + _requires(None)


def get_requires_for_build_wheel(settings: _Settings = None) -> list[str]:
    return real.get_requires_for_build_wheel(settings) + _requires(settings)


def get_requires_for_build_editable(settings: _Settings = None) -> list[str]:
    return real.get_requires_for_build_editable(settings) + _requires(settings)


def build_sdist(folder: str, settings: _Settings = None) -> str:
    vendor.fetch()
    return real.build_sdist(folder, settings)


def build_wheel(folder: str, settings: _Settings = None, metadata: str | None = None) -> str:
    if _is_due(settings):
        vendor.fetch()
    return real.build_wheel(folder, settings, metadata)


def build_editable(folder: str, settings: _Settings = None, metadata: str | None = None) -> str:
    if _is_due(settings):
        vendor.fetch()
    return real.build_editable(folder, settings, metadata)
