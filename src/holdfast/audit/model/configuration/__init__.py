"""Configuration files of daemons: each parser gives settings with their lines, and never fails."""
