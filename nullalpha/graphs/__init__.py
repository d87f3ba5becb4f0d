"""LangGraph state machines: the campaign, and the cycle that judges one experiment. Nodes are thin; state holds ids only."""
