"""Published vulnerabilities: their database, and which of them concern an image."""
