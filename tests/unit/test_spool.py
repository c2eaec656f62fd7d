"""The spool's file format: what was synced comes back in order, a torn tail ends it, and it says when it fills up."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st
from structlog.testing import capture_logs

from redirector.spool import Spool, SpoolFull

PAYLOADS = st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=10)


@given(PAYLOADS, st.integers(0, 400))
@limits(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
def test_whole_records_come_back_whatever_was_torn(tmp_path: Path, payloads: list[bytes], torn: int) -> None:
    """A crash cuts the file anywhere: every record before the cut is there, nothing after it is made up."""
    spool = Spool(tmp_path, 1 << 20)
    for payload in payloads:
        spool.append(payload)
    spool.close()
    (path,) = tmp_path.glob("*.spool")
    whole = path.read_bytes()
    path.write_bytes(whole[: max(len(whole) - torn, 0)])
    (segment,) = spool.abandoned()
    found = list(segment.payloads())
    assert found == payloads[: len(found)]
    assert len(found) == len(payloads) if torn == 0 else len(found) <= len(payloads)
    segment.close()
    path.unlink()


def test_a_segment_being_written_is_nobody_elses(tmp_path: Path) -> None:
    """Until its writer lets go of it, or dies."""
    writer, other = Spool(tmp_path, 1 << 20), Spool(tmp_path, 1 << 20)
    writer.append(b"one")
    assert list(other.abandoned()) == []
    writer.close()
    (segment,) = other.abandoned()
    assert list(segment.payloads()) == [b"one"]
    segment.delete()
    assert other.bytes_waiting() == 0


def test_it_says_once_that_it_fills_up_and_refuses_when_full(tmp_path: Path) -> None:
    """At 80 per cent, and at the limit."""
    spool = Spool(tmp_path, 1000)
    with capture_logs() as logs:
        spool.append(b"x" * 700)
        spool.append(b"x" * 120)
        spool.append(b"x" * 50)
        with pytest.raises(SpoolFull):
            spool.append(b"x" * 200)
    assert [line["event"] for line in logs] == ["spool_nearly_full"]
    spool.close()
