-- The audit of the ledger. Every block answers one row: examined, violations, and up to five examples as text.

-- name: click_ids_unique
-- A primary key holds within one partition only; across them the id's own time must keep ids apart.
WITH doubled AS (
    SELECT click_id FROM clicks GROUP BY click_id HAVING count(*) > 1
)
SELECT (SELECT count(*) FROM clicks) AS examined, (SELECT count(*) FROM doubled) AS violations,
       (SELECT array_agg('click ' || click_id) FROM (SELECT click_id FROM doubled ORDER BY 1 LIMIT 5) AS few) AS examples;

-- name: clicked_at_equals_id
WITH wrong AS (
    SELECT click_id, clicked_at FROM clicks
    WHERE clicked_at <> timestamptz 'epoch' + (click_id >> 21) * interval '1 millisecond'
)
SELECT (SELECT count(*) FROM clicks) AS examined, (SELECT count(*) FROM wrong) AS violations,
       (SELECT array_agg('click ' || click_id || ' at ' || clicked_at) FROM (SELECT * FROM wrong ORDER BY 1 LIMIT 5) AS few)
           AS examples;

-- name: clicks_have_links
WITH orphans AS (
    SELECT c.click_id, c.partner_link_id FROM clicks c
    WHERE NOT EXISTS (SELECT FROM partner_links l WHERE l.partner_link_id = c.partner_link_id)
)
SELECT (SELECT count(*) FROM clicks) AS examined, (SELECT count(*) FROM orphans) AS violations,
       (SELECT array_agg('click ' || click_id || ' of link ' || partner_link_id)
        FROM (SELECT * FROM orphans ORDER BY 1 LIMIT 5) AS few) AS examples;

-- name: cookies_last_click
-- A cookie's last click is its newest valid one.
WITH newest AS (
    SELECT cookie_id, max(click_id) AS click_id FROM clicks
    WHERE click_class = 'valid' AND cookie_id IS NOT NULL
    GROUP BY cookie_id
), wrong AS (
    SELECT k.cookie_id, k.last_click_id, newest.click_id
    FROM cookies k
    JOIN newest USING (cookie_id)
    WHERE k.last_click_id IS DISTINCT FROM newest.click_id
)
SELECT (SELECT count(*) FROM newest) AS examined, (SELECT count(*) FROM wrong) AS violations,
       (SELECT array_agg('cookie ' || cookie_id || ' says ' || coalesce(last_click_id::text, 'none') || ', newest is ' || click_id)
        FROM (SELECT * FROM wrong ORDER BY 1 LIMIT 5) AS few) AS examples;

-- name: cookies_known
-- Every cookie on a valid click has its row.
WITH used AS (
    SELECT DISTINCT cookie_id FROM clicks WHERE click_class = 'valid' AND cookie_id IS NOT NULL
), wrong AS (
    SELECT cookie_id FROM used WHERE NOT EXISTS (SELECT FROM cookies k WHERE k.cookie_id = used.cookie_id)
)
SELECT (SELECT count(*) FROM used) AS examined, (SELECT count(*) FROM wrong) AS violations,
       (SELECT array_agg('cookie ' || cookie_id) FROM (SELECT * FROM wrong ORDER BY 1 LIMIT 5) AS few) AS examples;

-- name: cookies_have_clicks
-- First and last click exist, belong to the cookie and are valid. Clicks older than the oldest partition left have been
-- dropped by retention and are not missed.
WITH span AS (
    SELECT min(clicked_at) AS oldest FROM clicks
), referred AS (
    SELECT k.cookie_id, ends.click_id, timestamptz 'epoch' + (ends.click_id >> 21) * interval '1 millisecond' AS clicked_at
    FROM cookies k CROSS JOIN LATERAL (VALUES (k.first_click_id), (k.last_click_id)) AS ends (click_id)
    WHERE ends.click_id IS NOT NULL
), wrong AS (
    SELECT r.cookie_id, r.click_id
    FROM referred r
    CROSS JOIN span
    LEFT JOIN clicks c ON c.click_id = r.click_id AND c.clicked_at = r.clicked_at
    WHERE (span.oldest IS NULL OR r.clicked_at >= span.oldest)
      AND (c.click_id IS NULL OR c.cookie_id IS DISTINCT FROM r.cookie_id OR c.click_class <> 'valid')
)
SELECT (SELECT count(*) FROM referred) AS examined, (SELECT count(*) FROM wrong) AS violations,
       (SELECT array_agg('cookie ' || cookie_id || ' and click ' || click_id)
        FROM (SELECT * FROM wrong ORDER BY 1 LIMIT 5) AS few) AS examples;

-- name: cookies_partners
-- The partners a cookie names are those of its clicks.
WITH wrong AS (
    SELECT k.cookie_id
    FROM cookies k
    LEFT JOIN clicks f ON f.click_id = k.first_click_id
        AND f.clicked_at = timestamptz 'epoch' + (k.first_click_id >> 21) * interval '1 millisecond'
    LEFT JOIN clicks l ON l.click_id = k.last_click_id
        AND l.clicked_at = timestamptz 'epoch' + (k.last_click_id >> 21) * interval '1 millisecond'
    WHERE (f.click_id IS NOT NULL AND k.first_partner_id IS DISTINCT FROM f.partner_id)
       OR (l.click_id IS NOT NULL AND (k.last_partner_id, k.last_campaign_version_id)
           IS DISTINCT FROM (l.partner_id, l.campaign_version_id))
       OR k.first_click_id > k.last_click_id
)
SELECT (SELECT count(*) FROM cookies) AS examined, (SELECT count(*) FROM wrong) AS violations,
       (SELECT array_agg('cookie ' || cookie_id) FROM (SELECT * FROM wrong ORDER BY 1 LIMIT 5) AS few) AS examples;

-- name: totals_equal_recount
WITH counted AS (
    SELECT campaign_version_id, partner_id, count(*) AS clicks, max(clicked_at) AS newest
    FROM clicks
    WHERE click_class = 'valid' AND partner_id IS NOT NULL AND campaign_version_id IS NOT NULL
    GROUP BY 1, 2
), wrong AS (
    SELECT e.campaign_partner_id, e.total_clicks, coalesce(counted.clicks, 0) AS clicks
    FROM campaign_partners e
    LEFT JOIN counted USING (campaign_version_id, partner_id)
    WHERE NOT e.is_deleted
      AND (e.total_clicks, e.last_click_at) IS DISTINCT FROM (coalesce(counted.clicks, 0), counted.newest)
)
SELECT (SELECT count(*) FROM campaign_partners WHERE NOT is_deleted) AS examined,
       (SELECT count(*) FROM wrong) AS violations,
       (SELECT array_agg('enrolment ' || campaign_partner_id || ' says ' || total_clicks || ', counted ' || clicks)
        FROM (SELECT * FROM wrong ORDER BY 1 LIMIT 5) AS few) AS examples;

-- name: imports_have_clicks
WITH span AS (
    SELECT min(clicked_at) AS oldest FROM clicks
), referred AS (
    SELECT import_key, click_id, timestamptz 'epoch' + (click_id >> 21) * interval '1 millisecond' AS clicked_at
    FROM click_imports
), wrong AS (
    SELECT r.import_key, r.click_id FROM referred r CROSS JOIN span
    WHERE (span.oldest IS NULL OR r.clicked_at >= span.oldest)
      AND NOT EXISTS (SELECT FROM clicks c WHERE c.click_id = r.click_id AND c.clicked_at = r.clicked_at)
)
SELECT (SELECT count(*) FROM referred) AS examined, (SELECT count(*) FROM wrong) AS violations,
       (SELECT array_agg('import ' || import_key || ' and click ' || click_id)
        FROM (SELECT * FROM wrong ORDER BY 1 LIMIT 5) AS few) AS examples;

-- name: unique_clicks_are_valid
WITH wrong AS (
    SELECT click_id FROM clicks WHERE is_unique AND click_class <> 'valid'
)
SELECT (SELECT count(*) FROM clicks WHERE is_unique) AS examined, (SELECT count(*) FROM wrong) AS violations,
       (SELECT array_agg('click ' || click_id) FROM (SELECT * FROM wrong ORDER BY 1 LIMIT 5) AS few) AS examples;

-- name: conversions_have_clicks
WITH span AS (
    SELECT min(clicked_at) AS oldest FROM clicks
), referred AS (
    SELECT conversion_event_id, click_id, clicked_at FROM conversion_events
    WHERE click_id IS NOT NULL AND attribution_state = 'attributed'
), wrong AS (
    SELECT r.conversion_event_id, r.click_id FROM referred r CROSS JOIN span
    WHERE (span.oldest IS NULL OR r.clicked_at >= span.oldest)
      AND NOT EXISTS (SELECT FROM clicks c WHERE c.click_id = r.click_id AND c.clicked_at = r.clicked_at)
)
SELECT (SELECT count(*) FROM referred) AS examined, (SELECT count(*) FROM wrong) AS violations,
       (SELECT array_agg('conversion ' || conversion_event_id || ' and click ' || click_id)
        FROM (SELECT * FROM wrong ORDER BY 1 LIMIT 5) AS few) AS examples;

-- name: partitions_cover_now
-- This month and the next have their partitions.
WITH wanted AS (
    SELECT parent || to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + ahead * interval '1 month', '_YYYYMM') AS child,
           parent
    FROM unnest(ARRAY['clicks', 'touches', 'audit_logs']) AS parent CROSS JOIN generate_series(0, 1) AS ahead
), wrong AS (
    SELECT child FROM wanted
    WHERE NOT EXISTS (
        SELECT FROM pg_inherits i
        WHERE i.inhparent = to_regclass(wanted.parent) AND i.inhrelid = to_regclass(wanted.child)
    )
)
SELECT (SELECT count(*) FROM wanted) AS examined, (SELECT count(*) FROM wrong) AS violations,
       (SELECT array_agg(child) FROM (SELECT * FROM wrong ORDER BY 1 LIMIT 5) AS few) AS examples;

-- name: listed_links_equal_links
-- What links are found by is what links are.
WITH wrong AS (
    SELECT DISTINCT partner_link_id
    FROM ((TABLE listed_links EXCEPT TABLE links_to_list) UNION ALL (TABLE links_to_list EXCEPT TABLE listed_links)) AS apart
)
SELECT (SELECT count(*) FROM listed_links) AS examined, (SELECT count(*) FROM wrong) AS violations,
       (SELECT array_agg('link ' || partner_link_id) FROM (SELECT * FROM wrong ORDER BY 1 LIMIT 5) AS few) AS examples;
