-- When nobody covers the grids of a layer over a window, as it was done, and why: by multiranges, from the rows alone.
-- What falls away falls away in this order: leave, break, no_show, committed, unreachable.
WITH RECURSIVE asked AS MATERIALIZED (
    SELECT tstzrange(:start, :end) AS span, CAST(:layer AS bigint) AS layer_id, CAST(:zone AS text) AS zone
), step AS MATERIALIZED (
    SELECT response_step.* FROM response_step JOIN asked USING (layer_id)
     WHERE upper_inf(recorded) AND source IN ('grid_shift', 'unit_shift')
), drawn AS MATERIALIZED (
    SELECT grid_id, unit_id, valid * asked.span AS span FROM grid_version JOIN asked USING (layer_id)
     WHERE upper_inf(recorded) AND valid && asked.span
), walk AS (  -- from the unit of a grid along the path of a step
    SELECT step.id, unit.unit_id, unit.unit_id AS reached, 0 AS n, step.valid AS span
      FROM step, (SELECT DISTINCT unit_id FROM drawn WHERE unit_id IS NOT NULL) AS unit
     WHERE source = 'unit_shift'
    UNION ALL
    SELECT walk.id, walk.unit_id, link.next, n + 1, walk.span * link.valid
      FROM walk
      JOIN step USING (id)
      JOIN (SELECT kind, unit_id AS at, to_unit_id AS next, valid FROM unit_link
             WHERE upper_inf(recorded) AND kind IN ('command', 'administers')
            UNION ALL
            SELECT DISTINCT ON (to_unit_id) kind, to_unit_id, unit_id, valid FROM (
                SELECT * FROM unit_link WHERE upper_inf(recorded) AND kind = 'serves' ORDER BY to_unit_id, unit_id, valid
            ) AS server
           ) AS link ON link.at = walk.reached AND link.kind = step.unit_path[n + 1]
     WHERE n < cardinality(step.unit_path) AND walk.span && link.valid
), led AS MATERIALIZED (
    SELECT walk.id, walk.unit_id, walk.reached, walk.span * version.valid AS span
      FROM walk JOIN step USING (id)
      JOIN unit_version AS version ON version.unit_id = walk.reached AND upper_inf(version.recorded)
     WHERE n = cardinality(step.unit_path)
), person AS MATERIALIZED (
    SELECT shift.id, officer_id AS officer, tstzrange(NULL, NULL) AS serving FROM shift, asked
     WHERE officer_id IS NOT NULL AND upper_inf(recorded) AND state <> 'cancelled'
       AND (planned && asked.span OR actual && asked.span)
    UNION ALL
    SELECT shift.id, member.officer_id, member.valid * version.valid FROM asked, shift
      JOIN team_member AS member USING (team_id) JOIN team_version AS version USING (team_id)
     WHERE upper_inf(shift.recorded) AND state <> 'cancelled' AND (planned && asked.span OR actual && asked.span)
       AND upper_inf(member.recorded) AND upper_inf(version.recorded) AND member.valid && version.valid
), off AS MATERIALIZED (
    SELECT officer_id, range_agg(valid) AS span FROM leave WHERE upper_inf(recorded) GROUP BY officer_id
), happened AS MATERIALIZED (
    SELECT shift_id, coalesce(range_agg(span) FILTER (WHERE kind = 'break'), '{}') AS break,
           coalesce(range_agg(span) FILTER (WHERE kind = 'no_show'), '{}') AS no_show,
           coalesce(range_agg(span) FILTER (WHERE kind = 'committed'), '{}') AS committed,
           coalesce(range_agg(span) FILTER (WHERE kind = 'unreachable'), '{}') AS unreachable
      FROM duty_event WHERE upper_inf(recorded) GROUP BY shift_id
), post AS MATERIALIZED (
    SELECT row_number() OVER () AS n, shift.id, shift.parent_shift, shift.kind, shift.team_id, person.officer,
           version.kind AS officer_kind, cover.grid_id, cover.unit_id, shift.planned, shift.actual,
           tstzmultirange(cover.span * person.serving * version.valid * asked.span) AS here
      FROM asked, person JOIN shift USING (id)
      JOIN cover ON cover.shift_id = shift.id AND upper_inf(cover.recorded) AND cover.place_id IS NULL
      JOIN officer_version AS version ON version.officer_id = person.officer AND upper_inf(version.recorded)
     WHERE NOT isempty(cover.span * person.serving * version.valid * asked.span)
), falling AS MATERIALIZED (  -- of each post when it was to be, and when each cause takes somebody off it
    SELECT post.*, (tstzmultirange(planned) + coalesce(tstzmultirange(actual), '{}')) * here AS standing,
           coalesce(off.span, '{}') AS leave,
           coalesce(own.break, '{}') + coalesce(whole.break, '{}') AS break,
           coalesce(own.no_show, '{}') + coalesce(whole.no_show, '{}')
               + CASE WHEN actual IS NULL THEN '{}' ELSE tstzmultirange(planned) - tstzmultirange(actual) END AS no_show,
           coalesce(own.committed, '{}') + coalesce(whole.committed, '{}') AS committed,
           coalesce(own.unreachable, '{}') + coalesce(whole.unreachable, '{}') AS unreachable
      FROM post LEFT JOIN off ON off.officer_id = post.officer
      LEFT JOIN happened AS own ON own.shift_id = post.id
      LEFT JOIN happened AS whole ON whole.shift_id = post.parent_shift
), piece AS MATERIALIZED (
    SELECT n, label, span FROM falling
     CROSS JOIN LATERAL (SELECT standing - leave AS r1) AS a
     CROSS JOIN LATERAL (SELECT r1 - break AS r2) AS b
     CROSS JOIN LATERAL (SELECT r2 - no_show AS r3) AS c
     CROSS JOIN LATERAL (SELECT r3 - committed AS r4) AS d
     CROSS JOIN LATERAL (VALUES ('leave', standing * leave), ('break', r1 * break), ('no_show', r2 * no_show),
                                ('committed', r3 * committed), ('unreachable', r4 * unreachable),
                                ('there', r4 - unreachable)) AS made (label, span)
     WHERE NOT isempty(span)
), rule AS MATERIALIZED (  -- when auxiliaries suffice, by the grid, the unit or the layer
    SELECT staffing_rule.grid_id, staffing_rule.unit_id, staffing_rule.layer_id,
           range_agg(valid * tstzrange((day + minute_from * interval '1 minute') AT TIME ZONE zone,
                                       (day + minute_to * interval '1 minute') AT TIME ZONE zone)) AS span
      FROM asked, staffing_rule,
           generate_series(date_trunc('day', lower(asked.span) AT TIME ZONE zone) - interval '2 days',
                           upper(asked.span) AT TIME ZONE zone, interval '1 day') AS day
     WHERE auxiliaries_suffice AND upper_inf(recorded) AND place_id IS NULL
       AND weekdays >> (extract(isodow FROM day)::int - 1) & 1 = 1
     GROUP BY 1, 2, 3, staffing_rule.id
), fit AS MATERIALIZED (  -- which posts count at which steps: by themselves, or as auxiliaries where these suffice
    SELECT post.n, step.id AS step_id,
           (step.officer_kinds = '{}' AND officer_kind <> 'auxiliary') OR officer_kind = ANY(step.officer_kinds) AS fits,
           officer_kind = 'auxiliary' AS helps
      FROM post JOIN step ON (step.shift_kinds = '{}' OR post.kind = ANY(step.shift_kinds))
                         AND (NOT step.teams_only OR post.team_id IS NOT NULL)
), waits AS MATERIALIZED (  -- when shifts wait at their unit
    SELECT fit.n, range_agg(step.valid) AS span FROM fit JOIN step ON step.id = step_id
     WHERE source = 'unit_shift' GROUP BY fit.n
), covering AS (  -- of each grid and each post when that would cover it, whoever is on it
    SELECT drawn.grid_id, drawn.unit_id, post.n, fit.fits, fit.helps, tstzmultirange(drawn.span * step.valid) AS span
      FROM drawn JOIN post ON post.grid_id = drawn.grid_id JOIN fit ON fit.n = post.n
      JOIN step ON step.id = fit.step_id AND step.is_cover AND step.source = 'grid_shift'
    UNION ALL
    SELECT drawn.grid_id, drawn.unit_id, post.n, fit.fits, fit.helps,
           tstzmultirange(drawn.span * step.valid) - coalesce(waits.span, '{}')
      FROM drawn JOIN post ON post.unit_id = drawn.unit_id JOIN fit ON fit.n = post.n
      JOIN step ON step.id = fit.step_id AND step.is_cover AND step.source = 'grid_shift'
      LEFT JOIN waits ON waits.n = post.n
    UNION ALL
    SELECT drawn.grid_id, drawn.unit_id, post.n, fit.fits, fit.helps, tstzmultirange(drawn.span * led.span)
      FROM drawn JOIN led ON led.unit_id = drawn.unit_id
      JOIN post ON post.unit_id = led.reached
      JOIN fit ON fit.n = post.n AND fit.step_id = led.id
      JOIN step ON step.id = fit.step_id AND step.is_cover
), covered AS MATERIALIZED (
    SELECT covering.grid_id, piece.label, range_agg(part) AS span
      FROM asked, covering JOIN piece USING (n)
      LEFT JOIN LATERAL (
          SELECT range_agg(hours) AS span FROM rule, unnest(rule.span) AS hours
           WHERE rule.grid_id = covering.grid_id OR rule.unit_id = covering.unit_id OR rule.layer_id = asked.layer_id
      ) AS aided ON covering.helps,
      unnest(covering.span * piece.span
             * CASE WHEN fits THEN tstzmultirange(tstzrange(NULL, NULL)) ELSE coalesce(aided.span, '{}') END) AS part
     WHERE fits OR helps
     GROUP BY covering.grid_id, piece.label
), whole AS (
    SELECT grid_id, range_agg(span) AS span FROM drawn GROUP BY grid_id
), labelled AS (
    SELECT whole.grid_id, whole.span,
           coalesce(max(covered.span::text) FILTER (WHERE label = 'there'), '{}')::tstzmultirange AS there,
           coalesce(max(covered.span::text) FILTER (WHERE label = 'unreachable'), '{}')::tstzmultirange AS unreachable,
           coalesce(max(covered.span::text) FILTER (WHERE label = 'committed'), '{}')::tstzmultirange AS committed,
           coalesce(max(covered.span::text) FILTER (WHERE label = 'no_show'), '{}')::tstzmultirange AS no_show,
           coalesce(max(covered.span::text) FILTER (WHERE label = 'break'), '{}')::tstzmultirange AS break,
           coalesce(max(covered.span::text) FILTER (WHERE label = 'leave'), '{}')::tstzmultirange AS leave
      FROM whole LEFT JOIN covered USING (grid_id) GROUP BY whole.grid_id, whole.span
)
SELECT grid_id, cause, lower(gap) AS start, upper(gap) AS "end"
  FROM labelled
 CROSS JOIN LATERAL (SELECT span - there AS g0) AS a
 CROSS JOIN LATERAL (SELECT g0 - unreachable AS g1) AS b
 CROSS JOIN LATERAL (SELECT g1 - committed AS g2) AS c
 CROSS JOIN LATERAL (SELECT g2 - no_show AS g3) AS d
 CROSS JOIN LATERAL (SELECT g3 - break AS g4) AS e
 CROSS JOIN LATERAL (VALUES ('unreachable', g0 * unreachable), ('committed', g1 * committed), ('no_show', g2 * no_show),
                            ('break', g3 * break), ('leave', g4 * leave), ('unplanned', g4 - leave)) AS made (cause, gaps)
 CROSS JOIN LATERAL unnest(gaps) AS gap
 ORDER BY grid_id, lower(gap)
