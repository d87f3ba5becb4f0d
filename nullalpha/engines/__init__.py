"""Features, training, backtest, evidence, and the experiment that chains them. No model, no database."""

from pathlib import Path

from nullalpha.core.compiled import keep_compiled_code_of

keep_compiled_code_of(Path(__file__).parent)
