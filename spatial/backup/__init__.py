"""Copies of all that is stored: taken while the service runs, checked, tried, and put back."""
