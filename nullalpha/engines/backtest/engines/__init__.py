"""Engines that can run a backtest, by name: what each can do, and one door to them."""
