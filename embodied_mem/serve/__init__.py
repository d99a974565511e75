"""What other programs connect to: scene graphs as files, and question tools for language models over MCP."""
