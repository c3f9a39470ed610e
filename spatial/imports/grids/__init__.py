"""Grids in from files: noded, mended, compared with what is stored, and their tilings looked over."""
