"""Ports, errors, ids, fingerprints, artifacts, clock, egress switches and settings types; imports nothing above it."""
