"""People who work for the maker: accounts, tokens, the audit trail, the home page."""
