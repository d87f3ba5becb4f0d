"""All operators on series, and how each of the 158 columns of Qlib's Alpha158 is written with them.

`f(x, d)` stands for `{indicator: f, period: d, input: x}`, an inner one for a feature of its own; d is 5, 10, 20, 30 or 60. Qlib adds
1e-12 to denominators and so gives 0 where nothing moved; here that is missing.

    KMID KLEN KMID2 KUP KUP2 KLOW KLOW2 KSFT KSFT2   candle: body range body_share upper_shadow upper_share lower_shadow lower_share
                                                     close_shift close_share
    OPEN0 HIGH0 LOW0     ratio(open, close)  ratio(high, close)  ratio(low, close)
    VWAP0                ratio(typical, close): a bar has no volume-weighted price of its own
    ROC d                ratio(ref(close, d), close)
    MA d                 ratio(sma(close, d), close)
    STD d                std(close, d).relative
    BETA d               slope(close, d).relative
    RSQR d               rsquare(close, d)
    RESI d               resi(close, d).relative
    MAX d, MIN d         ratio(max(high, d), close)  ratio(min(low, d), close)
    QTLU d, QTLD d       ratio(quantile(close, d, level 0.8), close)  ratio(quantile(close, d, level 0.2), close)
    RANK d               rank(close, d), from 0 to 1 where Qlib's goes from 1 / d to 1
    RSV d                donchian_position(d)
    IMAX d, IMIN d       imax(high, d)  imin(low, d)
    IMXD d               imxd(high, low, d)
    CORR d               corr(close, log1p(volume), d)
    CORD d               cord(close, volume, d)
    CNTP CNTN CNTD d     cntp(close, d)  cntn(close, d)  cntd(close, d)
    SUMP SUMN SUMD d     sump(close, d)  sumn(close, d)  sumd(close, d)
    VMA d                ratio(sma(volume, d), volume)
    VSTD d               std(volume, d).relative
    WVMA d               wvma(close, volume, d)
    VSUMP VSUMN VSUMD d  sump(volume, d)  sumn(volume, d)  sumd(volume, d)

Source: Qlib 0.9 (Microsoft), qlib/contrib/data/loader.py, `Alpha158DL.get_feature_config`.
"""

from __future__ import annotations

from nullalpha.engines.features.indicators.bollinger import BOLLINGER_POSITION, BOLLINGER_WIDTH
from nullalpha.engines.features.indicators.changes import CNTD, CNTN, CNTP, REF, SUMD, SUMN, SUMP
from nullalpha.engines.features.indicators.contract import Indicator
from nullalpha.engines.features.indicators.distance_from_average import DISTANCE_FROM_EMA, DISTANCE_FROM_SMA
from nullalpha.engines.features.indicators.efficiency_ratio import EFFICIENCY_RATIO
from nullalpha.engines.features.indicators.oscillators import MOMENTUM, ROC, RSI
from nullalpha.engines.features.indicators.realised_volatility import REALISED_VOLATILITY
from nullalpha.engines.features.indicators.return_rank import RETURN_RANK
from nullalpha.engines.features.indicators.scales import ABS, CLIP, LEVEL, LOG, LOG1P, SIGN
from nullalpha.engines.features.indicators.trend import EMA, MACD, SMA, WMA
from nullalpha.engines.features.indicators.two_series import BETA, CORD, CORR, DIFFERENCE, RATIO, WVMA
from nullalpha.engines.features.indicators.volume_ratio import VOLUME_RATIO
from nullalpha.engines.features.indicators.window_statistics import (
    IMAX,
    IMIN,
    IMXD,
    MAX,
    MIN,
    QUANTILE,
    RANK,
    RESI,
    RSQUARE,
    SLOPE,
    STD,
    ZSCORE,
)

SERIES_OPERATORS: tuple[Indicator, ...] = (
    *(RSI, ROC, MOMENTUM, SMA, EMA, WMA, MACD, DISTANCE_FROM_SMA, DISTANCE_FROM_EMA, BOLLINGER_POSITION, BOLLINGER_WIDTH),
    *(EFFICIENCY_RATIO, REALISED_VOLATILITY, RETURN_RANK, VOLUME_RATIO),
    *(REF, CNTP, CNTN, CNTD, SUMP, SUMN, SUMD),
    *(STD, ZSCORE, MAX, MIN, QUANTILE, RANK, IMAX, IMIN, IMXD, SLOPE, RSQUARE, RESI),
    *(RATIO, DIFFERENCE, CORR, CORD, BETA, WVMA),
    *(LEVEL, LOG, LOG1P, ABS, SIGN, CLIP),
)
