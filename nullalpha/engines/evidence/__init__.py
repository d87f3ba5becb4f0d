"""Evidence: Sharpe errors, null models, joint tests, the look-ahead attack, gates and lessons."""
