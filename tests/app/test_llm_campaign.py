"""The model path, whole: a real llama.cpp server on loopback designs a campaign; when it goes, the campaign waits, and goes on later."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.campaigns import query, run, stage, started, wait_for
from tests.support.tiny_model import tiny_model_server


def test_a_campaign_whose_model_goes_away_waits_for_it_and_then_completes(home: Path, tmp_path: Path) -> None:
    with ExitStack() as server:
        api_base = server.enter_context(tiny_model_server(tmp_path)).api_base
        model = ("--designer", "llm", "--model", "openai/tiny", "--api-base", api_base)
        options = ("--trials", 2, "--workers", 1, "--seed", 0, "--home", home, "--jsonl")
        with started("research", "run", *model, *options) as process:
            wait_for(process, stage("design"))
            server.close()
            out, _ = process.communicate()
    waiting = json.loads(out.splitlines()[-1])["body"]
    assert (process.returncode, waiting["status"], waiting["error"]["code"]) == (1, "waiting_for_model", "model_unavailable")
    assert query(home, "SELECT count(*) FROM experiments") == [(0,)]

    with tiny_model_server(tmp_path, port=urlsplit(api_base).port or 0):
        ended = run("research", "resume", waiting["campaign_id"], "--workers", 1, "--home", home, "--json")
    assert ended.code == 0, ended.out + ended.err
    result = ended.json
    assert (result["status"], result["trials"], result["error"], result["deterministic"]) == ("done", 2, None, False)
    assert {e["designer"] for e in result["experiments"]} == {"llm"}
    assert {e["verdict"] for e in result["experiments"]} <= {"reject", "iterate", "shortlist"}
    assert len({e["fingerprint"] for e in result["experiments"]}) == 2
    calls = [
        json.loads(body) for (body,) in query(home, "SELECT body FROM llm_calls WHERE campaign_id = ? ORDER BY seq", waiting["campaign_id"])
    ]
    assert calls[-1]["outcome"] in ("ok", "repaired")
    assert sum(call["outcome"] in ("ok", "repaired") for call in calls) >= 2
    assert "unavailable" in {call["outcome"] for call in calls}
    assert all(len(call["prompt_sha256"]) == 64 and call["model"] == "openai/tiny" for call in calls)
