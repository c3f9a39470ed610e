"""Findings that somebody knows of: acknowledged with a reason and an end, marked, withdrawn, never forgotten."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from api.app import create_app
from spatial.db import Database
from spatial.findings.acknowledging import faults_of
from spatial.findings.findings import Findings, Wanted
from spatial.findings.model import Found, Limits
from spatial.history import Moment
from spatial.postgresql import API
from spatial.settings import Settings, settings
from spatial.time import now
from tests.access_world import Precinct
from tests.build import T0

REASON = "待河道确权后一并调整"
DAY = timedelta(days=1)


@pytest.fixture
def client(precinct: Precinct, tmp_path: Path) -> Iterator[TestClient]:
    """Yield a client of the service, which logs in with the service's rights."""
    served = precinct.database.as_login(API)
    app = create_app(served, Settings(language="en", data_dir=tmp_path))
    with TestClient(app, "http://127.0.0.1:8000", client=("127.0.0.1", 50000)) as client:
        yield client
    served.engine.dispose()


def found_in(database: Database, kind: str, grid: str) -> Found:
    """Return a finding as it stands now."""
    with database.read() as session:
        found = Findings(session, Moment(now()), Limits()).found(Wanted(kind=kind))
    return next(one for one in found if grid in one.flaw.grids)


def tell(
    client: TestClient, precinct: Precinct, key: str, who: str = "planner-whole", days: float = 30, reason: str = REASON
) -> Any:
    """Acknowledge a finding for some days."""
    headers = {"Authorization": f"Bearer {precinct.tokens[who]}"}
    told = {"reason": reason, "until": (now() + days * DAY).isoformat()}
    return client.post(f"/findings/{key}/acknowledge", json=told, headers=headers)


def listed(client: TestClient, precinct: Precinct, who: str = "viewer-whole", **params: Any) -> dict[str, Any]:
    """Return what is told of each finding by key."""
    headers = {"Authorization": f"Bearer {precinct.tokens[who]}"}
    reply = client.get("/findings", params=params, headers=headers)
    assert reply.status_code == 200, reply.text
    return {one["id"]: one["properties"] for one in reply.json()["features"]}


def withdraw(client: TestClient, precinct: Precinct, key: str, who: str = "planner-whole") -> Any:
    """Take back what was said of a finding."""
    headers = {"Authorization": f"Bearer {precinct.tokens[who]}"}
    return client.delete(f"/findings/{key}/acknowledge", headers=headers)


def test_who_knows_of_it_is_told_with_it(precinct: Precinct, client: TestClient) -> None:
    """An acknowledged finding is listed all the same, with reason, name and end; and it is on record who said so."""
    key = found_in(precinct.database, "gap", "A").key
    made = tell(client, precinct, key)
    assert made.status_code == 201, made.text
    known = made.json()["properties"]["acknowledged"]
    assert (known["reason"], known["by"]) == (REASON, "planner-whole")
    everything = listed(client, precinct)
    assert everything[key]["acknowledged"] == known
    assert listed(client, precinct, acknowledged="yes").keys() == {key}
    assert listed(client, precinct, acknowledged="no").keys() == everything.keys() - {key}
    with precinct.database.read() as session:
        row = session.execute(
            text("SELECT actor, object, detail FROM audit WHERE action = 'finding.acknowledge'")
        ).one()
    assert (row.actor, row.object, row.detail["reason"]) == ("planner-whole", f"finding/{key}", REASON)


def test_who_sees_a_part_sees_who_knows_of_that_part(precinct: Precinct, client: TestClient) -> None:
    """A station's viewer is shown the reason for its own gap; of a far one neither the finding nor the reason."""
    own, far = (found_in(precinct.database, "gap", grid).key for grid in "AE")
    for key in (own, far):
        assert tell(client, precinct, key).status_code == 201
    seen = listed(client, precinct, "viewer-unit", acknowledged="yes")
    assert seen.keys() == {own}
    reach = {"twingrid.units": str(precinct.ids["S1"]), "twingrid.layers": "*", "twingrid.rim": ""}
    with precinct.database.read() as session:
        session.execute(text("SET ROLE twingrid_scoped"))
        for name, value in reach.items():
            session.execute(text("SELECT set_config(:name, :value, true)"), {"name": name, "value": value})
        assert session.scalars(text("SELECT finding_key FROM acknowledgement")).all() == [own]


def test_the_duty_officer_speaks_for_people_and_the_planner_for_both(precinct: Precinct, client: TestClient) -> None:
    """A vacancy is the duty officer's to explain, a gap is not; others, and who looks on at a station, may neither."""
    gap, vacancy = found_in(precinct.database, "gap", "A").key, found_in(precinct.database, "nobody", "B").key
    allowed = {
        (who, name): tell(client, precinct, key, who).status_code
        for who in ("duty_officer-whole", "planner-whole", "approver-whole", "viewer-whole", "planner-unit")
        for name, key in (("gap", gap), ("vacancy", vacancy))
    }
    assert {pair for pair, status in allowed.items() if status == 201} == {
        ("duty_officer-whole", "vacancy"),
        *((who, name) for who in ("planner-whole", "approver-whole") for name in ("gap", "vacancy")),
    }
    assert set(allowed.values()) == {201, 403}
    assert withdraw(client, precinct, gap, "duty_officer-whole").status_code == 403
    assert listed(client, precinct)[gap]["acknowledged"] is not None
    assert withdraw(client, precinct, vacancy, "duty_officer-whole").status_code == 200


def test_the_last_word_counts_and_no_word_is_lost(precinct: Precinct, client: TestClient) -> None:
    """Said anew, the reason is the new one; taken back, there is none; as known before, each is still there."""
    key = found_in(precinct.database, "gap", "A").key
    tell(client, precinct, key, reason="first")
    first = now()
    tell(client, precinct, key, reason="second")
    second = now()
    assert withdraw(client, precinct, key).json()["reason"] == "second"
    assert withdraw(client, precinct, key).status_code == 404
    later = (second + 5 * DAY).isoformat()

    def reason(**params: str) -> str | None:
        known = listed(client, precinct, **params)[key]["acknowledged"]
        return known and str(known["reason"])

    assert reason() is None
    assert reason(at=later, known_at=first.isoformat()) == "first"
    assert reason(at=later, known_at=second.isoformat()) == "second"
    assert reason(at=second.isoformat()) == "second"  # it stays true that it was acknowledged then
    with precinct.database.read() as session:
        said = session.scalars(text("SELECT DISTINCT reason FROM acknowledgement ORDER BY reason"))
        assert said.all() == ["first", "second"]


def test_what_is_over_counts_no_more(precinct: Precinct, client: TestClient) -> None:
    """After its end an acknowledgement is none."""
    key = found_in(precinct.database, "gap", "A").key
    until = tell(client, precinct, key, days=3).json()["properties"]["acknowledged"]["until"]
    assert listed(client, precinct, at=(now() + 2 * DAY).isoformat())[key]["acknowledged"]
    assert listed(client, precinct, at=until)[key]["acknowledged"] is None


def test_a_reason_and_an_end_are_needed() -> None:
    """A blank or endless reason, an end that is over or more than a year ahead: all that is wrong at once."""
    assert faults_of("a bridge", T0 + 366 * DAY, T0) == []
    told = [(one.where, one.text) for one in faults_of(" ", T0, T0)]
    assert told == [("reason", "reason-missing"), ("until", "until-not-in-future")]
    told = [(one.where, one.text) for one in faults_of("a" * 501, T0 + 367 * DAY, T0)]
    assert told == [("reason", "reason-too-long"), ("until", "until-too-far")]


def test_what_cannot_be_acknowledged_is_refused(precinct: Precinct, client: TestClient) -> None:
    """Without a reason, without an end, or where there is no such finding."""
    key = found_in(precinct.database, "gap", "A").key
    assert tell(client, precinct, "0" * 32).status_code == 404
    blank = tell(client, precinct, key, reason="  ", days=-1)
    assert blank.status_code == 400
    assert {one["where"] for one in blank.json()["faults"]} == {"body.reason", "body.until"}
    headers = {"Authorization": f"Bearer {precinct.tokens['planner-whole']}"}
    assert client.post(f"/findings/{key}/acknowledge", json={"reason": REASON}, headers=headers).status_code == 400
    assert listed(client, precinct)[key]["acknowledged"] is None


def test_the_command_line_acknowledges(
    precinct: Precinct, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dry run first; then `check` marks it, and exits with 0 once all faults are acknowledged, with 1 again later."""
    from api.cli import main

    url = precinct.database.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("TWINGRID_DATABASE_URL", url)
    monkeypatch.setenv("COLUMNS", "250")

    def said(*words: str) -> tuple[str, int]:
        monkeypatch.setattr("sys.argv", ["twingrid", "check", *words, "--lang", "en"])
        settings.cache_clear()
        with pytest.raises(SystemExit) as left:
            main()
        settings.cache_clear()
        return capsys.readouterr().out, int(left.value.code or 0)

    shown, code = said("roster", "--unit", "S1", "--json")
    faults = [one["key"] for one in json.loads(shown) if one["severity"] == "fault"]
    assert (len(faults), code) == (2, 1)
    until = (now() + 9 * DAY).isoformat()
    for n, key in enumerate(faults):
        asked = ("acknowledge", key, "--reason", "on leave", "--until", until)
        assert "Would be acknowledged" in said(*asked)[0]
        assert said("roster", "--unit", "S1", "--json")[1] == 1
        assert "Acknowledged until" in said(*asked, "--commit")[0]
        assert said("roster", "--unit", "S1")[1] == (1 if n == 0 else 0)
    assert "on leave" in said("roster", "--unit", "S1")[0]
    assert "Would be taken back: on leave" in said("withdraw", faults[0])[0]
    said("withdraw", faults[0], "--commit")
    assert said("roster", "--unit", "S1")[1] == 1
    assert said("withdraw", faults[0])[1] != 0
