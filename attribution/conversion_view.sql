-- One conversion as its reader may see it. Run in the caller's tenancy: row-level security decides which rows.

-- name: find_conversion
-- The number of a conversion from the id its vendor was told, and what its outcome leaves out. A partner is shown what
-- it earns itself, others the whole commission.
SELECT e.conversion_event_id, e.partner_id, e.occurred_at, e.recorded_at, e.approved_at, e.rejected_at, e.paid_at,
       e.matched_by, e.hold_reason, e.currency::text AS currency, root.conversion_id AS adjusts_conversion_id,
       (SELECT sum(r.amount) FROM conversion_credits r
        WHERE r.conversion_event_id = e.conversion_event_id AND r.partner_id = tenant_partner_id()) AS own_commission
FROM conversion_events e
LEFT JOIN conversion_events root ON root.conversion_event_id = e.adjusts_conversion_event_id
WHERE e.conversion_id = $1 AND NOT e.is_deleted;

-- name: numbers_seen
SELECT conversion_id, conversion_event_id FROM conversion_events WHERE conversion_id = ANY ($1::uuid[]) AND NOT is_deleted;

-- name: adjustments_seen
SELECT a.conversion_id, a.adjustment_key, a.event_value, a.currency::text AS currency, a.status, a.occurred_at,
       a.metadata -> 'refund' ->> 'reason' AS reason,
       CASE WHEN tenant_role() = 'partner'
            THEN (SELECT sum(r.amount) FROM conversion_credits r
                  WHERE r.conversion_event_id = a.conversion_event_id AND r.partner_id = tenant_partner_id())
            ELSE a.commission_amount END AS commission
FROM conversion_events a
WHERE a.adjusts_conversion_event_id = $1 AND NOT a.is_deleted
ORDER BY a.conversion_event_id;

-- name: clicks_seen
-- Of these clicks those the caller may see: a cookie's other clicks may belong to other vendors and partners.
SELECT k.click_id
FROM unnest($1::bigint[], $2::timestamptz[]) AS wanted (click_id, clicked_at)
JOIN clicks k USING (click_id, clicked_at);
