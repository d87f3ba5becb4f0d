"""The ledger (the truth), the embedder, and the index over what was learned."""
