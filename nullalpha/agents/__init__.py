"""Designers of strategies behind one port: `search`, `random` and `llm`."""
