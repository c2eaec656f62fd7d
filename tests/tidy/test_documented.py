"""Every setting, metric and command stands in the README."""

from __future__ import annotations

import pytest
from prometheus_client.metrics import MetricWrapperBase

from clickledger.cli import app
from schema import metrics
from schema.settings import Settings
from tests.tidy.sources import ROOT


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_setting(readme: str, name: str) -> None:
    assert f"CLICKLEDGER_{name.upper()}" in readme
    assert Settings.model_fields[name].description


@pytest.mark.parametrize(
    "name", sorted(metric._name for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase))
)
def test_metric(readme: str, name: str) -> None:
    assert name in readme


@pytest.mark.parametrize(
    "name",
    sorted(
        [
            str(command.name or command.callback.__name__)
            for command in app.registered_commands
            if command.callback
        ]
        + [str(group.name) for group in app.registered_groups]
    ),
)
def test_command(readme: str, name: str) -> None:
    assert f"clickledger {name}" in readme
