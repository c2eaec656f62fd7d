-- What comes after the fact: clicks stored when conversions after them were attributed already, and leads.

-- name: take_late_clicks
DELETE FROM late_clicks
WHERE click_id IN (SELECT click_id FROM late_clicks ORDER BY seen_at LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING click_id, clicked_at, cookie_id;

-- name: conversions_of_late_clicks
-- Conversions after these clicks that were reported with them, with their cookie, or for a customer of it. Those that
-- still wait are asked for too: somebody may be at them just now without having seen the click.
SELECT c.conversion_event_id, c.status, wanted.click_id
FROM unnest($1::bigint[], $2::timestamptz[], $3::uuid[]) AS wanted (click_id, clicked_at, cookie_id)
CROSS JOIN LATERAL (
    SELECT * FROM conversion_events WHERE cookie_id = wanted.cookie_id
    UNION
    SELECT * FROM conversion_events WHERE reported_click_id = wanted.click_id
    UNION
    SELECT e.* FROM clicks k JOIN conversion_events e ON e.reported_click_id = k.click_id
    WHERE k.cookie_id = wanted.cookie_id
    UNION
    SELECT e.* FROM customer_links l
    JOIN conversion_events e ON e.vendor_id = l.vendor_id AND e.customer_id = l.customer_hash
    WHERE l.cookie_id = wanted.cookie_id
    UNION
    SELECT e.* FROM customer_links l
    JOIN conversion_events e ON e.vendor_id = l.vendor_id AND e.customer_email = l.customer_hash
    WHERE l.cookie_id = wanted.cookie_id
) AS c
WHERE c.occurred_at >= wanted.clicked_at AND c.adjusts_conversion_event_id IS NULL
  AND c.campaign_milestone_id IS NULL AND NOT c.is_deleted
ORDER BY c.conversion_event_id;

-- name: claim_leads
-- One attributor at a time, without locking the leads before they are written: a batch that converts them links
-- customers first and writes leads last, as this does.
SELECT l.lead_id, l.vendor_id, l.click_id, l.cookie_id, l.customer_id, l.email, l.created_at
FROM leads l
WHERE l.settled_at IS NULL AND l.vendor_id IS NOT NULL AND NOT l.is_deleted
  AND l.created_at <= (SELECT min(stored_through) FROM writer_watermarks WHERE shard < $1 HAVING count(*) = $1)
  AND (SELECT pg_try_advisory_xact_lock(hashtextextended('clickledger leads', 0)))
ORDER BY l.lead_id
LIMIT $2;

-- name: settle_leads
UPDATE leads SET partner_id = w.partner_id, settled_at = now()
FROM unnest($1::bigint[], $2::int[]) AS w (lead_id, partner_id)
WHERE leads.lead_id = w.lead_id;
