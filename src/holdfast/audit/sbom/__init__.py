"""Lists of components and of what their vulnerabilities mean, in the formats of the field."""
