-- The publisher's statements. Links leave PostgreSQL as the JSON text Redis stores: nothing decodes them on the way.

-- name: become_active
SELECT pg_try_advisory_lock($1);

-- name: begin_step
SELECT pg_advisory_xact_lock($1);

-- name: oldest_changes
SELECT outbox_id, topic, entity_id, extract(epoch FROM clock_timestamp() - created_at)::float8 AS age_s
FROM outbox
ORDER BY outbox_id
LIMIT $1;

-- name: forget_changes
DELETE FROM outbox WHERE outbox_id = ANY ($1::bigint[]);

-- name: links_of_link
SELECT p.link_id, p.code, p.max_clicks, (to_jsonb(p) - 'campaign_partner_id')::text AS value
FROM published_links p
WHERE p.link_id = ANY ($1::int[]);

-- name: links_of_campaign_partner
SELECT p.link_id, p.code, p.max_clicks, (to_jsonb(p) - 'campaign_partner_id')::text AS value
FROM published_links p
WHERE p.campaign_partner_id = ANY ($1::int[]);

-- name: links_of_partner
SELECT p.link_id, p.code, p.max_clicks, (to_jsonb(p) - 'campaign_partner_id')::text AS value
FROM published_links p
WHERE p.partner_id = ANY ($1::int[]);

-- name: links_of_campaign
SELECT p.link_id, p.code, p.max_clicks, (to_jsonb(p) - 'campaign_partner_id')::text AS value
FROM published_links p
WHERE p.campaign_id = ANY ($1::int[]);

-- name: links_of_campaign_version
SELECT p.link_id, p.code, p.max_clicks, (to_jsonb(p) - 'campaign_partner_id')::text AS value
FROM published_links p
WHERE p.campaign_version_id = ANY ($1::int[]);

-- name: keys_changed
SELECT key_hash, role, vendor_id, partner_id,
       (extract(epoch FROM expires_at) * 1000)::bigint AS expires_at_ms,
       revoked_at IS NOT NULL OR coalesce(expires_at <= now(), false) AS is_over
FROM api_keys
WHERE api_key_id = ANY ($1::int[]);

-- name: keys_page
SELECT api_key_id, key_hash, role, vendor_id, partner_id,
       (extract(epoch FROM expires_at) * 1000)::bigint AS expires_at_ms,
       revoked_at IS NOT NULL OR coalesce(expires_at <= now(), false) AS is_over
FROM api_keys
WHERE api_key_id > $1
ORDER BY api_key_id
LIMIT $2;

-- name: count_links
SELECT count(*) FROM partner_links;

-- name: links_page
SELECT p.link_id, p.code, p.max_clicks, (to_jsonb(p) - 'campaign_partner_id')::text AS value
FROM published_links p
WHERE p.link_id > $1
ORDER BY p.link_id
LIMIT $2;

-- name: visitors_of_links
SELECT l.link_id,
       (SELECT count(*)
        FROM clicks c
        WHERE c.partner_link_id = l.link_id AND c.click_class NOT IN ('bot', 'head', 'prefetch')
          AND c.class_reason IS DISTINCT FROM 'fallback') AS visitors
FROM unnest($1::int[]) AS l (link_id);
