"""Places told in words, as dispatchers receive them, become points."""
