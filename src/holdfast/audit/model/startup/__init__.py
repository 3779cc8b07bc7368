"""Start-up: what runs when a device is switched on, and who starts it."""
