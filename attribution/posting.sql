-- What the ledger writes about a batch of conversions, set by set, in the batch's transaction. Parameters are arrays,
-- one a column. Rows of enrolments come last and in order of their numbers: the writer moves other totals of them.

-- name: retire_touches
UPDATE touches t SET is_deleted = true, deleted_at = now()
FROM unnest($1::bigint[], $2::timestamptz[]) AS old (conversion_event_id, converted_at)
WHERE t.conversion_event_id = old.conversion_event_id AND t.converted_at = old.converted_at AND NOT t.is_deleted;

-- name: retire_credits
DELETE FROM conversion_credits WHERE conversion_event_id = ANY($1::bigint[]);

-- name: add_credits
INSERT INTO conversion_credits (conversion_event_id, partner_id, campaign_version_id, amount, currency, touches)
SELECT * FROM unnest($1::bigint[], $2::int[], $3::int[], $4::numeric[], $5::text[], $6::int[]);

-- name: attribute
-- The decision on each conversion; those it changes nothing of are not touched. A hold somebody has lifted stays
-- lifted while its reason is the same.
UPDATE conversion_events c SET
    attribution_state = w.attribution_state, state_reason = w.state_reason, waits_until = NULL,
    commission_amount = w.commission_amount, commission_type = w.commission_type,
    commission_value = w.commission_value, partner_id = w.partner_id, campaign_version_id = w.campaign_version_id,
    click_id = w.click_id, clicked_at = w.clicked_at, cookie_id = w.cookie_id,
    attribution_type = w.attribution_type, attribution_confidence = w.confidence, matched_by = w.matched_by,
    reward_id = w.reward_id, applied_commission_rule_id = w.rule_id, lead_id = w.lead_id,
    parent_conversion_event_id = w.parent_id,
    is_held = w.hold_reason IS NOT NULL
              AND (c.priced_at IS NULL OR c.is_held OR c.hold_reason IS DISTINCT FROM w.hold_reason),
    hold_reason = w.hold_reason, priced_at = coalesce(c.priced_at, now()), terms = w.terms::jsonb,
    funnel_journey_id = coalesce(w.journey_id, c.funnel_journey_id)
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::numeric[], $5::text[], $6::numeric[], $7::int[], $8::int[],
            $9::bigint[], $10::timestamptz[], $11::uuid[], $12::text[], $13::text[], $14::text[], $15::int[],
            $16::int[], $17::bigint[], $18::bigint[], $19::text[], $20::text[], $21::bigint[])
    AS w (conversion_event_id, attribution_state, state_reason, commission_amount, commission_type, commission_value,
          partner_id, campaign_version_id, click_id, clicked_at, cookie_id, attribution_type, confidence, matched_by,
          reward_id, rule_id, lead_id, parent_id, hold_reason, terms, journey_id)
WHERE c.conversion_event_id = w.conversion_event_id
  AND (c.attribution_state, c.state_reason, c.commission_amount, c.commission_type, c.commission_value, c.partner_id,
       c.campaign_version_id, c.click_id, c.cookie_id, c.attribution_type, c.attribution_confidence, c.matched_by,
       c.reward_id, c.applied_commission_rule_id, c.lead_id, c.parent_conversion_event_id, c.hold_reason, c.terms)
      IS DISTINCT FROM
      (w.attribution_state, w.state_reason, w.commission_amount, w.commission_type, w.commission_value, w.partner_id,
       w.campaign_version_id, w.click_id, w.cookie_id, w.attribution_type, w.confidence, w.matched_by,
       w.reward_id, w.rule_id, w.lead_id, w.parent_id, w.hold_reason, w.terms::jsonb)
RETURNING c.conversion_event_id;

-- name: wait_on
UPDATE conversion_events SET waits_until = w.until, state_reason = w.reason
FROM unnest($1::bigint[], $2::timestamptz[], $3::text[]) AS w (conversion_event_id, until, reason)
WHERE conversion_events.conversion_event_id = w.conversion_event_id;

-- name: set_aside
UPDATE conversion_events SET attribution_state = 'set_aside', state_reason = $2, waits_until = NULL
WHERE conversion_event_id = $1 AND status NOT IN ('approved', 'paid');

-- name: readjust
UPDATE conversion_events c SET
    commission_amount = w.amount, partner_id = w.partner_id, campaign_version_id = w.campaign_version_id,
    attribution_type = w.attribution_type, attribution_state = w.attribution_state, click_id = w.click_id,
    clicked_at = w.clicked_at, commission_type = w.commission_type, commission_value = w.commission_value
FROM unnest($1::bigint[], $2::numeric[], $3::int[], $4::int[], $5::text[], $6::text[], $7::bigint[], $8::timestamptz[],
            $9::text[], $10::numeric[])
    AS w (conversion_event_id, amount, partner_id, campaign_version_id, attribution_type, attribution_state, click_id,
          clicked_at, commission_type, commission_value)
WHERE c.conversion_event_id = w.conversion_event_id;

-- name: totals_of
-- What conversions add to the totals of enrolments: sales count for their primary partner, commission for each
-- partner credited. Nothing rejected counts. Over all conversions this is the recount that totals must equal.
SELECT campaign_version_id, partner_id, sum(conversions)::bigint AS conversions, sum(revenue) AS revenue,
       sum(commission) AS commission, max(occurred_at) AS newest
FROM (
    SELECT c.campaign_version_id, c.partner_id,
           (c.adjusts_conversion_event_id IS NULL AND c.campaign_milestone_id IS NULL)::int AS conversions,
           CASE WHEN c.campaign_milestone_id IS NULL THEN coalesce(c.event_value, 0) ELSE 0 END AS revenue,
           0 AS commission, CASE WHEN c.adjusts_conversion_event_id IS NULL THEN c.occurred_at END AS occurred_at
    FROM conversion_events c
    WHERE c.conversion_event_id = ANY($1::bigint[]) AND c.attribution_state = 'attributed' AND c.status <> 'rejected'
      AND NOT c.is_deleted AND c.commission_type IS NOT NULL
    UNION ALL
    SELECT r.campaign_version_id, r.partner_id, 0, 0, r.amount, NULL
    FROM conversion_credits r JOIN conversion_events c USING (conversion_event_id)
    WHERE r.conversion_event_id = ANY($1::bigint[]) AND c.status <> 'rejected' AND NOT c.is_deleted
) AS parts
GROUP BY campaign_version_id, partner_id;

-- name: move_totals
WITH moved AS (
    SELECT * FROM unnest($1::int[], $2::int[], $3::bigint[], $4::numeric[], $5::numeric[], $6::timestamptz[])
        AS moved (campaign_version_id, partner_id, conversions, revenue, commission, newest)
), locked AS (
    SELECT e.campaign_partner_id, moved.conversions, moved.revenue, moved.commission, moved.newest
    FROM campaign_partners e JOIN moved USING (campaign_version_id, partner_id)
    WHERE NOT e.is_deleted
    ORDER BY e.campaign_partner_id
    FOR NO KEY UPDATE OF e
)
UPDATE campaign_partners e SET
    total_conversions = e.total_conversions + locked.conversions,
    total_revenue = e.total_revenue + locked.revenue,
    total_commission_earned = e.total_commission_earned + locked.commission,
    last_conversion_at = greatest(e.last_conversion_at, locked.newest)
FROM locked WHERE e.campaign_partner_id = locked.campaign_partner_id;

-- name: dependents
-- Conversions whose price or journey depends on these: renewals, later purchases of the same customer, later sales of
-- the same partner (with per_partner pricing: with a touch of that partner) in the same month of a tiered campaign, later ones of the same click where one click may have one.
-- Those of the same batch have met each other, but for renewals and upgrades, which copy what was stored before. Approved ones stay as they are.
-- OFFSET 0: whether the campaign is tiered is asked first. Otherwise the planner walks the partner's whole month for
-- every conversion: 11,000 rows each in a month of 20,000 sales.
SELECT d.conversion_event_id,
       min(CASE WHEN d.parent_transaction_id = c.transaction_id THEN 'parent' ELSE 'earlier_conversion' END) AS reason
FROM conversion_events c
CROSS JOIN LATERAL (
    SELECT * FROM conversion_events WHERE vendor_id = c.vendor_id AND parent_transaction_id = c.transaction_id
    UNION ALL
    SELECT * FROM conversion_events
    WHERE vendor_id = c.vendor_id AND customer_id = c.customer_id AND occurred_at >= c.occurred_at
    UNION ALL
    SELECT * FROM conversion_events
    WHERE vendor_id = c.vendor_id AND customer_email = c.customer_email AND occurred_at >= c.occurred_at
    UNION ALL
    SELECT l.*
    FROM campaign_versions v
    JOIN campaign_versions lv ON lv.campaign_id = v.campaign_id AND lv.default_commission_type = 'tiered'
    CROSS JOIN LATERAL (
        SELECT * FROM conversion_events
        WHERE partner_id = c.partner_id AND campaign_version_id = lv.campaign_version_id
          AND occurred_at >= c.occurred_at
          AND occurred_at < date_trunc('month', c.occurred_at, 'UTC') + interval '1 month'
        OFFSET 0
    ) AS l
    WHERE v.campaign_version_id = c.campaign_version_id
    UNION ALL
    SELECT l.*
    FROM campaign_versions v
    JOIN campaign_versions lv ON lv.campaign_id = v.campaign_id AND lv.default_commission_type = 'tiered'
        AND lv.pricing = 'per_partner'
    CROSS JOIN LATERAL (
        SELECT conversion_event_id FROM touches
        WHERE partner_id = c.partner_id AND campaign_version_id = lv.campaign_version_id
          AND converted_at >= c.occurred_at
          AND converted_at < date_trunc('month', c.occurred_at, 'UTC') + interval '1 month'
          AND attribution_type = 'first_click' AND NOT is_deleted
        OFFSET 0
    ) AS t
    JOIN conversion_events l ON l.conversion_event_id = t.conversion_event_id
    WHERE v.campaign_version_id = c.campaign_version_id
    UNION ALL
    SELECT s.*
    FROM conversion_event_types t JOIN conversion_events s ON s.click_id = c.click_id
        AND s.conversion_event_type_id = c.conversion_event_type_id AND s.occurred_at >= c.occurred_at
    WHERE t.conversion_event_type_id = c.conversion_event_type_id AND t.is_one_per_click
) AS d
JOIN conversion_event_types dt ON dt.conversion_event_type_id = d.conversion_event_type_id
WHERE c.conversion_event_id = ANY($1::bigint[]) AND d.conversion_event_id <> c.conversion_event_id
  AND (d.conversion_event_id <> ALL($1::bigint[]) OR dt.name = 'upgrade' OR d.parent_transaction_id = c.transaction_id)
  AND d.status NOT IN ('approved', 'paid') AND d.adjusts_conversion_event_id IS NULL
  AND d.campaign_milestone_id IS NULL
GROUP BY d.conversion_event_id;

-- name: add_outcomes
INSERT INTO outbox (topic, entity_id, payload)
SELECT 'outcome', entity_id, payload::jsonb FROM unnest($1::bigint[], $2::text[]) AS told (entity_id, payload);

-- name: audit_again
-- What an attribution changed, one row a conversion.
INSERT INTO audit_logs (entity_type, entity_id, action, actor_type, changes, reason)
SELECT 'conversion_events', entity_id, $3, 'system', changes::jsonb, $4
FROM unnest($1::bigint[], $2::text[]) AS changed (entity_id, changes);

-- name: ensure_partitions
-- On its own: the partition of touches of that month.
SELECT ensure_month_partitions('touches', $1::timestamptz, $1::timestamptz);

-- name: convert_leads
UPDATE leads SET status = 'converted'
WHERE lead_id = ANY($1::bigint[]) AND status IN ('new', 'contacted', 'qualified');
