"""What devices call: polls, feedback, downloads and signed metadata. Nothing here knows Django."""
