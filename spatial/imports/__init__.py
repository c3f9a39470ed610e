"""Files in, of every kind a city keeps, and out."""
