-- Vendors and outcomes on their way to Redis. Values leave PostgreSQL as the JSON text that is stored there.

-- name: vendors_changed
SELECT vendor_id, lower(email) AS email, api_key AS token_hash,
       jsonb_build_object(
           'vendor_id', vendor_id, 'email', lower(email), 'is_active', status = 'active' AND NOT is_deleted,
           'token_hash', api_key, 'is_transaction_id_required', require_transaction_id,
           'is_unsigned_pixel_allowed', is_unsigned_pixel_allowed, 'default_currency', default_currency,
           'secrets', postback_secrets)::text AS value
FROM vendors
WHERE vendor_id = ANY ($1::int[])
ORDER BY is_deleted DESC, vendor_id;

-- name: vendors_page
-- A deleted vendor's e-mail may have been given to another, who is written after it wins: the door compares anyway.
SELECT vendor_id, lower(email) AS email, api_key AS token_hash,
       jsonb_build_object(
           'vendor_id', vendor_id, 'email', lower(email), 'is_active', status = 'active' AND NOT is_deleted,
           'token_hash', api_key, 'is_transaction_id_required', require_transaction_id,
           'is_unsigned_pixel_allowed', is_unsigned_pixel_allowed, 'default_currency', default_currency,
           'secrets', postback_secrets)::text AS value
FROM vendors
WHERE vendor_id > $1
ORDER BY vendor_id
LIMIT $2;

-- name: outcomes_of_changes
SELECT coalesce(o.payload ->> 'report_id', c.report_id::text) AS report_id, (o.payload - 'report_id')::text AS body
FROM outbox o
LEFT JOIN conversion_events c ON c.conversion_event_id = o.entity_id
WHERE o.outbox_id = ANY ($1::bigint[]) AND o.topic = 'outcome' AND o.payload IS NOT NULL
  AND coalesce(o.payload ->> 'report_id', c.report_id::text) IS NOT NULL
ORDER BY o.outbox_id;
