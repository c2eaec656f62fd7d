-- The writer's SQL for conversions, refunds and leads: facts only, in one transaction a batch. Parameters are arrays,
-- one a column.

-- name: vendor_keys
SELECT vendor_id, customer_key FROM vendors WHERE vendor_id = ANY($1::int[]);

-- name: event_types
SELECT name, conversion_event_type_id FROM conversion_event_types WHERE name = ANY($1::text[]) AND NOT is_deleted;

-- name: add_conversions
INSERT INTO conversion_events (
    conversion_id, report_id, vendor_id, conversion_event_type_id, transaction_id, event_value, currency, click_id,
    cookie_id, customer_id, customer_email, coupon, parent_transaction_id, attribution_confidence, metadata, is_awaited,
    occurred_at, received_at, visitor_hashes)
SELECT conversion_id, report_id, vendor_id, type_id, transaction_id, event_value, currency, click_id,
       cookie_id, customer_id, customer_email, coupon, parent_transaction_id, confidence, metadata::jsonb, is_awaited,
       occurred_at, received_at, visitor_hashes::bigint[]
FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[], $5::text[], $6::numeric[], $7::text[], $8::bigint[],
            $9::uuid[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::boolean[],
            $17::timestamptz[], $18::timestamptz[], $19::text[])
    AS reported (conversion_id, report_id, vendor_id, type_id, transaction_id, event_value, currency, click_id,
                 cookie_id, customer_id, customer_email, coupon, parent_transaction_id, confidence, metadata, is_awaited,
                 occurred_at, received_at, visitor_hashes)
ON CONFLICT DO NOTHING
RETURNING report_id::text;

-- name: recorded_conversions
-- What stands in the way of each: the conversion of the same id, or of the same transaction (its type was renamed since).
SELECT wanted.place, c.conversion_event_id, c.conversion_id::text, c.report_id::text, c.transaction_id,
       c.event_value, c.currency, c.status, t.name AS event
FROM unnest($1::int[], $2::uuid[], $3::int[], $4::int[], $5::text[])
    AS wanted (place, conversion_id, vendor_id, type_id, transaction_id)
CROSS JOIN LATERAL (
    (SELECT * FROM conversion_events WHERE conversion_id = wanted.conversion_id)
    UNION ALL
    (SELECT * FROM conversion_events
     WHERE vendor_id = wanted.vendor_id AND conversion_event_type_id = wanted.type_id
       AND transaction_id = wanted.transaction_id AND adjusts_conversion_event_id IS NULL)
    LIMIT 1
) AS c
JOIN conversion_event_types t USING (conversion_event_type_id);

-- name: add_conversion_reports
INSERT INTO conversion_reports (report_id, vendor_id, conversion_id, outcome, event_value, currency, detail, received_at)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::numeric[], $6::text[], $7::text[],
                     $8::timestamptz[])
ON CONFLICT DO NOTHING
RETURNING report_id::text;

-- name: add_outcomes
INSERT INTO outbox (topic, entity_id, payload)
SELECT 'outcome', entity_id, payload::jsonb FROM unnest($1::bigint[], $2::text[]) AS told (entity_id, payload);

-- name: add_refunds
INSERT INTO refund_reports (
    report_id, vendor_id, conversion_event_type_id, transaction_id, refund_id, amount, currency, reason, conversion_id,
    occurred_at, received_at)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], $4::text[], $5::text[], $6::numeric[], $7::text[], $8::text[],
                     $9::uuid[], $10::timestamptz[], $11::timestamptz[])
ON CONFLICT DO NOTHING
RETURNING report_id::text;

-- name: recorded_refunds
SELECT wanted.place, r.report_id::text, r.amount, r.reason
FROM unnest($1::int[], $2::int[], $3::int[], $4::text[], $5::text[])
    AS wanted (place, vendor_id, type_id, transaction_id, refund_id)
JOIN refund_reports r ON r.vendor_id = wanted.vendor_id AND r.conversion_event_type_id = wanted.type_id
    AND r.transaction_id = wanted.transaction_id AND r.refund_id = wanted.refund_id;

-- name: add_leads
-- A lead reported again is filled up where it lacked something; what is there stays.
INSERT INTO leads (vendor_id, external_lead_id, click_id, cookie_id, customer_id, email, created_at)
SELECT * FROM unnest($1::int[], $2::text[], $3::bigint[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[])
ON CONFLICT (vendor_id, external_lead_id) DO UPDATE SET
    click_id = coalesce(leads.click_id, EXCLUDED.click_id),
    cookie_id = coalesce(leads.cookie_id, EXCLUDED.cookie_id),
    customer_id = coalesce(leads.customer_id, EXCLUDED.customer_id),
    email = coalesce(leads.email, EXCLUDED.email),
    created_at = least(leads.created_at, EXCLUDED.created_at);

-- name: link_customers
INSERT INTO customer_links (vendor_id, customer_hash, cookie_id, linked_at)
SELECT vendor_id, customer_hash, cookie_id, min(linked_at)
FROM unnest($1::int[], $2::text[], $3::uuid[], $4::timestamptz[])
    AS seen (vendor_id, customer_hash, cookie_id, linked_at)
GROUP BY vendor_id, customer_hash, cookie_id
ORDER BY vendor_id, customer_hash, cookie_id
ON CONFLICT (vendor_id, customer_hash, cookie_id) DO UPDATE SET linked_at = EXCLUDED.linked_at
WHERE customer_links.linked_at > EXCLUDED.linked_at;

-- name: late_bounds
-- Up to when the shard's clicks had been stored, and the newest conversion there is.
SELECT stored_through, (SELECT max(occurred_at) FROM conversion_events) AS newest_conversion
FROM writer_watermarks WHERE shard = $1;

-- name: add_late_clicks
INSERT INTO late_clicks (click_id, clicked_at, cookie_id)
SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::uuid[])
ON CONFLICT DO NOTHING;
