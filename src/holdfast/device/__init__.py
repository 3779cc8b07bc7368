"""The device part: broker, agent, auth and gui, each a process of its own."""
