"""Files of places in, the same files with whose each place is out."""
