"""Located events: what, when, where; never who."""
