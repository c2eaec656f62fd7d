"""Links in and out as files: whole chunks, row-numbered faults, repeatable, and the command line around it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from typer.testing import CliRunner

from attribution import link_import
from attribution.link_export import export_links
from attribution.link_fields import Policy
from attribution.link_import import ImportReport, import_links
from clickledger.cli import app
from schema.settings import Settings

POLICY = Policy(frozenset({"http", "https"}), True, "http://go.example")


@pytest.fixture
def connection(settings: Settings) -> Iterator[Any]:
    """A runner of coroutines on one connection."""
    with asyncio.Runner() as runner:
        opened = runner.run(asyncpg.connect(settings.database_url))

        class Opened:
            raw = opened

            def run(self, coroutine: Any) -> Any:
                return runner.run(coroutine)

            def load(self, text: str, **options: Any) -> ImportReport:
                lines = text.splitlines(keepends=True)
                loaded = import_links(opened, POLICY, lines, is_csv=options.pop("is_csv", True), **options)
                return runner.run(loaded)

        yield Opened()
        runner.run(opened.close())


def csv_of(count: int, destination: str = "https://x.example/") -> str:
    return "code,destination_url\n" + "".join(f"n{number},{destination}{number}\n" for number in range(count))


def test_a_second_import_changes_nothing(connection: Any) -> None:
    seen: list[int] = []
    first = connection.load(csv_of(2500), on_progress=seen.append)
    assert (first.created, first.left, first.refused, first.faults) == (2500, 0, 0, [])
    assert seen == [1000, 1000, 500]
    second = connection.load(csv_of(2500))
    assert (second.created, second.left, second.refused) == (0, 2500, 0)
    assert connection.run(connection.raw.fetchval("SELECT count(*) FROM outbox WHERE topic = 'link'")) == 2500
    assert connection.run(connection.raw.fetchval("SELECT count(*) FROM audit_logs")) == 2500


def test_a_chunk_goes_in_whole_or_not_at_all(connection: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_import, "CHUNK_ROWS", 3)
    lines = csv_of(9).splitlines(keepends=True)
    lines[5] = "n4,ftp://x.example/\n"
    report = connection.load("".join(lines))
    assert (report.created, report.refused) == (6, 3)
    assert [(fault.line, fault.fault.field) for fault in report.faults] == [(6, "destination_url")]
    codes = connection.run(connection.raw.fetch("SELECT short_code FROM partner_links ORDER BY 1"))
    assert [row[0] for row in codes] == ["n0", "n1", "n2", "n6", "n7", "n8"]


def test_a_code_that_means_something_else_is_refused_or_updated(connection: Any) -> None:
    connection.load(csv_of(3))
    moved = csv_of(3, "https://y.example/")
    report = connection.load(moved)
    assert report.refused == 3 and "another destination" in report.faults[0].fault.message
    report = connection.load(moved, is_update=True)
    assert (report.changed, report.left) == (3, 0)
    assert connection.load(moved, is_update=True).left == 3
    connection.run(
        connection.raw.execute("UPDATE partner_links SET is_deleted = true WHERE short_code = 'n1'")
    )
    report = connection.load(moved, is_update=True)
    assert "deleted" in report.faults[0].fault.message


def test_the_same_code_twice_in_a_file(connection: Any) -> None:
    same = "code,destination_url\na,https://x.example\na,https://x.example\n"
    assert connection.load(same).created == 1
    other = "code,destination_url\nb,https://x.example\nb,https://y.example\n"
    assert "line 2" in connection.load(other).faults[0].fault.message


def test_a_link_of_an_enrolment_needs_an_approved_one(connection: Any) -> None:
    connection.run(
        connection.raw.execute(
            """INSERT INTO vendors (name, email) VALUES ('V', 'v@x.example');
               INSERT INTO partners (name, email, status) VALUES ('P', 'p@x.example', 'active');
               BEGIN;
               INSERT INTO campaigns (vendor_id, current_campaign_version_id) VALUES (1, 1);
               INSERT INTO campaign_versions (campaign_id, version_number, name, destination_url,
                   default_commission_type, default_commission_value) VALUES (1, 1, 'C', 'https://c.example/', 'flat', 1);
               COMMIT;
               INSERT INTO campaign_partners (campaign_version_id, partner_id, status) VALUES (1, 1, 'approved')"""
        )
    )
    rows = [{"code": "e", "campaign_partner_id": 1, "utm_params": {"utm_source": "s"}}]
    report = connection.load("".join(json.dumps(row) + "\n" for row in rows), is_csv=False)
    assert report.created == 1
    assert connection.run(connection.raw.fetchval("SELECT full_url FROM partner_links")) == (
        "https://c.example/?utm_source=s"
    )
    wrong = connection.load(json.dumps({"code": "f", "campaign_partner_id": 9}) + "\n", is_csv=False)
    assert wrong.faults[0].fault.field == "campaign_partner_id"


@pytest.mark.parametrize("is_csv", [True, False])
def test_what_is_exported_imports_as_the_same(connection: Any, is_csv: bool) -> None:
    source = {
        "code": "täg/1", "destination_url": "https://x.example/?a=%20&b#f", "label": '=say("hi"); ok',
        "rules": [{"when": {"country": ["GB"]}, "split": [{"weight": 1, "to": "https://a.example/"}]}],
        "utm_params": {"utm_source": "s"}, "custom_params": {"k": "{sub1}"}, "forward_query": ["a"],
        "starts_at": "2026-01-01T00:00:00Z", "expires_at": None, "max_clicks": 5, "fallback_url": None,
        "redirect_status": 307, "is_disabled": True,
    }  # fmt: skip
    assert connection.load(json.dumps(source) + "\n", is_csv=False).created == 1

    async def export() -> str:
        return "".join([text async for text in export_links(connection.raw, POLICY, is_csv=is_csv)])

    text = connection.run(export())
    report = connection.load(text, is_csv=is_csv, is_update=True)
    assert (report.left, report.changed, report.faults) == (1, 0, [])
    connection.run(connection.raw.execute("TRUNCATE partner_links CASCADE"))
    assert connection.load(text, is_csv=is_csv).created == 1
    assert connection.run(export()) == text


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs `clickledger …` against the test's database."""
    monkeypatch.setenv("CLICKLEDGER_DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("CLICKLEDGER_REDIS_URL", str(settings.redis_url))
    monkeypatch.setenv("CLICKLEDGER_DATA_DIR", str(settings.data_dir))
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_commands_import_and_export(command: Any, tmp_path: Path) -> None:
    file = tmp_path / "links.csv"
    file.write_text("keyword,url,title\nozh,https://x.example/,T\nbad code,https://x.example/,T\n")
    wrong = command("links", "import", file)
    assert (
        wrong.exit_code == 1
        and "line 3: code contains spaces" in wrong.output
        and "2 refused" in wrong.output
    )
    file.write_text("keyword,url,title\nozh,https://x.example/,T\n")
    assert "1 created" in command("links", "import", file).output
    again = command("links", "import", file)
    assert again.exit_code == 0 and "1 left" in again.output
    exported = command("links", "export")
    assert exported.exit_code == 0 and exported.output.splitlines()[1].startswith("ozh,https://x.example/")
    assert json.loads(command("links", "export", "--format", "ndjson").output)["code"] == "ozh"


def test_the_commands_make_list_and_revoke_keys(command: Any) -> None:
    made = command("keys", "create", "--role", "admin", "--label", "mine")
    assert made.exit_code == 0 and made.output.startswith("clk_admin_")
    key = made.output.strip()
    listed = command("keys", "list").output
    assert "mine" in listed and key not in listed and key[:16] in listed
    assert command("keys", "revoke", key).exit_code == 0
    assert command("keys", "revoke", key).exit_code == 1
    assert "revoked" in command("keys", "list").output


def test_the_command_applies_a_programme(command: Any, tmp_path: Path) -> None:
    file = tmp_path / "programme.yaml"
    file.write_text("vendors: [{email: v@x.example, name: V}]")
    first = command("apply", file)
    assert first.exit_code == 0 and "created  vendor     v@x.example" in first.output
    assert "0 created, 0 changed, 1 left" in command("apply", file).output
    file.write_text("vendors: [{email: nobody, name: V}]")
    wrong = command("apply", file)
    assert wrong.exit_code == 1 and "vendors[0].email" in wrong.output


def test_the_command_verifies(command: Any) -> None:
    result = command("verify", "--json")
    body = json.loads(result.output)
    assert result.exit_code == 0 and body["ok"] is True
    assert {"name", "ok", "examined", "violations"} <= body["checks"][0].keys()
