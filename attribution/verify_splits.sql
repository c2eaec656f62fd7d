-- Conversions with their stored split, to be worked out again in Python.

-- name: splits
-- One row a conversion and model, its touches as arrays in journey order: through a cursor, however many there are.
SELECT c.conversion_event_id, c.currency::text AS currency, c.commission_amount, c.attribution_type AS paying,
       c.terms::text AS terms, t.attribution_type, t.moments, t.click_ids, t.partner_ids, t.weights, t.amounts
FROM conversion_events c
CROSS JOIN LATERAL (
    SELECT attribution_type, array_agg(occurred_at ORDER BY occurred_at, click_id) AS moments,
           array_agg(click_id ORDER BY occurred_at, click_id) AS click_ids,
           array_agg(partner_id ORDER BY occurred_at, click_id) AS partner_ids,
           array_agg(touch_weight ORDER BY occurred_at, click_id) AS weights,
           array_agg(touch_value ORDER BY occurred_at, click_id) AS amounts
    FROM touches
    WHERE conversion_event_id = c.conversion_event_id AND converted_at = c.occurred_at AND NOT is_deleted
    GROUP BY attribution_type
) AS t
WHERE c.attribution_state = 'attributed' AND NOT c.is_deleted AND c.adjusts_conversion_event_id IS NULL
  AND c.campaign_milestone_id IS NULL AND c.terms IS NOT NULL
ORDER BY c.conversion_event_id;
