"""The agent polls, downloads and asks the broker; it decides nothing about trust."""
