"""Prompts as files, rendered strictly; a rendered prompt carries its hash for the ledger."""
