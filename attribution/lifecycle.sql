-- What becomes of attributed conversions: approval with its proof, rejection, milestones. One transaction each.

-- name: for_decision
SELECT c.conversion_event_id, c.status, c.attribution_state, c.is_held, c.hold_reason, c.attribution_confidence,
       c.occurred_at, c.commission_type, c.commission_amount, c.currency, c.event_value, c.partner_id,
       c.campaign_version_id, c.conversion_event_type_id, c.vendor_id, c.adjusts_conversion_event_id,
       c.campaign_milestone_id,
       c.occurred_at + coalesce((c.terms ->> 'hold_days')::int, 0) * interval '24 hours' > now() AS is_too_early
FROM conversion_events c
WHERE c.conversion_event_id = ANY($1::bigint[]) AND NOT c.is_deleted
ORDER BY c.conversion_event_id
FOR NO KEY UPDATE OF c;

-- name: claim_due
-- Conversions whose hold period has passed and that nothing keeps: approved without anybody looking.
SELECT c.conversion_event_id
FROM conversion_events c
WHERE c.status = 'pending' AND c.attribution_state = 'attributed' AND NOT c.is_held AND NOT c.is_deleted
  AND c.attribution_confidence <> 'low' AND c.commission_type IS NOT NULL
  AND (c.terms ->> 'hold_days')::int > 0
  AND c.occurred_at + (c.terms ->> 'hold_days')::int * interval '24 hours' <= now()
  AND NOT EXISTS (SELECT FROM reattributions r WHERE r.conversion_event_id = c.conversion_event_id)
  AND NOT EXISTS (SELECT FROM refund_reports r WHERE r.conversion_id = c.conversion_id AND r.state = 'waiting')
ORDER BY c.occurred_at
LIMIT $1
FOR NO KEY UPDATE OF c SKIP LOCKED;

-- name: adjustments_of
SELECT conversion_event_id FROM conversion_events
WHERE adjusts_conversion_event_id = ANY($1::bigint[]) AND status = ANY($2::text[]) AND NOT is_deleted
ORDER BY conversion_event_id
FOR NO KEY UPDATE;

-- name: approve
UPDATE conversion_events SET status = 'approved', approved_at = now(), is_held = false
WHERE conversion_event_id = ANY($1::bigint[]) AND status = 'pending';

-- name: reject
UPDATE conversion_events SET status = 'rejected', rejected_at = now(), rejection_reason = $2
WHERE conversion_event_id = ANY($1::bigint[]) AND status IN ('pending', 'approved');

-- name: lift_hold
UPDATE conversion_events SET is_held = false WHERE conversion_event_id = $1 AND is_held;

-- name: add_snapshots
-- One a conversion and partner: the partner's own credit, and every term that made it, in words and numbers.
INSERT INTO event_commission_snapshots (
    conversion_event_id, partner_id, campaign_version_id, commission_type, commission_value, commission_amount,
    currency, reward_id, commission_rule_id, terms)
SELECT c.conversion_event_id, r.partner_id, r.campaign_version_id,
       coalesce(t.terms -> 'partners' -> r.partner_id::text ->> 'type', c.commission_type),
       coalesce((t.terms -> 'partners' -> r.partner_id::text ->> 'value')::numeric, c.commission_value),
       r.amount, r.currency, c.reward_id, c.applied_commission_rule_id,
       jsonb_build_object(
           'event', e.name, 'event_value', c.event_value, 'commission_amount', c.commission_amount,
           'touches', r.touches, 'version', v.name, 'version_number', v.version_number, 'terms', t.terms,
           'weight', (SELECT sum(k.touch_weight) FROM touches k
                      WHERE k.conversion_event_id = c.conversion_event_id AND k.converted_at = c.occurred_at
                        AND k.attribution_type = c.attribution_type AND k.partner_id = r.partner_id
                        AND NOT k.is_deleted))
FROM conversion_events c
JOIN conversion_credits r USING (conversion_event_id)
JOIN conversion_event_types e USING (conversion_event_type_id)
JOIN campaign_versions v ON v.campaign_version_id = r.campaign_version_id
LEFT JOIN conversion_events root ON root.conversion_event_id = c.adjusts_conversion_event_id
CROSS JOIN LATERAL (SELECT coalesce(c.terms, root.terms, '{}') AS terms) AS t
WHERE c.conversion_event_id = ANY($1::bigint[])
ORDER BY c.conversion_event_id, r.partner_id
ON CONFLICT DO NOTHING;

-- name: note
INSERT INTO audit_logs (entity_type, entity_id, action, actor_type, actor_id, changes, reason)
SELECT 'conversion_events', entity_id, $2, $3, $4, $5::jsonb, $6
FROM unnest($1::bigint[]) AS noted (entity_id);

-- name: open_milestones
-- Milestones of a version for an event type that this partner was not paid yet.
SELECT m.campaign_milestone_id, m.event_type, m.target_count, r.reward_type, r.reward_value, m.reward_id, m.name
FROM campaign_milestones m JOIN rewards r USING (reward_id)
WHERE m.campaign_version_id = $1 AND m.event_type = $3 AND m.target_count IS NOT NULL AND NOT m.is_deleted
  AND NOT r.is_deleted AND r.reward_value IS NOT NULL
  AND NOT EXISTS (SELECT FROM conversion_events c
                  WHERE c.partner_id = $2 AND c.campaign_milestone_id = m.campaign_milestone_id);

-- name: has_milestones
SELECT DISTINCT m.campaign_version_id, t.conversion_event_type_id
FROM campaign_milestones m JOIN conversion_event_types t ON t.name = m.event_type
WHERE m.campaign_version_id = ANY($1::int[]) AND NOT m.is_deleted;

-- name: event_name
SELECT name FROM conversion_event_types WHERE conversion_event_type_id = $1;

-- name: count_towards
-- What was approved, and where the version says so what may still be.
SELECT count(*)::int FROM conversion_events c JOIN campaign_versions v USING (campaign_version_id)
WHERE c.partner_id = $2 AND c.campaign_version_id = $1 AND c.conversion_event_type_id = $3 AND NOT c.is_deleted
  AND c.adjusts_conversion_event_id IS NULL AND c.campaign_milestone_id IS NULL
  AND (c.status IN ('approved', 'paid')
       OR (v.is_pending_counted AND c.status = 'pending' AND c.attribution_state = 'attributed' AND NOT c.is_held));

-- name: counted_pending
-- Pending conversions that milestones count, in the order in which they happened.
SELECT c.conversion_event_id, c.adjusts_conversion_event_id, c.campaign_milestone_id, c.campaign_version_id,
       c.partner_id, c.conversion_event_type_id, c.currency, c.event_value
FROM conversion_events c
WHERE c.conversion_event_id = ANY($1::bigint[]) AND c.status = 'pending' AND c.attribution_state = 'attributed'
  AND NOT c.is_held
ORDER BY c.occurred_at, c.conversion_id;

-- name: add_milestone
INSERT INTO conversion_events (
    conversion_id, vendor_id, conversion_event_type_id, status, attribution_state, event_value, currency,
    commission_amount, commission_type, commission_value, partner_id, campaign_version_id, attribution_type,
    reward_id, campaign_milestone_id, occurred_at, approved_at, priced_at, metadata, terms)
SELECT $2, vendor_id, conversion_event_type_id, $8::text, 'attributed', 0, currency, $3, 'flat', $3, $4,
       campaign_version_id, attribution_type, $5, $6, now(), CASE $8::text WHEN 'approved' THEN now() END, now(),
       $7::jsonb, $7::jsonb || jsonb_build_object('hold_days', terms -> 'hold_days')
FROM conversion_events WHERE conversion_event_id = $1
ON CONFLICT DO NOTHING
RETURNING conversion_event_id, occurred_at, currency;
