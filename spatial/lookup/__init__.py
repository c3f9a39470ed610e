"""Whose is this point, who answers now, and when does that change."""
