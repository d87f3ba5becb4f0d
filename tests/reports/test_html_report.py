"""The report as a browser would take it: whole, self-contained, escaped, honest about what is missing."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pytest

from nullalpha.core.errors import DataError
from nullalpha.reports.detail import CampaignFacts, ExperimentDetail
from nullalpha.reports.html import render_campaign
from nullalpha.tools.contract import CampaignResult, LockboxOpeningRecord

Make = Callable[..., CampaignResult]
Details = Callable[[CampaignResult], dict[str, ExperimentDetail]]

VOID = {"meta", "link", "br", "img", "input", "hr", "line"}
LOADING = {"src", "href", "srcset", "data", "action", "poster", "xlink:href", "formaction"}


class Page(HTMLParser):
    """Collects elements, the cells of each table row, the text outside scripts, and every attribute that could load something."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.loads: list[tuple[str, str]] = []
        self.handlers: list[str] = []
        self.texts: list[str] = []
        self.rows: list[list[str]] = []
        self.scripts: list[str] = []
        self.policy = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        if "id" in values:
            self.ids.append(values["id"] or "")
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"] or ""
        self.loads.extend((tag, value or "") for name, value in attrs if name in LOADING)
        self.handlers.extend(name for name, _ in attrs if name.startswith("on"))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
        if tag == "script":
            self.scripts.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        elif not self.open or self.open[-1] != "style":
            self.texts.append(data)
            if self.rows and {"td", "th"} & set(self.open):
                self.rows[-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def payload(self) -> dict[str, object]:
        loaded = json.loads(self.scripts[0])
        assert isinstance(loaded, dict)
        return loaded

    def board(self) -> dict[str, list[str]]:
        """Return the leaderboard's rows by strategy cell."""
        return {row[1]: row for row in self.rows if len(row) == 10 and row[0].isdigit()}


@pytest.fixture
def page(make_campaign: Make, make_details: Details, some_facts: CampaignFacts) -> Page:
    result = make_campaign(24)
    return Page(render_campaign(result, make_details(result), some_facts))


def test_the_page_is_well_formed_and_ids_are_unique(page: Page) -> None:
    assert page.open == []
    assert len(set(page.ids)) == len(page.ids)
    assert page.tags[0] == "html"


def test_nothing_on_the_page_can_load_anything(page: Page) -> None:
    assert all(value.startswith("#") for _, value in page.loads)
    assert not {"link", "iframe", "object", "embed", "img"} & set(page.tags)
    assert page.policy.startswith("default-src 'none'")
    assert page.handlers == []
    assert {value[1:] for _, value in page.loads} <= set(page.ids)


def test_style_sheets_load_nothing(make_campaign: Make) -> None:
    styles = re.findall(r"<style>(.*?)</style>", render_campaign(make_campaign(3), {}), flags=re.S)
    assert len(styles) == 1
    assert "url(" not in styles[0]
    assert "@import" not in styles[0]


def test_the_charts_library_is_there_once_and_the_file_is_below_6_mb(make_campaign: Make, make_details: Details) -> None:
    result = make_campaign(24)
    text = render_campaign(result, make_details(result))
    assert len(text.encode()) < 6_000_000
    assert text.count("plotly.js v") == 1


def test_every_experiment_is_listed_whatever_became_of_it(page: Page, make_campaign: Make) -> None:
    names = " ".join(page.board())
    assert len(page.board()) == 24
    assert all(record.id in names and record.name in names for record in make_campaign(24).experiments)


def test_the_best_eight_with_details_get_a_section_with_their_series(page: Page, make_campaign: Make) -> None:
    sections = [name for name in page.ids if name.startswith("x-x-")]
    assert len(sections) == 8
    charts = page.payload["sections"]
    assert isinstance(charts, list)
    assert [f"x-{chart['id']}" for chart in charts] == sections
    assert {len(chart["days"]) for chart in charts} == {len(chart["equity"]) for chart in charts} == {2423}
    assert charts[0]["folds"][0] == charts[0]["days"][0] == (np.datetime64("2004-06-14") - np.datetime64("1970-01-01")).astype(int)


def test_rules_stand_with_what_could_go_and_losses_beside_every_baseline(page: Page) -> None:
    rules = [row for row in page.rows if row[0].startswith(("trend is up and rsi is not low", "trend is down"))]
    assert {(row[0].startswith("trend is down could go"), row[2], row[3]) for row in rules} == {
        (True, "26.0 %", "6.8 %"),
        (False, "33.0 %", "10.9 %"),
    }
    assert "SPX: 2 of 3 rules give 0.97 of what it says (R2); side agreement 0.99; loss 0.6925, 0.6927 with all" in page.text
    assert "its loss is below that of gradient boosting in 1 of 5 refits" in page.text
    fold = next(row for row in page.rows if row[0].startswith("1 ") and "SPX" in row[0])
    assert fold[4:] == ["0.6912", "0.6927", "0.6931", "0.6932", "0.6933", "0.6929"]


def test_missing_figures_are_dashes_and_never_zero(page: Page) -> None:
    row = next(cells for name, cells in page.board().items() if "failed" in cells[8])
    assert [row[i].split()[0] for i in (2, 3, 4, 5, 6, 7)] == ["–"] * 6
    assert not any(re.search(r"\d", row[i]) for i in (2, 3, 4, 5, 6, 7))


def test_an_experiment_without_metrics_may_still_have_a_section(make_campaign: Make, make_detail: Callable[..., ExperimentDetail]) -> None:
    result = make_campaign(1)
    record = result.experiments[0].model_copy(update={"metrics": None, "reasons": []})
    page = Page(render_campaign(result.model_copy(update={"experiments": [record]}), {record.id: make_detail(record.id, 1)}))
    assert f"x-{record.id}" in page.ids
    assert "nan" not in page.text.lower().split()
    assert "None" not in page.text


def test_gaps_in_a_series_are_gaps_in_the_chart(make_campaign: Make, make_detail: Callable[..., ExperimentDetail]) -> None:
    result = make_campaign(1)
    full = make_detail(result.experiments[0].id, 1, n=50)
    equity = full.equity.copy()
    equity[7] = np.nan
    holed = ExperimentDetail(full.experiment_id, full.dates, equity, full.buy_and_hold, full.drawdown)
    sections = Page(render_campaign(result, {full.experiment_id: holed})).payload["sections"]
    assert isinstance(sections, list)
    assert sections[0]["equity"][7] is None
    assert sections[0]["equity"][8] == pytest.approx(equity[8], abs=1e-4)


HOSTILE = "<script>alert(1)</script>\"'&</title></style><img src=x onerror=alert(1)>"


def test_hostile_words_from_outside_stay_words(
    make_campaign: Make, make_detail: Callable[..., ExperimentDetail], some_facts: CampaignFacts
) -> None:
    result = make_campaign(3)
    record = result.experiments[0].model_copy(
        update={"name": HOSTILE, "reasons": [HOSTILE, HOSTILE], "designer": HOSTILE, "instruments": [HOSTILE], "id": "x-0"}
    )
    lesson = result.lessons[0].model_copy(update={"text": HOSTILE, "evidence": [HOSTILE]})
    hostile = result.model_copy(
        update={"experiments": [record, *result.experiments[1:]], "lessons": [lesson], "home": HOSTILE, "notes": [HOSTILE]}
    )
    plain = make_detail("x-0", 1, n=30)
    detail = ExperimentDetail(
        "x-0",
        plain.dates,
        plain.equity,
        plain.buy_and_hold,
        plain.drawdown,
        words=HOSTILE,
        notes=(HOSTILE,),
        yaml=HOSTILE,
        rules=plain.rules,
    )
    calm, attacked = render_campaign(result, {"x-0": plain}), render_campaign(hostile, {"x-0": detail}, CampaignFacts(brief=HOSTILE))
    page = Page(attacked)
    assert page.text.count("<script>alert(1)</script>") >= 9
    assert page.tags.count("script") == Page(calm).tags.count("script") == 3
    assert "img" not in page.tags
    assert page.handlers == []
    assert page.open == []
    luck = page.payload["luck"]
    assert isinstance(luck, dict)
    assert HOSTILE in luck["names"]


def test_the_headline_is_the_page_heading_and_its_title(page: Page) -> None:
    assert page.text.count("23 strategies tried; none deserves belief.") == 2


def test_facts_of_the_campaign_are_on_the_page(page: Page, make_campaign: Make) -> None:
    result = make_campaign(24)
    for words in ("2 min 11 s", result.protocol_hash[:12], "1999-01-04", "validation", "2016-12-30", "The lockbox is closed", "Pullbacks"):
        assert words in page.text
    assert all(lesson.text in page.text for lesson in result.lessons)


def test_what_was_learned_by_a_strategy_is_on_the_page(page: Page) -> None:
    for words in (
        "trend is up and rsi is low",
        "0.10 + 0.31 rsi - 0.08 roc",
        "gaussian centre 28.1",
        "41.0 %",
        "0.6927",
        "0.6931",
        "+0.064",
        "of zero",
        "Leans",
        "indicator: rsi, period: 14",
    ):
        assert words in page.text


def test_openings_of_the_lockbox_are_listed(make_campaign: Make) -> None:
    result = make_campaign(3)
    opened = LockboxOpeningRecord(id="o-1", experiment_id="x-7", opened="2026-11-20T14:00:00Z", result="not promoted", p=0.41)
    page = Page(render_campaign(result.model_copy(update={"lockbox": result.lockbox.model_copy(update={"openings": [opened]})}), {}))
    assert ["2026-11-20T14:00:00Z", "x-7", "not promoted", "0.410"] in page.rows
    assert "The lockbox is closed" not in page.text
    assert "of every campaign" in page.text


def test_an_opening_that_was_not_judged_yet_is_unfinished(make_campaign: Make) -> None:
    result = make_campaign(3)
    opened = LockboxOpeningRecord(id="o-1", experiment_id="x-7", opened="2026-11-20T14:00:00Z")
    page = Page(render_campaign(result.model_copy(update={"lockbox": result.lockbox.model_copy(update={"openings": [opened]})}), {}))
    assert ["2026-11-20T14:00:00Z", "x-7", "unfinished", "–"] in page.rows


def test_an_unopened_lockbox_claims_no_more_than_the_page_can_know(page: Page) -> None:
    assert "When this page was written, no strategy of this home had been judged on the last stretch of data" in page.text


def test_ratios_of_raw_returns_are_marked_as_such_beside_the_excess(make_campaign: Make, make_details: Details) -> None:
    result = make_campaign(24, n_home=48)
    text = render_campaign(result, make_details(result))
    assert Page(text).text.count("PSR (raw)") == Page(text).text.count("DSR (raw)") == 8
    assert "among 48 trials" in Page(text).text
    assert "of the raw returns, not of the excess" in text


def test_luck_on_the_page_says_whose_trials_it_counts(make_campaign: Make) -> None:
    text = Page(render_campaign(make_campaign(24, n_home=48), {})).text
    assert "the best of 48 independent trials, as many as this home had made by the end of this campaign, all without any skill" in text


@pytest.mark.parametrize(
    ("update", "said"),
    [
        ({}, "Repeatable from its seed and what the home knew"),
        ({"deterministic": False}, "Repeatable no: the clock could end it"),
        ({"deterministic": False, "designer": "llm"}, "Repeatable no: a language model designed it"),
    ],
)
def test_the_page_says_whether_and_why_not_it_can_be_repeated(update: dict[str, object], said: str, make_campaign: Make) -> None:
    assert said in Page(render_campaign(make_campaign(3).model_copy(update=update), {})).text


def test_a_campaign_without_experiments_renders(make_campaign: Make) -> None:
    page = Page(render_campaign(make_campaign(0), {}))
    assert page.open == []
    assert "No experiment was recorded." in page.text
    assert page.payload == {"luck": None, "sections": []}


def test_the_same_campaign_gives_the_same_file(make_campaign: Make, make_details: Details) -> None:
    result = make_campaign(4)
    assert render_campaign(result, make_details(result)) == render_campaign(result, make_details(result))


def test_very_long_series_are_thinned_and_keep_their_ends(make_campaign: Make) -> None:
    result = make_campaign(1)
    n = 50_000
    dates = (np.datetime64("1900-01-01") + np.arange(n)).astype("datetime64[D]")
    ramp = np.linspace(1, 2, n)
    sections = Page(
        render_campaign(result, {result.experiments[0].id: ExperimentDetail(result.experiments[0].id, dates, ramp, ramp, ramp * 0)})
    ).payload["sections"]
    assert isinstance(sections, list)
    assert len(sections[0]["days"]) <= 6001
    assert (sections[0]["equity"][0], sections[0]["equity"][-1]) == (1.0, 2.0)


def test_details_whose_series_do_not_fit_are_refused(make_detail: Callable[..., ExperimentDetail]) -> None:
    good = make_detail("x-1", 1, n=10)
    with pytest.raises(DataError, match="differ in length"):
        ExperimentDetail("x-1", good.dates, good.equity[:9], good.buy_and_hold, good.drawdown)
    with pytest.raises(DataError, match="do not increase"):
        ExperimentDetail("x-1", good.dates[::-1], good.equity, good.buy_and_hold, good.drawdown)
    with pytest.raises(DataError, match="folds"):
        ExperimentDetail("x-1", good.dates, good.equity, good.buy_and_hold, good.drawdown, fold_starts=("2005-01-01", "2005-01-01"))
