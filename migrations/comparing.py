"""Which tables of a database are held against the declared ones."""


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    """Leave PostGIS's own table and the monthly partitions of incidents out of comparisons."""
    return not (kind == "table" and name and (name == "spatial_ref_sys" or name.startswith("incident_p")))
