"""What the supervisor does with campaigns that it cannot host."""

from __future__ import annotations

from pathlib import Path

import pytest

from nullalpha.app.campaigns import SupervisedCampaigns
from nullalpha.app.hosting import Host
from nullalpha.app.lab import Lab
from nullalpha.core.campaign import CampaignConfig
from nullalpha.core.errors import SettingsError
from nullalpha.data.zones import Zones


def test_a_campaign_that_cannot_begin_fails_once_and_says_why(home: Path) -> None:
    lab = Lab(home)
    config = CampaignConfig(designer="random").model_dump(mode="json")
    lab.stores.looks.set_zones(Zones("1999-01-04", "2012-01-01", "2015-01-01"))
    lab.stores.campaigns.create("c-1", config=config, protocol={}, protocol_hash="h", zones_version=1, data=[], code_version="of long ago")
    Host(lab, 1).serve(idle_seconds=0.1)
    row = lab.stores.campaigns.get("c-1")
    assert row.status == "failed"
    assert row.error is not None
    assert row.error["code"] == "refused"
    assert [event.kind for event in lab.stores.campaigns.events("c-1")].count("ended") == 1


def test_a_campaign_for_a_model_is_refused_where_none_is_named(home: Path) -> None:
    lab = Lab(home)
    with pytest.raises(SettingsError, match="needs a language model") as caught:
        SupervisedCampaigns(lab).start(CampaignConfig(designer="llm"), "mcp")
    assert caught.value.suggestion is not None
    assert "settings.toml" in caught.value.suggestion
    assert lab.stores.campaigns.all() == []
