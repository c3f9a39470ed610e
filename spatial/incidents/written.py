"""The statements that write incidents, whoever tells of them: set by set, each known from :stamp on."""
# ruff: noqa: S608  # every relation in these statements is one of our own


def writes(changes: str) -> tuple[str, ...]:
    """Return the statements that close what is replaced and add what is new, in their order.

    `changes` is SQL of a relation with a row for each incident: `change` (new, changed, same); the `id` of the version
    that it will have, the `old_id` of the one that it has; `key_id`, and `has_key` where that is stored; `source_id`,
    `external_id`; and what a version holds: `category_id`, `at`, `span`, `point`, `precision_m`, `masked_text`,
    `dispatched_at`, `arrived_at`, `closed_at`.
    """
    made = f"FROM {changes} AS told WHERE told.change IN ('new', 'changed')"
    return (
        f"""SELECT ensure_incident_months(month, month) FROM (
                SELECT DISTINCT date_trunc('month', told.at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS month {made}
            ) AS needed""",
        f"""UPDATE incident SET recorded = tstzrange(lower(incident.recorded), :stamp) FROM {changes} AS told
            WHERE told.change = 'changed' AND incident.id = told.old_id""",
        # a new key names its version beforehand, so that the rule of one current version need not touch it again
        f"""INSERT INTO incident_key (id, source_id, external_id, current_id) OVERRIDING SYSTEM VALUE
            SELECT told.key_id, told.source_id, told.external_id, told.id {made} AND NOT told.has_key""",
        f"""INSERT INTO incident (id, at, incident_key_id, category_id, span, point, precision_m, masked_text,
                dispatched_at, arrived_at, closed_at, recorded) OVERRIDING SYSTEM VALUE
            SELECT told.id, told.at, told.key_id, told.category_id, told.span, told.point, told.precision_m,
                told.masked_text, told.dispatched_at, told.arrived_at, told.closed_at, tstzrange(:stamp, NULL)
            {made}""",
    )
