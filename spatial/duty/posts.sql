-- Who is on which shift for what, over a window: an officer of a shift, or a member of its team, for each grid or unit
-- that it covers, over the time that planning, cover, membership and the officer's kind share. Instants are
-- microseconds since 1970.
WITH asked AS (
    SELECT tstzrange(:start, :end) AS span, CAST(:known_at AS timestamptz) AS known_at
), staffed AS (
    SELECT shift.*, officer_id AS person, tstzrange(NULL, NULL) AS serving
      FROM shift, asked
     WHERE officer_id IS NOT NULL AND shift.recorded @> asked.known_at AND state <> 'cancelled'
       AND (planned && asked.span OR actual && asked.span)
    UNION ALL
    SELECT shift.*, member.officer_id, member.valid * version.valid
      FROM asked, shift
      JOIN team_member AS member USING (team_id)
      JOIN team_version AS version USING (team_id)
     WHERE shift.recorded @> asked.known_at AND state <> 'cancelled'
       AND (planned && asked.span OR actual && asked.span)
       AND member.recorded @> asked.known_at AND version.recorded @> asked.known_at
       AND member.valid && version.valid
), posted AS (
    SELECT staffed.id, staffed.parent_shift, staffed.kind, staffed.team_id, staffed.person, officer.kind AS officer_kind,
           cover.grid_id, cover.unit_id, staffed.planned, staffed.actual,
           cover.span * staffed.serving * officer.valid * asked.span AS here
      FROM asked, staffed
      JOIN cover ON cover.shift_id = staffed.id
      JOIN officer_version AS officer ON officer.officer_id = staffed.person
     WHERE cover.recorded @> asked.known_at AND officer.recorded @> asked.known_at
       AND cover.place_id IS NULL AND cover.span && officer.valid
)
SELECT id, coalesce(parent_shift, -1), array_position(CAST(:kinds AS text[]), kind) - 1, team_id IS NOT NULL, person,
       array_position(CAST(:officer_kinds AS text[]), officer_kind) - 1, coalesce(grid_id, -1), coalesce(unit_id, -1),
       coalesce(CAST(extract(epoch FROM lower(planned * here)) * 1000000 AS bigint), 0),
       coalesce(CAST(extract(epoch FROM upper(planned * here)) * 1000000 AS bigint), 0),
       actual IS NOT NULL,
       coalesce(CAST(extract(epoch FROM lower(actual * here)) * 1000000 AS bigint), 0),
       coalesce(CAST(extract(epoch FROM upper(actual * here)) * 1000000 AS bigint), 0)
  FROM posted
 WHERE NOT isempty(planned * here) OR NOT isempty(coalesce(actual * here, 'empty'))
