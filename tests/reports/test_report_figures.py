"""How figures look to people, and that a missing one never looks like a number."""

import math

import pytest

from nullalpha.reports import figures

FORMATS = (figures.ratio, figures.signed, figures.percent, figures.count, figures.probability, figures.loss, figures.duration)


@pytest.mark.parametrize("show", FORMATS, ids=lambda show: show.__name__)
@pytest.mark.parametrize("missing", [None, math.nan, math.inf, -math.inf])
def test_a_missing_figure_is_a_dash(show: object, missing: float | None) -> None:
    assert callable(show)
    assert show(missing) == "–"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (figures.ratio(0.414), "0.41"),
        (figures.ratio(-0.001), "0.00"),
        (figures.ratio(0.0), "0.00"),
        (figures.percent(-0.1834), "-18.3 %"),
        (figures.percent(-0.0001), "0.0 %"),
        (figures.percent(0.43, 0), "43 %"),
        (figures.count(12345), "12,345"),
        (figures.count(0), "0"),
        (figures.signed(0.0241), "+0.024"),
        (figures.signed(-0.0241), "-0.024"),
        (figures.signed(-0.0001), "0.000"),
        (figures.amount(1e6), "1,000,000"),
        (figures.amount(0.15), "0.15"),
        (figures.amount(30), "30"),
        (figures.probability(0.0), "<0.001"),
        (figures.probability(0.0304), "0.030"),
        (figures.probability(0.9999), ">0.999"),
        (figures.probability(1.0), "1.000"),
        (figures.interval(-0.123, 0.935), "[-0.12, 0.94]"),
        (figures.interval(None, 0.9), "–"),
        (figures.interval(0.1, math.nan), "–"),
        (figures.loss(0.693147), "0.6931"),
        (figures.duration(8.44), "8.4 s"),
        (figures.duration(9.96), "10.0 s"),
        (figures.duration(59.4), "59 s"),
        (figures.duration(59.6), "1 min 00 s"),
        (figures.duration(151.2), "2 min 31 s"),
        (figures.duration(3 * 3600 + 5 * 60 + 59), "3 h 05 min"),
    ],
)
def test_figures_read_as_people_write_them(shown: str, expected: str) -> None:
    assert shown == expected
