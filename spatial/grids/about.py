"""What a deployment says of itself before anything is asked."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from spatial.geometry import Plane
from spatial.history import Moment, in_force
from spatial.tables import Deployment, GridVersion, Layer

EXAMPLE_DECIMALS = 4  # about ten metres: enough to stay inside a grid, short enough to type


def plane(session: Session) -> Plane | None:
    """Return the deployment's plane; None before anything is loaded."""
    lon_0 = session.scalar(select(Deployment.lon_0))
    return None if lon_0 is None else Plane(lon_0)


def synthetic_label(session: Session, lang: str) -> str | None:
    """Return what to print on every page of generated data; None for real data."""
    label = session.scalar(select(Deployment.synthetic))
    return label[lang] if label else None


def example_place(session: Session, moment: Moment) -> tuple[float, float] | None:
    """Return longitude and latitude of a place inside the largest grid of the first layer; None without grids."""
    inside = func.ST_PointOnSurface(GridVersion.geom)
    row = session.execute(
        select(func.ST_X(inside), func.ST_Y(inside))
        .join(Layer, Layer.id == GridVersion.layer_id)
        .where(in_force(GridVersion, moment.at, moment.known_at))
        .order_by(Layer.position, func.ST_Area(GridVersion.geom).desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else (round(row[0], EXAMPLE_DECIMALS), round(row[1], EXAMPLE_DECIMALS))
