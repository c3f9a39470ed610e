"""Who is responsible for a grid, and who is on duty for it now."""
