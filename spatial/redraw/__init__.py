"""Redrawing: plans over a base, operations that never tear a tiling, review, publication."""
