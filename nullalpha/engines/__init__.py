"""Features, training, backtest, evidence, and the experiment that chains them. No model, no database."""
