-- The writer's SQL: everything here runs inside the one transaction of a flush unless its comment says otherwise.

-- name: begin_flush
-- A writer that hangs while it holds the lock must not stop the others for ever. And every look-up below is a probe
-- of an index, planned anew for every flush (1 ms): a plan that is kept may have been made while the month was still
-- empty, when any index seemed as good, and would go through all clicks of a link for each of its visitors. For the
-- same reason look-ups by cookie compare whole rows of their index's columns and ask for `click_class || ''`: without
-- statistics, as in the first minutes of a month, the planner took indexes of links for them, 90 us a cookie instead of 3.
SELECT set_config('lock_timeout', '20s', true), set_config('idle_in_transaction_session_timeout', '20s', true),
       set_config('plan_cache_mode', 'force_custom_plan', true),
       set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
       set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
       set_config('jit', 'off', true);

-- name: lock_writers
-- One flush at a time, of all shards and processes: whether a click is double or unique depends on clicks that
-- came through other shards, and totals are updated in no particular order.
SELECT pg_advisory_xact_lock(hashtextextended('clickledger writer', 0));

-- name: count_stored
SELECT coalesce(sum(clicks_stored), 0)::bigint FROM writer_watermarks;

-- name: stored_ids
SELECT click_id FROM clicks
WHERE click_id = ANY($1::bigint[]) AND clicked_at >= $2::timestamptz AND clicked_at <= $3::timestamptz;

-- name: newest_visits_by_hash
-- For each link and visitor hash its newest valid click in a period. The period's bounds are parameters of the
-- whole statement, so that only their partitions are opened. Asked in the order of the index: a third less.
SELECT wanted.link_id, wanted.visitor_hash AS identity, seen.clicked_at
FROM (SELECT * FROM unnest($1::int[], $2::bigint[]) AS visitors (link_id, visitor_hash) ORDER BY 1, 2) AS wanted
CROSS JOIN LATERAL (
    SELECT clicked_at FROM clicks
    WHERE partner_link_id = wanted.link_id AND visitor_hash = wanted.visitor_hash AND click_class = 'valid'
      AND clicked_at >= $3::timestamptz AND clicked_at <= $4::timestamptz
    ORDER BY clicked_at DESC LIMIT 1
) AS seen;

-- name: newest_visits_by_cookie
SELECT wanted.link_id, wanted.cookie_id::text AS identity, seen.clicked_at
FROM unnest($1::int[], $2::uuid[]) AS wanted (link_id, cookie_id)
CROSS JOIN LATERAL (
    SELECT clicked_at FROM clicks
    WHERE (cookie_id, partner_link_id, clicked_at) >= (wanted.cookie_id, wanted.link_id, $3::timestamptz)
      AND (cookie_id, partner_link_id, clicked_at) <= (wanted.cookie_id, wanted.link_id, $4::timestamptz)
      AND clicked_at >= $3::timestamptz AND clicked_at <= $4::timestamptz AND click_class || '' = 'valid'
    ORDER BY cookie_id DESC, partner_link_id DESC, clicked_at DESC LIMIT 1
) AS seen;

-- name: nearest_visits_by_hash
-- For each moment the nearest valid clicks before and after it: for clicks that come in late.
SELECT wanted.link_id, wanted.visitor_hash AS identity, seen.clicked_at
FROM unnest($1::int[], $2::bigint[], $3::timestamptz[]) AS wanted (link_id, visitor_hash, at)
CROSS JOIN LATERAL (
    (SELECT clicked_at FROM clicks
     WHERE partner_link_id = wanted.link_id AND visitor_hash = wanted.visitor_hash AND click_class = 'valid'
       AND clicked_at >= $4::timestamptz AND clicked_at <= wanted.at
     ORDER BY clicked_at DESC LIMIT 1)
    UNION ALL
    (SELECT clicked_at FROM clicks
     WHERE partner_link_id = wanted.link_id AND visitor_hash = wanted.visitor_hash AND click_class = 'valid'
       AND clicked_at > wanted.at AND clicked_at <= $5::timestamptz
     ORDER BY clicked_at LIMIT 1)
) AS seen;

-- name: nearest_visits_by_cookie
SELECT wanted.link_id, wanted.cookie_id::text AS identity, seen.clicked_at
FROM unnest($1::int[], $2::uuid[], $3::timestamptz[]) AS wanted (link_id, cookie_id, at)
CROSS JOIN LATERAL (
    (SELECT clicked_at FROM clicks
     WHERE (cookie_id, partner_link_id, clicked_at) >= (wanted.cookie_id, wanted.link_id, $4::timestamptz)
       AND (cookie_id, partner_link_id, clicked_at) <= (wanted.cookie_id, wanted.link_id, wanted.at)
       AND clicked_at >= $4::timestamptz AND clicked_at <= $5::timestamptz AND click_class || '' = 'valid'
     ORDER BY cookie_id DESC, partner_link_id DESC, clicked_at DESC LIMIT 1)
    UNION ALL
    (SELECT clicked_at FROM clicks
     WHERE (cookie_id, partner_link_id, clicked_at) > (wanted.cookie_id, wanted.link_id, wanted.at)
       AND (cookie_id, partner_link_id, clicked_at) <= (wanted.cookie_id, wanted.link_id, $5::timestamptz)
       AND clicked_at >= $4::timestamptz AND clicked_at <= $5::timestamptz AND click_class || '' = 'valid'
     ORDER BY cookie_id, partner_link_id, clicked_at LIMIT 1)
) AS seen;

-- name: known_imports
SELECT import_key FROM click_imports WHERE import_key = ANY($1::uuid[]);

-- name: add_imports
INSERT INTO click_imports (import_key, click_id) SELECT * FROM unnest($1::uuid[], $2::bigint[]);

-- name: cookie_lives
-- A cookie that has lost its clicks (an erasure) counts as expired long ago.
-- (One probe of one partition each: `= ANY` would probe all eight.)
SELECT wanted.cookie_id::text, coalesce(first_click_id, 0), first_partner_id, coalesce(last_click_id, 0),
       last_partner_id, last_campaign_version_id, CASE WHEN last_click_id IS NULL THEN 'epoch' ELSE expires_at END
FROM unnest($1::uuid[]) AS wanted (cookie_id)
CROSS JOIN LATERAL (SELECT * FROM cookies WHERE cookies.cookie_id = wanted.cookie_id LIMIT 1) AS stored;

-- name: cookie_clicks
-- The whole history of cookies to which a click came late. A plain link has the default window ($2).
SELECT clicks.cookie_id::text, clicks.click_id, clicks.partner_id, clicks.campaign_version_id,
       coalesce(campaign_versions.cookie_duration_days, $2::int) AS window_days
FROM clicks LEFT JOIN campaign_versions USING (campaign_version_id)
WHERE clicks.cookie_id = ANY($1::uuid[]) AND clicks.click_class || '' = 'valid'
ORDER BY clicks.cookie_id, clicks.click_id;

-- name: save_cookies
INSERT INTO cookies (cookie_id, first_click_id, first_partner_id, last_click_id, last_partner_id,
                     last_campaign_version_id, expires_at, last_seen_at)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::int[], $4::bigint[], $5::int[], $6::int[],
                     $7::timestamptz[], $8::timestamptz[])
ON CONFLICT (cookie_id) DO UPDATE SET
    first_click_id = EXCLUDED.first_click_id,
    first_partner_id = EXCLUDED.first_partner_id,
    last_click_id = EXCLUDED.last_click_id,
    last_partner_id = EXCLUDED.last_partner_id,
    last_campaign_version_id = EXCLUDED.last_campaign_version_id,
    expires_at = EXCLUDED.expires_at,
    last_seen_at = EXCLUDED.last_seen_at,
    updated_at = now();

-- name: count_clicks
-- Rows are locked in the order of their numbers first: the ledger moves other totals of the same rows.
WITH counted AS (
    SELECT * FROM unnest($1::int[], $2::int[], $3::bigint[], $4::timestamptz[])
        AS counted (campaign_version_id, partner_id, clicks, last_click_at)
), locked AS (
    SELECT campaign_partner_id, counted.clicks, counted.last_click_at AS newest
    FROM campaign_partners JOIN counted USING (campaign_version_id, partner_id)
    WHERE NOT is_deleted
    ORDER BY campaign_partner_id
    FOR UPDATE OF campaign_partners
)
UPDATE campaign_partners SET
    total_clicks = total_clicks + locked.clicks,
    last_click_at = greatest(last_click_at, locked.newest)
FROM locked WHERE campaign_partners.campaign_partner_id = locked.campaign_partner_id;

-- name: move_watermark
-- Also run on its own, when a stream is empty.
INSERT INTO writer_watermarks (shard, stored_through, clicks_stored) VALUES ($1, $2, $3)
ON CONFLICT (shard) DO UPDATE SET
    stored_through = greatest(writer_watermarks.stored_through, EXCLUDED.stored_through),
    clicks_stored = writer_watermarks.clicks_stored + EXCLUDED.clicks_stored,
    updated_at = now();

-- name: add_dead_letters
INSERT INTO dead_letters (stream, entry_id, position, reason, detail, payload)
SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[], $6::bytea[])
ON CONFLICT (stream, entry_id, position) DO NOTHING;

-- name: list_dead_letters
-- On its own: pages of dead letters, oldest first.
SELECT dead_letter_id, stream, entry_id, position, reason, detail, payload, created_at, replayed_at, replay_count
FROM dead_letters
WHERE dead_letter_id > $1 AND ($2::boolean OR replayed_at IS NULL)
ORDER BY dead_letter_id LIMIT $3;

-- name: get_dead_letters
SELECT dead_letter_id, stream, entry_id, position, reason, detail, payload, created_at, replayed_at, replay_count
FROM dead_letters WHERE dead_letter_id = ANY($1::bigint[]) ORDER BY dead_letter_id;

-- name: mark_replayed
UPDATE dead_letters SET replayed_at = now(), replay_count = replay_count + 1
WHERE dead_letter_id = ANY($1::bigint[]);

-- name: ensure_partitions
-- On its own, at start, every hour, and when a flush meets a month that has none.
SELECT ensure_month_partitions($1::text, $2::timestamptz, $3::timestamptz);

-- name: partitions_ahead
-- Months after this one that have a partition for clicks already.
SELECT count(*)::int FROM generate_series(1, 24) AS months (ahead)
WHERE to_regclass('clicks_' || to_char(now() AT TIME ZONE 'UTC' + ahead * interval '1 month', 'YYYYMM')) IS NOT NULL;
