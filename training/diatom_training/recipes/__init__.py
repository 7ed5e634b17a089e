"""The recipes that made the bundled models, each a command that anybody can run."""
