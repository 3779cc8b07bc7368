"""What devices call: DDI polls, feedback, artifacts, TUF metadata."""
