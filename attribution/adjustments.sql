-- Refunds: reports in, adjustment rows out, in one transaction for each conversion.

-- name: claim_refunds
-- Conversions with refunds to apply: those that are settled. The others wait with them.
SELECT c.conversion_event_id
FROM (SELECT DISTINCT conversion_id FROM (
          SELECT r.conversion_id FROM refund_reports r
          WHERE r.state = 'waiting'
            AND EXISTS (SELECT FROM conversion_events s WHERE s.conversion_id = r.conversion_id
                        AND s.attribution_state IN ('attributed', 'unattributed') AND NOT s.is_deleted)
          ORDER BY r.refund_report_id LIMIT $1) AS oldest) AS waiting
JOIN conversion_events c USING (conversion_id)
ORDER BY c.conversion_event_id
FOR NO KEY UPDATE OF c SKIP LOCKED;

-- name: refunds_of
-- Every report on these conversions that was or will be applied.
SELECT r.refund_report_id, c.conversion_event_id, r.refund_id, r.amount, r.currency, r.reason, r.occurred_at, r.state
FROM conversion_events c JOIN refund_reports r USING (conversion_id)
WHERE c.conversion_event_id = ANY($1::bigint[]) AND r.state <> 'refused'
ORDER BY c.conversion_event_id, r.occurred_at, r.refund_id
FOR NO KEY UPDATE OF r;

-- name: settle_refunds
UPDATE refund_reports SET state = w.state, state_reason = w.reason
FROM unnest($1::bigint[], $2::text[], $3::text[]) AS w (refund_report_id, state, reason)
WHERE refund_reports.refund_report_id = w.refund_report_id;

-- name: families
-- Conversions with the rows that adjust them, each conversion first, adjustments in the order in which they were made.
SELECT c.conversion_event_id, coalesce(c.adjusts_conversion_event_id, c.conversion_event_id) AS root,
       c.conversion_id, c.vendor_id, c.conversion_event_type_id, c.transaction_id, c.status, c.rejection_reason,
       c.approved_at, c.attribution_state, c.event_value, c.currency, c.commission_amount, c.commission_type,
       c.commission_value, c.partner_id, c.campaign_version_id, c.click_id, c.clicked_at, c.cookie_id,
       c.attribution_type, c.attribution_confidence, c.occurred_at, c.terms, c.metadata
FROM conversion_events c
WHERE (c.conversion_event_id = ANY($1::bigint[]) OR c.adjusts_conversion_event_id = ANY($1::bigint[]))
  AND NOT c.is_deleted
ORDER BY root, c.adjusts_conversion_event_id NULLS FIRST, c.conversion_event_id;

-- name: add_adjustment
INSERT INTO conversion_events (
    conversion_id, vendor_id, conversion_event_type_id, transaction_id, status, attribution_state, event_value,
    currency, commission_amount, commission_type, commission_value, partner_id, campaign_version_id, click_id,
    clicked_at, cookie_id, attribution_type, attribution_confidence, adjusts_conversion_event_id, adjustment_key,
    occurred_at, approved_at, rejected_at, rejection_reason, priced_at, metadata)
SELECT $2, vendor_id, conversion_event_type_id, transaction_id, $3::text, attribution_state, $4, currency, $5,
       commission_type, commission_value, partner_id, campaign_version_id, click_id, clicked_at, cookie_id,
       attribution_type, attribution_confidence, conversion_event_id, $6, $7,
       CASE WHEN $3::text = 'approved' THEN now() END, CASE WHEN $3::text = 'rejected' THEN now() END,
       CASE WHEN $3::text = 'rejected' THEN 'refund' END, now(), $8::jsonb
FROM conversion_events WHERE conversion_event_id = $1
ON CONFLICT DO NOTHING
RETURNING conversion_event_id;

-- name: reject_refunded
UPDATE conversion_events SET status = 'rejected', rejected_at = now(), rejection_reason = 'refund'
WHERE conversion_event_id = ANY($1::bigint[]) AND status IN ('pending', 'approved')
RETURNING conversion_event_id;

-- name: refuse_refunds
UPDATE refund_reports r SET state = 'refused', state_reason = $2
FROM conversion_events c
WHERE c.conversion_event_id = $1 AND r.conversion_id = c.conversion_id AND r.state = 'waiting';
