"""Bars and figures from services on the network, each through its well-kept client. Nothing here connects unless `fetch` is called."""
