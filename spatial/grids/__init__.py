"""Layers and grids: their shapes, versions, units and findings."""
