-- The audit of the ledger's money. Every block answers one row: examined, violations, and up to five examples as text.

-- name: touches_sum_to_commission
-- For each decided conversion and each of the five models, the touches add up to the commission; who earned nothing has
-- no touches.
WITH sums AS (
    SELECT conversion_event_id, attribution_type, sum(touch_value) AS value, count(*) AS touches
    FROM touches
    WHERE NOT is_deleted
    GROUP BY 1, 2
), wanted AS (
    SELECT e.conversion_event_id, m.model, coalesce(e.commission_amount, 0) AS commission
    FROM conversion_events e
    CROSS JOIN unnest(ARRAY['first_click', 'last_click', 'linear', 'time_decay', 'position_based']) AS m (model)
    WHERE e.attribution_state = 'attributed' AND NOT e.is_deleted
), wrong AS (
    SELECT w.conversion_event_id, w.model, w.commission, s.value
    FROM wanted w LEFT JOIN sums s ON s.conversion_event_id = w.conversion_event_id AND s.attribution_type = w.model
    WHERE s.value IS DISTINCT FROM w.commission
    UNION ALL
    SELECT e.conversion_event_id, s.attribution_type, 0, s.value
    FROM sums s JOIN conversion_events e USING (conversion_event_id)
    WHERE e.attribution_state <> 'attributed' AND e.adjusts_conversion_event_id IS NULL
)
SELECT (SELECT count(*) FROM wanted) AS examined, (SELECT count(*) FROM wrong) AS violations,
       (SELECT array_agg('conversion ' || conversion_event_id || ' ' || model || ': ' || coalesce(value::text, 'no touches')
                         || ' of ' || commission)
        FROM (SELECT * FROM wrong ORDER BY 1, 2 LIMIT 5) AS few) AS examples;

-- name: touch_weights_sum_to_one
WITH sums AS (
    SELECT conversion_event_id, attribution_type, sum(touch_weight) AS weight
    FROM touches
    WHERE NOT is_deleted
    GROUP BY 1, 2
), wrong AS (
    SELECT * FROM sums WHERE weight <> 1
)
SELECT (SELECT count(*) FROM sums) AS examined, (SELECT count(*) FROM wrong) AS violations,
       (SELECT array_agg('conversion ' || conversion_event_id || ' ' || attribution_type || ': ' || weight)
        FROM (SELECT * FROM wrong ORDER BY 1, 2 LIMIT 5) AS few) AS examples;

-- name: credits_equal_touches
-- What is payable to a partner is the sum of its touches of the model that pays, in the conversion's currency.
WITH paying AS (
    SELECT t.conversion_event_id, t.partner_id, e.currency, sum(t.touch_value) AS value, sum(t.touch_weight) AS weight
    FROM touches t
    JOIN conversion_events e ON e.conversion_event_id = t.conversion_event_id AND e.attribution_type = t.attribution_type
    WHERE NOT t.is_deleted
    GROUP BY 1, 2, 3
), wrong AS (
    SELECT conversion_event_id, partner_id, paying.value, r.amount
    FROM paying FULL JOIN conversion_credits r USING (conversion_event_id, partner_id)
    WHERE (r.amount IS NULL AND paying.weight <> 0)
       OR (r.amount IS NOT NULL AND (paying.value, paying.currency) IS DISTINCT FROM (r.amount, r.currency))
)
SELECT (SELECT count(*) FROM conversion_credits) AS examined, (SELECT count(*) FROM wrong) AS violations,
       (SELECT array_agg('conversion ' || conversion_event_id || ' partner ' || partner_id || ': credit '
                         || coalesce(amount::text, 'none') || ', touches ' || coalesce(value::text, 'none'))
        FROM (SELECT * FROM wrong ORDER BY 1, 2 LIMIT 5) AS few) AS examples;

-- name: touches_have_conversions
-- A touch lives in its conversion's partition and names a partner and a version that are there.
WITH wrong AS (
    SELECT t.touch_id, t.conversion_event_id
    FROM touches t
    WHERE NOT t.is_deleted
      AND (NOT EXISTS (SELECT FROM conversion_events e WHERE e.conversion_event_id = t.conversion_event_id
                       AND e.occurred_at = t.converted_at)
           OR NOT EXISTS (SELECT FROM partners p WHERE p.partner_id = t.partner_id)
           OR NOT EXISTS (SELECT FROM campaign_versions v WHERE v.campaign_version_id = t.campaign_version_id))
)
SELECT (SELECT count(*) FROM touches WHERE NOT is_deleted) AS examined, (SELECT count(*) FROM wrong) AS violations,
       (SELECT array_agg('touch ' || touch_id || ' of conversion ' || conversion_event_id)
        FROM (SELECT * FROM wrong ORDER BY 1 LIMIT 5) AS few) AS examples;

-- name: touches_have_clicks
-- Each click that may earn is stored, valid, and that partner's. Clicks that retention has dropped are not missed, nor
-- those classed anew since.
WITH span AS (
    SELECT min(clicked_at) AS oldest FROM clicks
), referred AS (
    SELECT t.conversion_event_id, t.click_id, t.occurred_at, t.partner_id, t.campaign_version_id
    FROM touches t
    WHERE t.attribution_type = 'linear' AND t.click_id IS NOT NULL AND NOT t.is_deleted
), wrong AS (
    SELECT r.conversion_event_id, r.click_id
    FROM referred r
    CROSS JOIN span
    LEFT JOIN clicks c ON c.click_id = r.click_id AND c.clicked_at = r.occurred_at
    WHERE (span.oldest IS NULL OR r.occurred_at >= span.oldest)
      AND (c.click_id IS NULL
           OR (c.partner_id, c.campaign_version_id) IS DISTINCT FROM (r.partner_id, r.campaign_version_id))
)
SELECT (SELECT count(*) FROM referred) AS examined, (SELECT count(*) FROM wrong) AS violations,
       (SELECT array_agg('conversion ' || conversion_event_id || ' and click ' || click_id)
        FROM (SELECT * FROM wrong ORDER BY 1 LIMIT 5) AS few) AS examples;

-- name: adjustments_telescope
-- Refunds take back what was given and no more: the value left is what the newest adjustment says, and after a full one
-- every touch of every model is at exactly zero.
WITH newest AS (
    SELECT DISTINCT ON (adjusts_conversion_event_id) adjusts_conversion_event_id AS root,
           (metadata -> 'refund' ->> 'refunded')::numeric AS refunded,
           (metadata -> 'refund' ->> 'is_full')::boolean AS is_full
    FROM conversion_events
    WHERE adjusts_conversion_event_id IS NOT NULL AND NOT is_deleted
    ORDER BY adjusts_conversion_event_id, conversion_event_id DESC
), family AS (
    SELECT newest.root, newest.is_full, newest.refunded, e.conversion_event_id, e.event_value, e.commission_amount,
           e.occurred_at
    FROM newest
    JOIN conversion_events e ON e.conversion_event_id = newest.root OR e.adjusts_conversion_event_id = newest.root
    WHERE NOT e.is_deleted
), sums AS (
    SELECT root, bool_or(is_full) AS is_full, min(refunded) AS refunded,
           max(event_value) FILTER (WHERE conversion_event_id = root) AS value, sum(event_value) AS remaining,
           sum(coalesce(commission_amount, 0)) AS commission
    FROM family GROUP BY root
), held AS (
    SELECT family.root, t.attribution_type, t.click_id, sum(t.touch_value) AS value
    FROM family
    JOIN touches t ON t.conversion_event_id = family.conversion_event_id AND t.converted_at = family.occurred_at
    WHERE family.is_full AND NOT t.is_deleted
    GROUP BY 1, 2, 3
), wrong AS (
    SELECT root, 'value left is ' || remaining AS what FROM sums WHERE remaining <> value - refunded OR remaining < 0
    UNION ALL
    SELECT root, 'commission left is ' || commission FROM sums WHERE commission < 0 OR (is_full AND commission <> 0)
    UNION ALL
    SELECT root, attribution_type || ' holds ' || value FROM held WHERE value <> 0
)
SELECT (SELECT count(*) FROM sums) AS examined, (SELECT count(*) FROM wrong) AS violations,
       (SELECT array_agg('conversion ' || root || ': ' || what)
        FROM (SELECT * FROM wrong ORDER BY 1, 2 LIMIT 5) AS few) AS examples;

-- name: reports_exactly_once
-- Every refund report that was applied made one adjustment and no adjustment came from elsewhere; every repeated report
-- repeats a conversion that is there.
WITH adjustments AS (
    SELECT e.conversion_event_id, root.conversion_id, e.adjustment_key
    FROM conversion_events e JOIN conversion_events root ON root.conversion_event_id = e.adjusts_conversion_event_id
    WHERE NOT e.is_deleted
), applied AS (
    SELECT refund_report_id, conversion_id, refund_id FROM refund_reports WHERE state = 'applied'
), wrong AS (
    SELECT coalesce('refund report ' || a.refund_report_id, 'adjustment ' || j.conversion_event_id) AS what
    FROM applied a FULL JOIN adjustments j ON j.conversion_id = a.conversion_id AND j.adjustment_key = a.refund_id
    WHERE a.refund_report_id IS NULL OR j.conversion_event_id IS NULL
    UNION ALL
    SELECT 'report ' || conversion_report_id FROM conversion_reports r
    WHERE NOT EXISTS (SELECT FROM conversion_events e WHERE e.conversion_id = r.conversion_id)
)
SELECT (SELECT count(*) FROM applied) + (SELECT count(*) FROM conversion_reports) AS examined,
       (SELECT count(*) FROM wrong) AS violations,
       (SELECT array_agg(what) FROM (SELECT * FROM wrong ORDER BY 1 LIMIT 5) AS few) AS examples;

-- name: snapshots_prove_credits
-- Each credit of an approved or paid conversion has the proof taken at its approval, over the same amount.
WITH final AS (
    SELECT r.conversion_event_id, r.partner_id, r.amount, r.currency
    FROM conversion_credits r JOIN conversion_events e USING (conversion_event_id)
    WHERE e.status IN ('approved', 'paid') AND NOT e.is_deleted
), wrong AS (
    SELECT f.conversion_event_id, f.partner_id, f.amount, s.commission_amount
    FROM final f LEFT JOIN event_commission_snapshots s USING (conversion_event_id, partner_id)
    WHERE (s.commission_amount, s.currency) IS DISTINCT FROM (f.amount, f.currency)
)
SELECT (SELECT count(*) FROM final) AS examined, (SELECT count(*) FROM wrong) AS violations,
       (SELECT array_agg('conversion ' || conversion_event_id || ' partner ' || partner_id || ': credit ' || amount
                         || ', snapshot ' || coalesce(commission_amount::text, 'none'))
        FROM (SELECT * FROM wrong ORDER BY 1, 2 LIMIT 5) AS few) AS examples;

-- name: money_totals_equal_recount
-- Conversions, revenue and commission of each enrolment against a recount of all conversions.
WITH parts AS (
    SELECT c.campaign_version_id, c.partner_id,
           (c.adjusts_conversion_event_id IS NULL AND c.campaign_milestone_id IS NULL)::int AS conversions,
           CASE WHEN c.campaign_milestone_id IS NULL THEN coalesce(c.event_value, 0) ELSE 0 END AS revenue,
           0 AS commission
    FROM conversion_events c
    WHERE c.attribution_state = 'attributed' AND c.status <> 'rejected' AND NOT c.is_deleted
      AND c.commission_type IS NOT NULL
    UNION ALL
    SELECT r.campaign_version_id, r.partner_id, 0, 0, r.amount
    FROM conversion_credits r JOIN conversion_events c USING (conversion_event_id)
    WHERE c.status <> 'rejected' AND NOT c.is_deleted
), counted AS (
    SELECT campaign_version_id, partner_id, sum(conversions) AS conversions, sum(revenue) AS revenue,
           sum(commission) AS commission
    FROM parts GROUP BY 1, 2
), wrong AS (
    SELECT e.campaign_partner_id, e.total_conversions, e.total_revenue, e.total_commission_earned, c.conversions,
           c.revenue, c.commission
    FROM campaign_partners e LEFT JOIN counted c USING (campaign_version_id, partner_id)
    WHERE NOT e.is_deleted
      AND (e.total_conversions, e.total_revenue, e.total_commission_earned)
          IS DISTINCT FROM (coalesce(c.conversions, 0), coalesce(c.revenue, 0), coalesce(c.commission, 0))
)
SELECT (SELECT count(*) FROM campaign_partners WHERE NOT is_deleted) AS examined,
       (SELECT count(*) FROM wrong) AS violations,
       (SELECT array_agg('enrolment ' || campaign_partner_id || ' says ' || total_conversions || ', ' || total_revenue || ', '
                         || total_commission_earned || '; counted ' || coalesce(conversions, 0) || ', '
                         || coalesce(revenue, 0) || ', ' || coalesce(commission, 0))
        FROM (SELECT * FROM wrong ORDER BY 1 LIMIT 5) AS few) AS examples;

-- name: journeys_weigh_one
-- The weights of a journey's partners sum to 1, and one that converted says when.
WITH journeys AS (
    SELECT j.funnel_journey_id,
           (SELECT sum((one.value ->> 'weight')::numeric) FROM jsonb_each(j.attribution_map) AS one) AS weight
    FROM funnel_journeys j
    WHERE NOT j.is_deleted
), wrong AS (
    SELECT * FROM journeys WHERE weight IS DISTINCT FROM 1
)
SELECT (SELECT count(*) FROM journeys) AS examined, (SELECT count(*) FROM wrong) AS violations,
       (SELECT array_agg('journey ' || funnel_journey_id || ': ' || coalesce(weight::text, 'no partner'))
        FROM (SELECT * FROM wrong ORDER BY 1 LIMIT 5) AS few) AS examples;
