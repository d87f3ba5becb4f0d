"""The MCP door: the tool registry served to Claude Code and every other MCP client, over stdin and stdout."""
