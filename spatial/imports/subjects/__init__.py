"""Every subject that can be imported and exported, by name; grids have a folder of their own."""

from spatial.imports.model import Subject
from spatial.imports.subjects import areas, duty, incidents, roads, shifts

GROUPS = (areas.SUBJECTS, duty.SUBJECTS, shifts.SUBJECTS, incidents.SUBJECTS, roads.SUBJECTS)
SUBJECTS: dict[str, Subject] = {one.name: one for group in GROUPS for one in group}
