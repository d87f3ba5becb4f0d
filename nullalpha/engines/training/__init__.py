"""Training: labels, the fuzzy model, fitting whole populations, predictions, weights, rules in words, baselines."""
