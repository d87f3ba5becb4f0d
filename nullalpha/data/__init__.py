"""Instruments, bars, checks, zones, sources and the catalogue of immutable snapshots."""
