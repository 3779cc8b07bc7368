"""The forms in which publishers give vulnerability data away, and how each is read."""
