"""The auth process holds the hashes and answers who somebody is."""
