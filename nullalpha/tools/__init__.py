"""One typed function a capability, and the door through which every caller reaches it: CLI, MCP, chat and agents."""
