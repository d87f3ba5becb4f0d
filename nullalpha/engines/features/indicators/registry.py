"""Every indicator of the language, by name. To add one: a file beside this one and a line here; the tests hold it to the contract."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nullalpha.engines.features.indicators.accumulation import AD_LINE, CMF
from nullalpha.engines.features.indicators.aroon import AROON
from nullalpha.engines.features.indicators.bollinger_bands import BOLLINGER
from nullalpha.engines.features.indicators.candle import CANDLE
from nullalpha.engines.features.indicators.contract import Indicator
from nullalpha.engines.features.indicators.donchian import DONCHIAN, DONCHIAN_WIDTH
from nullalpha.engines.features.indicators.donchian_position import DONCHIAN_POSITION
from nullalpha.engines.features.indicators.fisher import FISHER
from nullalpha.engines.features.indicators.ichimoku import ICHIMOKU
from nullalpha.engines.features.indicators.keltner import KELTNER, KELTNER_POSITION, KELTNER_WIDTH
from nullalpha.engines.features.indicators.money_flow import MFI
from nullalpha.engines.features.indicators.on_balance_volume import OBV
from nullalpha.engines.features.indicators.oscillators import AROON_OSCILLATOR, CCI, WILLIAMS_R
from nullalpha.engines.features.indicators.parabolic import PSAR
from nullalpha.engines.features.indicators.relative_vigor import RVI
from nullalpha.engines.features.indicators.series_operators import SERIES_OPERATORS
from nullalpha.engines.features.indicators.session_vwap import SESSION_VWAP
from nullalpha.engines.features.indicators.squeeze import SQUEEZE_INTENSITY
from nullalpha.engines.features.indicators.stochastic import STOCHASTIC
from nullalpha.engines.features.indicators.supertrend import SUPERTREND
from nullalpha.engines.features.indicators.trend import ADX
from nullalpha.engines.features.indicators.true_range import ATR, NATR
from nullalpha.engines.features.indicators.vwap import VWAP
from nullalpha.strategy.vocabulary import Vocabulary

_OSCILLATORS = (CCI, WILLIAMS_R, STOCHASTIC, RVI, FISHER, AROON, AROON_OSCILLATOR)
_VOLATILITY = (ATR, NATR, BOLLINGER, KELTNER, KELTNER_POSITION, KELTNER_WIDTH, SQUEEZE_INTENSITY)
_CHANNELS = (DONCHIAN, DONCHIAN_POSITION, DONCHIAN_WIDTH)
_TREND = (ADX, SUPERTREND, PSAR, ICHIMOKU, CANDLE)
_VOLUME = (OBV, AD_LINE, CMF, MFI, VWAP, SESSION_VWAP)
_ALL: tuple[Indicator, ...] = (*SERIES_OPERATORS, *_OSCILLATORS, *_VOLATILITY, *_CHANNELS, *_TREND, *_VOLUME)

INDICATORS: Mapping[str, Indicator] = MappingProxyType({indicator.signature.name: indicator for indicator in _ALL})
VOCABULARY: Vocabulary = MappingProxyType({name: indicator.signature for name, indicator in INDICATORS.items()})

_DRAFTED = (
    *("rsi", "roc", "momentum", "cci", "williams_r", "stochastic", "rvi", "fisher", "aroon_oscillator", "return_rank", "slope", "rsquare"),
    *("atr", "natr", "realised_volatility", "bollinger_position", "bollinger_width", "keltner_position", "squeeze_intensity"),
    *("donchian_position", "sma", "ema", "distance_from_sma", "distance_from_ema", "macd", "adx", "efficiency_ratio"),
    *("obv", "mfi", "cmf", "volume_ratio"),
)
DRAFT_VOCABULARY: Vocabulary = MappingProxyType({name: VOCABULARY[name] for name in _DRAFTED})
"""What designers choose from: indicators that say something by themselves, one for each thing that can be said. The others are for
documents, where they are combined; a search over all of them spends its trials on parts and on near copies."""
