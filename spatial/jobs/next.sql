-- The jobs that are due, in the order in which workers take them: by priority; then in turns, one of each who asked,
-- beginning with whoever was served longest ago; then the oldest. Who has thousands waiting holds up nobody.
-- What it costs grows with those who wait for something, not with their jobs.
WITH RECURSIVE lane AS (  -- who waits, at which priority: by leaps through the index ix_job_waiting
    (SELECT priority, created_by FROM job WHERE state IN ('queued', 'running') ORDER BY priority, created_by LIMIT 1)
    UNION ALL
    SELECT following.priority, following.created_by
    FROM lane CROSS JOIN LATERAL (
        SELECT priority, created_by FROM job
        WHERE state IN ('queued', 'running') AND (priority, created_by) > (lane.priority, lane.created_by)
        ORDER BY priority, created_by LIMIT 1
    ) AS following
)
SELECT due.id
FROM lane
CROSS JOIN LATERAL (
    SELECT id, run_after, created_at, row_number() OVER (ORDER BY run_after, created_at) AS turn
    FROM job
    WHERE state IN ('queued', 'running') AND priority = lane.priority AND created_by = lane.created_by
        AND run_after <= :now AND kind = ANY(:kinds)
    ORDER BY run_after, created_at LIMIT :most  -- those that workers hold are among them, and passed over
) AS due
CROSS JOIN LATERAL (SELECT max(heartbeat) AS at FROM job WHERE created_by = lane.created_by) AS served
ORDER BY lane.priority DESC, due.turn, served.at NULLS FIRST, due.run_after, due.created_at
LIMIT :most
