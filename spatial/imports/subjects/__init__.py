"""Every subject that can be imported and exported, by name; grids have a folder of their own."""

from spatial.imports.model import Subject
from spatial.imports.subjects import areas, duty, incidents

SUBJECTS: dict[str, Subject] = {one.name: one for one in (*areas.SUBJECTS, *duty.SUBJECTS, *incidents.SUBJECTS)}
