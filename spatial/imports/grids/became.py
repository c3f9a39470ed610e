"""What becomes of the rows of a file of grids, as a plan or as faults."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from spatial.errors import Fault
from spatial.imports.columns import in_order
from spatial.imports.grids.model import Plan, Request
from spatial.imports.located import system_faults
from spatial.imports.model import RowChange, RowFault
from spatial.imports.read import SourceTable
from spatial.personal import PERSONAL_FAULTS


@dataclass(frozen=True)
class Became:
    """What an import of grids did or would do, or why it may not be done; a copy of the file is annotated with it.

    Without a plan nothing is said of the rows that have no fault: the borders of grids are noded with each other.
    """

    table: SourceTable
    request: Request
    plan: Plan | None
    found: Sequence[Fault] = ()
    plan_id: UUID | None = None  # of the plan that was made of it

    @property
    def columns_read(self) -> frozenset[str]:
        """The columns that were taken."""
        return self.request.columns.read

    @property
    def crs(self) -> str | None:
        """The system of the shapes; None where it is not known."""
        crs = self.request.source_crs or self.table.crs
        return None if system_faults(crs) else crs

    @property
    def tells_of_people(self) -> bool:
        """Whether something was refused because it tells of single people."""
        return any(fault.text in PERSONAL_FAULTS for fault in self.found)

    def faults(self) -> Iterator[RowFault]:
        """Yield what is wrong, in the order of the rows; first what is wrong with the whole file."""
        yield from in_order(self.found)

    def changes(self, *, but_same: bool = True) -> Iterator[RowChange]:
        """Yield what becomes of the rows, in their order, each with the code of its grid."""
        grids = {row: grid for grid in (self.plan.grids if self.plan else ()) for row in grid.rows}
        faulty = {fault.row for fault in self.faults()}
        for number in self.table.numbers:
            if number in faulty:
                yield RowChange(number, "faulty", (), ())
            elif (grid := grids.get(number)) and (grid.change != "same" or not but_same):
                yield RowChange(number, grid.change, (grid.code,), grid.differs)
