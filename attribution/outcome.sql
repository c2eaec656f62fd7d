-- What is told of a conversion: its outcome and the explanation of it. Read with whatever rights the caller has; the
-- database hides the rows of others.

-- name: outcomes
SELECT c.conversion_event_id, c.conversion_id::text, c.transaction_id, t.name AS event, c.attribution_state,
       c.state_reason, c.status, c.rejection_reason, c.event_value, c.currency, c.commission_amount, c.commission_type,
       c.commission_value, c.applied_commission_rule_id, c.campaign_version_id, c.attribution_type,
       c.attribution_confidence, c.is_held, c.hold_reason, c.matched_by, c.occurred_at, c.recorded_at, c.priced_at,
       c.approved_at, c.rejected_at, c.paid_at, c.reported_click_id, c.reported_cookie_id, c.coupon, c.terms::text,
       c.vendor_id, c.parent_conversion_event_id, c.adjusts_conversion_event_id, c.campaign_milestone_id
FROM conversion_events c JOIN conversion_event_types t USING (conversion_event_type_id)
WHERE c.conversion_event_id = ANY($1::bigint[]);

-- name: outcome_touches
SELECT t.conversion_event_id, t.attribution_type, t.touch_type, t.partner_id, t.campaign_version_id, t.click_id,
       t.occurred_at, t.touch_weight, t.touch_value, t.attribution_confidence, l.short_code
FROM unnest($1::bigint[], $2::timestamptz[]) AS wanted (conversion_event_id, converted_at)
CROSS JOIN LATERAL (
    SELECT * FROM touches
    WHERE conversion_event_id = wanted.conversion_event_id AND converted_at = wanted.converted_at AND NOT is_deleted
    OFFSET 0
) AS t
LEFT JOIN partner_links l ON l.partner_link_id = t.partner_link_id
ORDER BY t.conversion_event_id, t.attribution_type, t.occurred_at, t.click_id;

-- name: outcome_credits
SELECT conversion_event_id, partner_id, amount FROM conversion_credits
WHERE conversion_event_id = ANY($1::bigint[])
ORDER BY conversion_event_id, partner_id;

-- name: outcome_adjustments
SELECT adjusts_conversion_event_id, conversion_id::text, event_value, commission_amount, currency, status, occurred_at,
       adjustment_key, metadata::text
FROM conversion_events
WHERE adjusts_conversion_event_id = ANY($1::bigint[]) AND NOT is_deleted
ORDER BY adjusts_conversion_event_id, conversion_event_id;

-- name: names_of_links
SELECT partner_link_id, short_code FROM partner_links WHERE partner_link_id = ANY($1::int[]);

-- name: number_of
-- The number of a conversion from the id the vendor was told.
SELECT conversion_event_id FROM conversion_events WHERE conversion_id = $1;
