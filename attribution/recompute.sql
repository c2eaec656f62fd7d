-- Attributing a period again.

-- name: next_to_recompute
-- Decided conversions of the period that nobody has approved, in the order in which they happened, after the last one.
-- Those whose clicks retention has dropped keep their touches: nothing could be worked out from what is left.
SELECT conversion_event_id, occurred_at
FROM conversion_events c
WHERE occurred_at >= $1 AND occurred_at < $2 AND (occurred_at, conversion_event_id) > ($3::timestamptz, $4::bigint)
  AND attribution_state <> 'awaiting_click' AND status IN ('pending', 'rejected') AND NOT is_deleted
  AND adjusts_conversion_event_id IS NULL AND campaign_milestone_id IS NULL
  AND NOT EXISTS (
      SELECT FROM touches t
      WHERE t.conversion_event_id = c.conversion_event_id AND t.converted_at = c.occurred_at
        AND t.attribution_type = 'linear' AND NOT t.is_deleted AND t.click_id IS NOT NULL
        AND NOT EXISTS (SELECT FROM clicks k WHERE k.click_id = t.click_id AND k.clicked_at = t.occurred_at))
ORDER BY occurred_at, conversion_event_id
LIMIT $5;

-- name: count_final
-- Conversions of the period that stay as they are: approved and paid ones.
SELECT count(*)::int FROM conversion_events
WHERE occurred_at >= $1 AND occurred_at < $2 AND status IN ('approved', 'paid') AND NOT is_deleted
  AND adjusts_conversion_event_id IS NULL AND campaign_milestone_id IS NULL;

-- name: lock_to_recompute
-- Waits for an attributor that is at one of them: what it does comes first.
SELECT conversion_event_id FROM conversion_events WHERE conversion_event_id = ANY($1::bigint[])
ORDER BY conversion_event_id
FOR NO KEY UPDATE;

-- name: states
-- What a conversion comes to, in few words and one hash of every touch.
SELECT c.conversion_event_id, c.conversion_id::text AS conversion_id, c.transaction_id, c.attribution_state,
       c.state_reason, c.attribution_type, c.commission_amount::text AS commission, c.currency::text AS currency,
       (SELECT json_object_agg(r.partner_id, r.amount::text ORDER BY r.partner_id)::text FROM conversion_credits r
        WHERE r.conversion_event_id = c.conversion_event_id) AS credits,
       k.touches, k.digest
FROM conversion_events c
CROSS JOIN LATERAL (
    SELECT count(DISTINCT t.click_id)::int AS touches,
           md5(string_agg(concat_ws(' ', t.attribution_type, t.click_id, t.partner_id, t.touch_weight, t.touch_value),
                          ',' ORDER BY t.attribution_type, t.occurred_at, t.click_id)) AS digest
    FROM touches t
    WHERE t.conversion_event_id = c.conversion_event_id AND t.converted_at = c.occurred_at AND NOT t.is_deleted
) AS k
WHERE c.conversion_event_id = ANY($1::bigint[])
ORDER BY c.occurred_at, c.conversion_event_id;
