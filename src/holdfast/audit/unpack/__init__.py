"""Opening: from an image to one virtual tree, by readers that only read."""
