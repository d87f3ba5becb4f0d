"""The strategy language: spec, rules, compile, lint, explain and the drafts that designers write."""
