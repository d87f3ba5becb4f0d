"""Every indicator of the language, by name. To add one: a file beside this one and a line here; the tests hold it to the contract."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nullalpha.engines.features.indicators.bollinger import BOLLINGER_POSITION, BOLLINGER_WIDTH
from nullalpha.engines.features.indicators.contract import Indicator
from nullalpha.engines.features.indicators.distance_from_average import DISTANCE_FROM_EMA, DISTANCE_FROM_SMA
from nullalpha.engines.features.indicators.donchian_position import DONCHIAN_POSITION
from nullalpha.engines.features.indicators.efficiency_ratio import EFFICIENCY_RATIO
from nullalpha.engines.features.indicators.money_flow import MFI
from nullalpha.engines.features.indicators.on_balance_volume import OBV
from nullalpha.engines.features.indicators.oscillators import AROON_OSCILLATOR, CCI, MOMENTUM, ROC, RSI, WILLIAMS_R
from nullalpha.engines.features.indicators.realised_volatility import REALISED_VOLATILITY
from nullalpha.engines.features.indicators.return_rank import RETURN_RANK
from nullalpha.engines.features.indicators.stochastic import STOCHASTIC
from nullalpha.engines.features.indicators.trend import ADX, EMA, MACD, SMA
from nullalpha.engines.features.indicators.true_range import ATR, NATR
from nullalpha.engines.features.indicators.volume_ratio import VOLUME_RATIO
from nullalpha.strategy.vocabulary import Vocabulary

_ALL = (
    RSI,
    ROC,
    MOMENTUM,
    CCI,
    WILLIAMS_R,
    STOCHASTIC,
    AROON_OSCILLATOR,
    RETURN_RANK,
    ATR,
    NATR,
    REALISED_VOLATILITY,
    BOLLINGER_POSITION,
    BOLLINGER_WIDTH,
    DONCHIAN_POSITION,
    SMA,
    EMA,
    DISTANCE_FROM_SMA,
    DISTANCE_FROM_EMA,
    MACD,
    ADX,
    EFFICIENCY_RATIO,
    OBV,
    MFI,
    VOLUME_RATIO,
)

INDICATORS: Mapping[str, Indicator] = MappingProxyType({indicator.signature.name: indicator for indicator in _ALL})
VOCABULARY: Vocabulary = MappingProxyType({name: indicator.signature for name, indicator in INDICATORS.items()})
