"""Durable jobs: claimed in the ledger, run in warm worker processes, finished exactly once; and the lease on a home."""
