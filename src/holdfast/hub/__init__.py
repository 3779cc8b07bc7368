"""The maker's server: staff, owner and public pages, and background work."""
