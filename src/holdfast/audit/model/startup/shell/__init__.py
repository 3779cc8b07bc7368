"""A bounded reader of shell scripts: it follows what a script would start, and runs nothing."""
