from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.core.errors import HomeError, NotFoundError, SettingsError, UsageError
from nullalpha.data.instrument_book import DEFAULTS, MOST_BYTES, InstrumentBook
from nullalpha.data.instruments import COST_RANGES, DISTRIBUTIONS, KINDS, SPREADS, Costs, Instrument
from nullalpha.data.sources.arch_samples import SPX

EXAMPLE = Path(__file__).parents[2] / "examples" / "home" / "instruments.yaml"
WRITTEN = """\
EURUSD:
  kind: forex
  costs:
    half_spread_bps: 0.3

'ON':
  name: ON Semiconductor
  currency: USD
  tick: 0.01
  survivorship: true
"""


@pytest.fixture
def book(tmp_path: Path) -> InstrumentBook:
    return InstrumentBook(tmp_path / "home" / "instruments.yaml")


def given_text(book: InstrumentBook, text: str) -> InstrumentBook:
    book.path.parent.mkdir(parents=True, exist_ok=True)
    book.path.write_text(text)
    return book


def test_a_book_that_is_not_there_describes_nothing(book: InstrumentBook) -> None:
    assert book.instruments() == []
    assert book.describe(SPX) == SPX
    with pytest.raises(NotFoundError):
        book.get("SPX")
    assert not book.path.exists()


def test_what_an_entry_leaves_out_is_what_its_kind_says(book: InstrumentBook) -> None:
    euro = book.set("EURUSD", kind="forex", costs={"half_spread_bps": 0.3})
    assert euro == Instrument("EURUSD", "EURUSD", "24/5", "USD", "open", 260, Costs(0.00002, 0.3, 0.2), "file", kind="forex")
    assert (DEFAULTS["crypto"].calendar, DEFAULTS["crypto"].sessions_per_year) == ("24/7", 365)
    assert (DEFAULTS["index"].fill_basis, DEFAULTS["index"].distributions) == ("close", "excluded")
    assert set(DEFAULTS) == set(KINDS)
    assert all(default.kind == kind for kind, default in DEFAULTS.items())


def test_the_file_is_sorted_commented_and_the_same_whoever_writes_it(book: InstrumentBook, tmp_path: Path) -> None:
    book.set("ON", survivorship=True, name="ON Semiconductor", tick=0.01, currency="USD")
    book.set("EURUSD", kind="forex")
    book.set("EURUSD", costs={"half_spread_bps": 0.3})
    text = book.path.read_text()
    assert text.startswith("# The instruments of this home")
    assert text[text.index("EURUSD:") :] == WRITTEN
    other = given_text(InstrumentBook(tmp_path / "other.yaml"), "# mine\n" + WRITTEN)
    other.set("ON", tick=0.01)
    assert other.path.read_text() == text
    assert [path.name for path in book.path.parent.iterdir()] == ["instruments.yaml"]


def test_a_symbol_that_yaml_takes_for_a_word_is_a_symbol(book: InstrumentBook) -> None:
    given_text(book, "ON:\n  kind: equity\nNO:\n1810.HK: {}\n")
    assert [instrument.symbol for instrument in book.instruments()] == ["1810.HK", "NO", "ON"]


def test_what_the_book_says_goes_over_what_an_instrument_says_of_itself(book: InstrumentBook) -> None:
    book.set("SPX", costs={"slippage_bps": 3.0}, name="S&P 500 index")
    described = book.describe(SPX)
    assert described == replace(SPX, name="S&P 500 index", costs=replace(SPX.costs, slippage_bps=3.0))
    assert book.describe(replace(SPX, symbol="NDX")) == replace(SPX, symbol="NDX")


FULL = """\
ES:
  kind: future
  tick: 0.25
  lot: 1.0
  multiplier: 50.0
  costs:
    commission: 0.0
    half_spread_bps: 0.0
    slippage_bps: 0.3
    commission_per_unit: 2.1
    commission_minimum: 2.1
    spread: quoted
    volatility_slippage: 0.02
    impact: 0.7
    volume_cap: 0.05
    borrow: 0.0
    swap_long: 0.011
    swap_short: -0.006
    funding: 0.1
"""


def test_every_cost_can_be_described_and_is_written_as_it_was_read(book: InstrumentBook) -> None:
    future = given_text(book, FULL).get("ES")
    assert future.costs == Costs(0.0, 0.0, 0.3, 2.1, 2.1, "quoted", 0.02, 0.7, 0.05, 0.0, 0.011, -0.006, 0.1)
    assert (future.tick, future.lot, future.multiplier) == (0.25, 1.0, 50.0)
    book.set("ES", costs={"funding": 0.1})
    text = book.path.read_text()
    assert text[text.index("ES:") :] == FULL
    assert all(name in text[: text.index("ES:")] for name in COST_RANGES)


def test_the_examples_describe_a_share_a_future_and_a_currency_pair_in_full() -> None:
    share, future, euro = InstrumentBook(EXAMPLE).instruments()
    assert (share.symbol, share.kind, share.tick, share.lot, share.distributions) == ("ACME", "equity", 0.01, 1.0, "adjusted")
    assert share.costs == Costs(0.0, 0.5, 0.5, 0.005, 1.0, impact=0.7, volume_cap=0.05, borrow=0.0025)
    assert (future.symbol, future.kind, future.tick, future.lot, future.multiplier) == ("ES", "future", 0.25, 1.0, 50.0)
    assert future.costs == Costs(0.0, 0.25, 0.1, 2.1)
    assert (euro.symbol, euro.kind, euro.calendar, euro.lot) == ("EURUSD", "forex", "24/5", 1000.0)
    assert euro.costs == Costs(0.00002, 0.3, 0.1, spread="quoted", swap_long=0.016, swap_short=-0.008)


def test_bars_that_are_there_complete_an_entry_in_place_of_its_kind(book: InstrumentBook) -> None:
    given_text(book, "SPX: {costs: {slippage_bps: 3}}\nACME: {name: Acme}\n")
    acme, spx = book.instruments({"SPX": SPX})
    assert spx == replace(SPX, costs=replace(SPX.costs, slippage_bps=3.0))
    assert acme == replace(DEFAULTS["equity"], symbol="ACME", name="Acme")


def test_what_holding_costs_is_said_of_the_kinds_of_which_it_is_known() -> None:
    assert {kind for kind, one in DEFAULTS.items() if one.costs.borrow} == {"equity", "etf"}
    assert {kind for kind, one in DEFAULTS.items() if one.costs.swap_long or one.costs.swap_short} == {"cfd"}
    assert not any(one.costs.funding or one.costs.impact or one.costs.volume_cap for one in DEFAULTS.values())


def test_a_field_can_be_taken_out_again(book: InstrumentBook) -> None:
    book.set("ES", kind="future", multiplier=50.0, tick=0.25)
    assert book.get("ES").multiplier == 50.0
    assert book.set("ES", multiplier=None).multiplier == 1.0
    assert "multiplier: 50" not in book.path.read_text()


def test_a_whole_instrument_is_kept_as_it_is(book: InstrumentBook) -> None:
    assert book.put(SPX) == SPX == book.get("SPX") == book.instruments()[0]


@pytest.mark.parametrize(
    ("text", "path", "suggestion"),
    [
        ("SPX: {tik: 1}", "instruments.SPX.tik", "did you mean tick?"),
        ("SPX: {costs: {slipage_bps: 1}}", "instruments.SPX.costs.slipage_bps", "did you mean slippage_bps?"),
        ("SPX: {costs: 3}", "instruments.SPX.costs", "e.g. {commission: 0.0001, half_spread_bps: 1, slippage_bps: 1}"),
        ("SPX: {kind: equty}", "instruments.SPX.kind", "use equity"),
        ("SPX: {fill_basis: clse}", "instruments.SPX.fill_basis", "use close"),
        ("SPX: {tick: fine}", "instruments.SPX.tick", None),
        ("SPX: {tick: 1_000}", "instruments.SPX.tick", None),
        ("SPX: {tick: nan}", "instruments.SPX.tick", "use a positive number, or leave it out"),
        ("SPX: {sessions_per_year: 252.5}", "instruments.SPX.sessions_per_year", None),
        (
            "SPX: {sessions_per_year: 9999}",
            "instruments.SPX.sessions_per_year",
            "252 for most exchanges, 260 for foreign exchange, 365 for crypto",
        ),
        ("SPX: {calendar: XNYSE}", "instruments.SPX.calendar", "did you mean XNYS?"),
        ("SPX: {survivorship: maybe}", "instruments.SPX.survivorship", None),
        ("SPX: {costs: {commission: 5}}", "instruments.SPX.costs.commission", "a fraction of notional (0.0001 is one basis point)"),
        ("SPX: {costs: {borow: 0.01}}", "instruments.SPX.costs.borow", "did you mean borrow?"),
        ("SPX: {costs: {borrow: 25}}", "instruments.SPX.costs.borrow", "a fraction of the notional a year (0.01 is one percent)"),
        ("SPX: {costs: {spread: quote}}", "instruments.SPX.costs.spread", "use quoted"),
        ("SPX: {costs: {volume_cap: much}}", "instruments.SPX.costs.volume_cap", None),
        ("SPX: {name: [a, b]}", "instruments.SPX.name", "a single value"),
        ("SPX: [kind, equity]", "instruments.SPX", "e.g. kind: equity"),
        ("spx: {kind: equity}", "instruments.spx.symbol", "use up to 20 of A-Z, 0-9 and . ^ = _ -, e.g. MYFUND"),
        ("SPX: {tick: 1, tick: 2}", "FILE", None),
        ("SPX: {}\nSPX: {}", "FILE", None),
        ("SPX: &a {tick: 1}\nNDX: *a", "FILE", None),
        ("SPX: {a: {b: {c: {d: {e: 1}}}}}", "FILE", None),
        ("SPX: {tick: 1", "FILE", None),
        ("- SPX", "instruments", None),
        ("[a]: {}", "FILE", None),
    ],
)
def test_what_is_wrong_in_the_file_is_refused_with_its_path(book: InstrumentBook, text: str, path: str, suggestion: str | None) -> None:
    given_text(book, text)
    with pytest.raises(SettingsError) as caught:
        book.instruments()
    assert caught.value.path == (str(book.path) if path == "FILE" else path)
    if suggestion is not None:
        assert caught.value.suggestion == suggestion
    assert str(book.path) in caught.value.message
    with pytest.raises(SettingsError):
        book.set("NDX", kind="index")
    assert book.path.read_text() == text


@pytest.mark.parametrize(
    "changes",
    [
        {"tik": 1.0},
        {"tick": -1.0},
        {"kind": "stonk"},
        {"costs": {"commission": 3.0}},
        {"costs": {"fee": 1.0}},
        {"name": ["a"]},
        {"tick": True},
    ],
)
def test_a_change_that_cannot_be_leaves_the_file_as_it_was(book: InstrumentBook, changes: dict[str, object]) -> None:
    book.set("SPX", kind="index")
    before = book.path.read_bytes()
    with pytest.raises(SettingsError):
        book.set("SPX", **changes)
    assert book.path.read_bytes() == before


def test_text_that_is_none_and_files_without_end_are_refused(book: InstrumentBook) -> None:
    given_text(book, "")
    assert book.instruments() == []
    book.path.write_bytes(b"SPX: \xff")
    with pytest.raises(SettingsError, match="UTF-8"):
        book.instruments()
    book.path.write_text("#" * (MOST_BYTES + 1))
    with pytest.raises(SettingsError, match="bytes"):
        book.instruments()
    book.path.unlink()
    book.path.mkdir()
    with pytest.raises((HomeError, SettingsError)):
        book.set("SPX", kind="index")


def test_a_folder_that_cannot_be_is_a_home_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(HomeError):
        InstrumentBook(tmp_path / "file" / "instruments.yaml").set("SPX", kind="index")


def test_writers_at_the_same_time_lose_no_change(book: InstrumentBook) -> None:
    names = [f"X{number}" for number in range(12)]
    writers = [threading.Thread(target=book.set, args=(name,), kwargs={"kind": "crypto"}) for name in names]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [instrument.symbol for instrument in book.instruments()] == sorted(names)


NUMBERS = st.floats(0, 1e6, allow_nan=False)
INSTRUMENTS = st.builds(
    Instrument,
    symbol=st.from_regex(r"\A[A-Z0-9^][A-Z0-9.^=_-]{0,19}\Z"),
    name=st.text(st.characters(codec="utf-8", exclude_categories=("C",)), max_size=20),
    calendar=st.sampled_from(["XNYS", "24/7", "24/5", "CMES"]),
    currency=st.sampled_from(["USD", "EUR", "NO"]),
    fill_basis=st.sampled_from(["open", "close"]),
    sessions_per_year=st.integers(1, 366),
    costs=st.builds(
        Costs, spread=st.sampled_from(SPREADS), **{name: st.floats(least, most) for name, (least, most) in COST_RANGES.items()}
    ),
    source=st.sampled_from(["csv", "lean", "1e5", "true", "~"]),
    survivorship=st.booleans(),
    kind=st.sampled_from(KINDS),
    tick=NUMBERS,
    lot=NUMBERS,
    multiplier=st.floats(1e-9, 1e6),
    distributions=st.sampled_from(DISTRIBUTIONS),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(INSTRUMENTS, min_size=1, max_size=3, unique_by=lambda instrument: instrument.symbol))
def test_any_instruments_survive_the_file(tmp_path_factory: pytest.TempPathFactory, instruments: list[Instrument]) -> None:
    book = InstrumentBook(tmp_path_factory.mktemp("home") / "instruments.yaml")
    for instrument in instruments:
        assert book.put(instrument) == instrument
    assert book.instruments() == sorted(instruments, key=lambda instrument: instrument.symbol)
    assert all(str(key) for key in yaml.safe_load(book.path.read_text()))


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=60), st.text("SPX:{}[],&*!|>-'\" \n\t#?%@0a", max_size=40)))
def test_any_text_is_a_book_or_a_typed_refusal(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any-instruments.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    where: str | None = "read"
    try:
        InstrumentBook(path).instruments()
    except UsageError as error:
        where = error.path
    assert where is not None
