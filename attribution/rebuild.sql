-- Rebuilding rollups from clicks and conversions, a day at a time. Readers see every click once all the while: in the
-- transaction that takes a day out of the rollups, all its clicks begin to wait for being folded in again.

-- name: days_kept
-- The first and last day (UTC) of which anything can be counted anew.
SELECT (clicks.since AT TIME ZONE 'UTC')::date AS since, (now() AT TIME ZONE 'UTC')::date + 1 AS until
FROM (SELECT to_date(min(right(c.relname, 6)), 'YYYYMM')::timestamp AT TIME ZONE 'UTC' AS since
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'clicks'::regclass) AS clicks;

-- name: lock_day
-- Nobody stores clicks and nobody folds until commit.
SELECT pg_advisory_xact_lock(hashtextextended('clickledger writer', 0)), lock_rollups();

-- name: forget_deltas
DELETE FROM click_deltas
WHERE clicked_at >= $1::date::timestamp AT TIME ZONE 'UTC' AND clicked_at < ($1::date + 1)::timestamp AT TIME ZONE 'UTC';

-- name: forget_hours
DELETE FROM rollup_hours
WHERE hour_at >= $1::date::timestamp AT TIME ZONE 'UTC' AND hour_at < ($1::date + 1)::timestamp AT TIME ZONE 'UTC';

-- name: forget_days
DELETE FROM rollup_days WHERE day = $1::date;

-- name: note_day
INSERT INTO click_deltas
SELECT clicked_at, partner_link_id, partner_id, campaign_version_id, 1, click_class, is_unique, country_code, device_type,
       browser, os, referrer_host, utm_source, utm_medium, utm_campaign, utm_content, utm_term
FROM clicks
WHERE clicked_at >= $1::date::timestamp AT TIME ZONE 'UTC' AND clicked_at < ($1::date + 1)::timestamp AT TIME ZONE 'UTC'
  AND NOT is_deleted;

-- name: fold_clicks
SELECT fold_clicks($1::int);

-- name: bound_rollups
SELECT bound_rollups($1::int, $2::date);

-- name: forget_sale_hours
DELETE FROM sale_hours;

-- name: forget_sale_days
DELETE FROM sale_days;

-- name: add_entries
SELECT add_sales(array_agg(e), 1), max(e.conversion_event_id) AS through
FROM sale_entries e
WHERE e.conversion_event_id > $1 AND e.conversion_event_id <= (
    SELECT max(conversion_event_id) FROM (
        SELECT conversion_event_id FROM sale_entries WHERE conversion_event_id > $1 ORDER BY 1 LIMIT $2) AS following)
HAVING count(*) > 0;

-- name: mark_all_sales
INSERT INTO sale_marks
SELECT conversion_event_id FROM conversion_events WHERE attribution_state = 'attributed'
UNION
SELECT conversion_event_id FROM sale_entries;

-- name: fold_sales
SELECT fold_sales($1::int);
