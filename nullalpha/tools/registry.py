"""All tools, explicitly."""

from __future__ import annotations

from collections.abc import Mapping

from nullalpha.tools.backtests import experiment_trades, signal_backtest, strategy_backtest
from nullalpha.tools.data import data_check, data_list, data_show
from nullalpha.tools.door import Tool, tool
from nullalpha.tools.experiments import experiment_compare, experiment_get, experiment_list
from nullalpha.tools.questions import data_query
from nullalpha.tools.research import (
    campaign_list,
    campaign_result,
    campaign_resume,
    campaign_start,
    campaign_status,
    campaign_stop,
    memory_lessons,
    memory_search,
    operation_status,
)
from nullalpha.tools.strategy import (
    strategy_compile,
    strategy_explain,
    strategy_import,
    strategy_indicators,
    strategy_schema,
    strategy_similar,
    strategy_validate,
)

_ALL = (
    tool(data_list),
    tool(data_show),
    tool(data_check, cost="seconds"),
    tool(data_query, cost="seconds"),
    tool(strategy_schema, touches_home=False),
    tool(strategy_validate, touches_home=False),
    tool(strategy_compile, touches_home=False),
    tool(strategy_explain, touches_home=False),
    tool(strategy_indicators, touches_home=False),
    tool(strategy_similar, cost="seconds"),
    tool(strategy_import, touches_home=False),
    tool(strategy_backtest, scope="run", cost="seconds"),
    tool(signal_backtest, scope="run", cost="seconds"),
    tool(campaign_start, scope="run", cost="minutes", idempotent=False),
    tool(campaign_status),
    tool(campaign_list),
    tool(campaign_result),
    tool(campaign_stop, scope="run"),
    tool(campaign_resume, scope="run", cost="minutes"),
    tool(experiment_list),
    tool(experiment_get),
    tool(experiment_compare),
    tool(experiment_trades, cost="seconds"),
    tool(memory_search, cost="seconds"),
    tool(memory_lessons),
    tool(operation_status),
)

TOOLS: Mapping[str, Tool] = {item.name: item for item in _ALL}
