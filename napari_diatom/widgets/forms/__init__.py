"""Forms that are built from the typed options of the command line and the YAML files."""
