-- What `clickledger status`, `deadletters` and `up` read. Cheap on any size: watermarks, open dead letters, the catalogue.

-- name: ledger_numbers
SELECT
    coalesce((SELECT sum(clicks_stored) FROM writer_watermarks), 0)::bigint AS clicks_stored,
    (SELECT min(stored_through) FROM writer_watermarks) AS watermark,
    (SELECT count(*) FROM dead_letters WHERE replayed_at IS NULL) AS dead_letters,
    current_setting('server_version') AS server_version;

-- name: partitions_ahead
SELECT count(*)
FROM pg_inherits
JOIN pg_class ON pg_class.oid = pg_inherits.inhrelid
WHERE inhparent = 'clicks'::regclass
    AND relname > 'clicks_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMM')
    AND relname ~ '^clicks_[0-9]{6}$';

-- name: newest_dead_letter
SELECT coalesce(max(dead_letter_id), 0) FROM dead_letters;

-- name: first_codes
SELECT short_code FROM partner_links WHERE NOT is_disabled AND NOT is_deleted ORDER BY partner_link_id LIMIT $1;

-- name: add_secret
-- The newest first; the one before stays until the next, so that senders can change over.
UPDATE vendors SET postback_secrets = (ARRAY[$2::text] || postback_secrets)[1:2]
WHERE vendor_id = $1 AND NOT is_deleted
RETURNING vendor_id;

-- name: conversion_numbers
-- Counted: of conversions there are thousands of times fewer than of clicks.
SELECT count(*) AS conversions_stored,
       count(*) FILTER (WHERE attribution_state = 'awaiting_click') AS conversions_waiting
FROM conversion_events
WHERE adjusts_conversion_event_id IS NULL AND campaign_milestone_id IS NULL;
