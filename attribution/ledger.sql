-- The ledger's SQL: what a batch of conversions is decided from, and what is written. Everything runs inside the one
-- transaction of a batch unless its comment says otherwise.

-- name: begin_batch
-- As in the writer: every look-up is a probe of an index, and who hangs must not stop the others for ever.
SELECT set_config('lock_timeout', '20s', true), set_config('idle_in_transaction_session_timeout', '60s', true),
       set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
       set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
       set_config('jit', 'off', true);

-- name: claim_settled
-- Conversions whose every earlier click is stored: the watermark of all shards has passed them.
SELECT c.conversion_event_id
FROM conversion_events c
WHERE c.attribution_state = 'awaiting_click' AND c.waits_until IS NULL AND NOT c.is_deleted
  AND c.adjusts_conversion_event_id IS NULL AND c.campaign_milestone_id IS NULL
  AND c.occurred_at <= (SELECT min(stored_through) FROM writer_watermarks WHERE shard < $1 HAVING count(*) = $1)
ORDER BY c.recorded_at
LIMIT $2
FOR NO KEY UPDATE SKIP LOCKED;

-- name: claim_waiting
-- Conversions that wait for the click or the first sale they name, and have it now or have waited long enough.
SELECT c.conversion_event_id
FROM conversion_events c
WHERE c.attribution_state = 'awaiting_click' AND c.waits_until IS NOT NULL AND NOT c.is_deleted
  AND (c.waits_until <= now()
       OR EXISTS (SELECT FROM clicks k
                  WHERE k.click_id = c.reported_click_id
                    AND k.clicked_at = timestamptz 'epoch' + (c.reported_click_id >> 21) * interval '1 millisecond')
       OR EXISTS (SELECT FROM conversion_events p
                  WHERE p.vendor_id = c.vendor_id AND p.transaction_id = c.parent_transaction_id
                    AND p.attribution_state IN ('attributed', 'unattributed')))
ORDER BY c.recorded_at
LIMIT $1
FOR NO KEY UPDATE SKIP LOCKED;

-- name: claim_again
-- The oldest requests to attribute again, of conversions nobody else is at, with the numbers of the requests.
WITH asked AS (
    SELECT conversion_event_id, array_agg(reattribution_id) AS requests
    FROM (SELECT * FROM reattributions ORDER BY reattribution_id LIMIT $1) AS oldest
    GROUP BY conversion_event_id
)
SELECT c.conversion_event_id, asked.requests
FROM asked JOIN conversion_events c USING (conversion_event_id)
ORDER BY c.conversion_event_id
FOR NO KEY UPDATE OF c SKIP LOCKED;

-- name: forget_again
DELETE FROM reattributions WHERE reattribution_id = ANY($1::bigint[]);

-- name: ask_again
INSERT INTO reattributions (conversion_event_id, reason)
SELECT DISTINCT conversion_event_id, $2 FROM unnest($1::bigint[]) AS asked (conversion_event_id);

-- name: link_customers
-- Customers and the cookies of the clicks they reported, as the writer links them to the cookies they report.
INSERT INTO customer_links (vendor_id, customer_hash, cookie_id, linked_at)
SELECT vendor_id, customer_hash, cookie_id, min(linked_at)
FROM unnest($1::int[], $2::text[], $3::uuid[], $4::timestamptz[])
    AS seen (vendor_id, customer_hash, cookie_id, linked_at)
WHERE NOT EXISTS (SELECT FROM customer_links known
                  WHERE known.vendor_id = seen.vendor_id AND known.customer_hash = seen.customer_hash
                    AND known.cookie_id = seen.cookie_id AND known.linked_at <= seen.linked_at)
GROUP BY vendor_id, customer_hash, cookie_id
ORDER BY vendor_id, customer_hash, cookie_id
ON CONFLICT (vendor_id, customer_hash, cookie_id) DO UPDATE SET linked_at = EXCLUDED.linked_at
WHERE customer_links.linked_at > EXCLUDED.linked_at;

-- name: backlog
-- On its own: conversions that wait to be attributed, and those to be attributed again.
SELECT (SELECT count(*) FROM conversion_events WHERE attribution_state = 'awaiting_click' AND NOT is_deleted)::int
         AS waiting,
       (SELECT count(*) FROM reattributions)::int AS again;

-- name: lock_conversions
-- The same conversions again after a failure, those that nobody else has taken meanwhile.
SELECT conversion_event_id FROM conversion_events WHERE conversion_event_id = ANY($1::bigint[])
ORDER BY conversion_event_id
FOR NO KEY UPDATE SKIP LOCKED;

-- name: conversions
SELECT c.conversion_event_id, c.conversion_id, c.vendor_id, c.conversion_event_type_id, t.name AS event,
       t.is_commissionable, t.is_one_per_click, t.default_commission_type AS event_commission_type,
       t.default_commission_value AS event_commission_value, c.transaction_id, c.status, c.rejection_reason,
       c.attribution_state, c.event_value, c.currency, c.reported_click_id, c.reported_cookie_id,
       c.reported_confidence, c.customer_id, c.customer_email, c.coupon, c.parent_transaction_id, c.visitor_hashes,
       c.metadata, c.occurred_at, c.recorded_at, c.priced_at, c.terms, c.is_awaited, c.waits_until, c.is_held,
       c.hold_reason, c.funnel_journey_id,
       EXISTS (SELECT FROM conversion_events a
               WHERE a.adjusts_conversion_event_id = c.conversion_event_id AND a.status IN ('approved', 'paid'))
           AS has_final_adjustment
FROM conversion_events c JOIN conversion_event_types t USING (conversion_event_type_id)
WHERE c.conversion_event_id = ANY($1::bigint[])
ORDER BY c.occurred_at, c.conversion_id;

-- name: months_of
SELECT DISTINCT date_trunc('month', occurred_at, 'UTC') AS month
FROM conversion_events WHERE conversion_event_id = ANY($1::bigint[]);

-- name: longest_windows
-- For each vendor the longest window of any of its versions: no older click can matter.
SELECT c.vendor_id, max(v.cookie_duration_days)::int AS window_days
FROM campaigns c JOIN campaign_versions v USING (campaign_id)
WHERE c.vendor_id = ANY($1::int[])
GROUP BY c.vendor_id;

-- name: clicks_by_id
SELECT wanted.place, k.click_id, k.clicked_at, k.partner_link_id, k.partner_id, k.campaign_version_id, k.click_class,
       k.is_deleted, k.cookie_id
FROM unnest($1::int[], $2::bigint[], $3::timestamptz[]) AS wanted (place, click_id, clicked_at)
CROSS JOIN LATERAL (
    SELECT * FROM clicks
    WHERE click_id = wanted.click_id AND clicked_at = wanted.clicked_at
      AND clicked_at >= $4::timestamptz AND clicked_at <= $5::timestamptz
    OFFSET 0
) AS k;

-- name: linked_cookies
-- The other cookies of customers, but for those that many customers use: a shared device says nothing of anybody.
SELECT wanted.place, l.cookie_id
FROM unnest($1::int[], $2::int[], $3::text[], $4::timestamptz[]) AS wanted (place, vendor_id, customer_hash, at)
CROSS JOIN LATERAL (
    SELECT cookie_id FROM customer_links
    WHERE vendor_id = wanted.vendor_id AND customer_hash = wanted.customer_hash AND linked_at <= wanted.at
    ORDER BY linked_at DESC, cookie_id LIMIT $5
) AS l
WHERE (SELECT count(*) FROM (
           SELECT FROM customer_links s WHERE s.cookie_id = l.cookie_id AND s.vendor_id = wanted.vendor_id
           LIMIT $6 + 1) AS seen) <= $6;

-- name: clicks_of_cookies
-- Clicks that may earn, by cookie, newest first where there are more than $7 of them. Expressions keep the planner on
-- the cookie's index while a new partition has no statistics: the partial index of valid clicks would look tiny to it,
-- and a plain ORDER BY … LIMIT would have it walk the primary key backwards. Measured: 0.2 s became 49 s.
SELECT wanted.place, k.click_id, k.partner_link_id, k.partner_id, k.campaign_version_id
FROM unnest($1::int[], $2::uuid[], $3::timestamptz[], $4::timestamptz[]) AS wanted (place, cookie_id, from_at, to_at)
CROSS JOIN LATERAL (
    SELECT click_id, partner_link_id, partner_id, campaign_version_id FROM clicks
    WHERE cookie_id = wanted.cookie_id AND clicked_at >= wanted.from_at AND clicked_at <= wanted.to_at
      AND click_class || '' = 'valid' AND partner_id IS NOT NULL AND campaign_version_id IS NOT NULL AND NOT is_deleted
      AND clicked_at >= $5::timestamptz AND clicked_at <= $6::timestamptz
    ORDER BY click_id + 0 DESC LIMIT $7
) AS k;

-- name: every_click_of_cookies
-- The same with the clicks that may not earn: for explaining.
SELECT wanted.place, k.click_id, k.partner_link_id, k.partner_id, k.campaign_version_id, k.click_class, k.is_deleted
FROM unnest($1::int[], $2::uuid[], $3::timestamptz[], $4::timestamptz[]) AS wanted (place, cookie_id, from_at, to_at)
CROSS JOIN LATERAL (
    SELECT * FROM clicks
    WHERE cookie_id = wanted.cookie_id AND clicked_at >= wanted.from_at AND clicked_at <= wanted.to_at
      AND clicked_at >= $5::timestamptz AND clicked_at <= $6::timestamptz
    ORDER BY click_id + 0 DESC LIMIT $7
) AS k;

-- name: clicks_of_visitors
-- Clicks of the same address and browser in the day before, through the vendor's own links.
SELECT wanted.place, k.click_id, k.partner_link_id, k.partner_id, k.campaign_version_id, k.cookie_id, k.visitor_hash
FROM unnest($1::int[], $2::int[], $3::bigint[], $4::timestamptz[]) AS wanted (place, vendor_id, visitor_hash, at)
JOIN campaigns c ON c.vendor_id = wanted.vendor_id
JOIN campaign_versions v ON v.campaign_id = c.campaign_id
JOIN campaign_partners e ON e.campaign_version_id = v.campaign_version_id
JOIN partner_links l ON l.campaign_partner_id = e.campaign_partner_id
CROSS JOIN LATERAL (
    SELECT * FROM clicks
    WHERE partner_link_id = l.partner_link_id AND visitor_hash = wanted.visitor_hash AND click_class = 'valid'
      AND clicked_at >= wanted.at - interval '24 hours' AND clicked_at <= wanted.at
      AND clicked_at >= $5::timestamptz AND clicked_at <= $6::timestamptz
    ORDER BY click_id + 0 DESC LIMIT $7
) AS k;

-- name: coupons
-- Every partner that owned a coupon at that moment, as the rows stood when the conversion was priced.
SELECT wanted.place, p.partner_id, p.campaign_version_id
FROM unnest($1::int[], $2::int[], $3::text[], $4::timestamptz[], $5::timestamptz[])
    AS wanted (place, vendor_id, code, at, known_at)
CROSS JOIN LATERAL (
    SELECT partner_id, campaign_version_id FROM partner_coupons
    WHERE vendor_id = wanted.vendor_id AND code = lower(btrim(wanted.code))
      AND valid_from <= wanted.at AND (valid_until IS NULL OR wanted.at < valid_until)
      AND created_at <= wanted.known_at AND (NOT is_deleted OR deleted_at > wanted.known_at)
    LIMIT 2
) AS p;

-- name: parents
-- The first sale of each renewal: the one it names, or, for an upgrade, the first the customer made.
SELECT wanted.place, p.*
FROM unnest($1::int[], $2::int[], $3::text[], $4::text[], $5::timestamptz[], $6::uuid[])
    AS wanted (place, vendor_id, transaction_id, customer_id, at, conversion_id)
CROSS JOIN LATERAL (
    (SELECT conversion_event_id, occurred_at, attribution_state, attribution_type, terms, campaign_version_id
     FROM conversion_events
     WHERE vendor_id = wanted.vendor_id AND transaction_id = wanted.transaction_id
       AND adjusts_conversion_event_id IS NULL AND NOT is_deleted AND conversion_id <> wanted.conversion_id
     ORDER BY occurred_at + interval '0', conversion_id LIMIT 1)
    UNION ALL
    (SELECT conversion_event_id, occurred_at, attribution_state, attribution_type, terms, campaign_version_id
     FROM conversion_events
     WHERE wanted.transaction_id IS NULL AND vendor_id = wanted.vendor_id AND customer_id = wanted.customer_id
       AND attribution_state = 'attributed' AND adjusts_conversion_event_id IS NULL AND campaign_milestone_id IS NULL
       AND NOT is_deleted AND event_value > 0 AND occurred_at < wanted.at
     ORDER BY occurred_at + interval '0', conversion_id LIMIT 1)
) AS p;

-- name: live_touches
-- The journey of conversions: one model's rows have every touch.
SELECT wanted.conversion_event_id, t.occurred_at, t.click_id, t.partner_id, t.campaign_version_id, t.partner_link_id,
       t.cookie_id, t.attribution_confidence, t.attribution_type, t.touch_type, t.touch_weight, t.touch_value, t.lead_id
FROM unnest($1::bigint[], $2::timestamptz[]) AS wanted (conversion_event_id, converted_at)
CROSS JOIN LATERAL (
    SELECT * FROM touches
    WHERE conversion_event_id = wanted.conversion_event_id AND converted_at = wanted.converted_at AND NOT is_deleted
      AND ($3::text IS NULL OR attribution_type = $3)
    OFFSET 0
) AS t
ORDER BY wanted.conversion_event_id, t.attribution_type, t.occurred_at, t.click_id;

-- name: versions
SELECT v.campaign_version_id, v.campaign_id, c.vendor_id, v.version_number, v.name, v.default_commission_type,
       v.default_commission_value, v.cookie_duration_days, v.attribution_model, v.half_life_days, v.pricing,
       v.rule_mode, v.is_rules_on_overrides, v.hold_days, v.flat_refund, v.is_coupon_wins, v.rebill_months_max,
       v.is_upgrade_reattributed, v.is_pending_counted, v.is_held_after_end, v.created_at
FROM campaign_versions v JOIN campaigns c USING (campaign_id)
WHERE v.campaign_version_id = ANY($1::int[]);

-- name: tiers
SELECT campaign_tier_id, campaign_version_id, label, min_amount, reward_type, reward_value, reward_id, created_at,
       is_deleted, deleted_at
FROM campaign_tiers WHERE campaign_version_id = ANY($1::int[])
ORDER BY campaign_tier_id;

-- name: partner_tier_rates
SELECT partner_tier_rate_id, campaign_version_id, partner_tier, commission_type, commission_value, created_at,
       is_deleted, deleted_at
FROM partner_tier_rates WHERE campaign_version_id = ANY($1::int[])
ORDER BY partner_tier_rate_id;

-- name: rules
SELECT commission_rule_id, campaign_version_id, name, active, deactivated_at, conditions, actions, valid_from,
       valid_until, created_at, is_deleted, deleted_at
FROM commission_rules WHERE campaign_version_id = ANY($1::int[]) OR campaign_version_id IS NULL
ORDER BY commission_rule_id;

-- name: overrides
SELECT o.partner_campaign_override_id, o.partner_id, o.campaign_version_id, o.conversion_event_type_id,
       o.commission_type, o.commission_value, o.valid_from, o.valid_until, o.created_at, o.is_deleted, o.deleted_at
FROM unnest($1::int[], $2::int[]) AS wanted (campaign_version_id, partner_id)
JOIN partner_campaign_overrides o USING (campaign_version_id, partner_id)
ORDER BY o.partner_campaign_override_id;

-- name: standings
-- Whether partners may earn in campaigns, and since when not.
SELECT wanted.campaign_id, wanted.partner_id, p.tier, p.status AS partner_status,
       p.status_changed_at AS partner_changed_at, p.is_deleted AS is_partner_deleted, p.deleted_at AS partner_deleted_at,
       c.status AS campaign_status, c.status_changed_at AS campaign_changed_at,
       c.is_deleted AS is_campaign_deleted, c.deleted_at AS campaign_deleted_at,
       e.status AS enrolment_status, e.removed_at, e.rejected_at, e.is_deleted AS is_enrolment_deleted,
       e.deleted_at AS enrolment_deleted_at, e.updated_at AS enrolment_changed_at
FROM unnest($1::int[], $2::int[]) AS wanted (campaign_id, partner_id)
JOIN partners p ON p.partner_id = wanted.partner_id
JOIN campaigns c ON c.campaign_id = wanted.campaign_id
LEFT JOIN LATERAL (
    SELECT e.* FROM campaign_partners e JOIN campaign_versions v USING (campaign_version_id)
    WHERE v.campaign_id = wanted.campaign_id AND e.partner_id = wanted.partner_id
    ORDER BY e.is_deleted, e.campaign_version_id DESC LIMIT 1
) AS e ON true;

-- name: customer_history
-- What customers had bought before: how much in the same currency, and how often at all.
SELECT wanted.place, coalesce(sum(b.event_value) FILTER (WHERE b.currency = wanted.currency), 0) AS value,
       count(b.conversion_id)::int AS purchases
FROM unnest($1::int[], $2::int[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::uuid[])
    AS wanted (place, vendor_id, customer_id, customer_email, currency, at, conversion_id)
LEFT JOIN LATERAL (
    SELECT event_value, currency, conversion_id FROM conversion_events
    WHERE vendor_id = wanted.vendor_id AND customer_id = wanted.customer_id
      AND (occurred_at, conversion_id) < (wanted.at, wanted.conversion_id) AND event_value > 0
      AND status <> 'rejected' AND NOT is_deleted AND adjusts_conversion_event_id IS NULL
      AND campaign_milestone_id IS NULL
    UNION ALL
    SELECT event_value, currency, conversion_id FROM conversion_events
    WHERE wanted.customer_id IS NULL AND vendor_id = wanted.vendor_id AND customer_email = wanted.customer_email
      AND (occurred_at, conversion_id) < (wanted.at, wanted.conversion_id) AND event_value > 0
      AND status <> 'rejected' AND NOT is_deleted AND adjusts_conversion_event_id IS NULL
      AND campaign_milestone_id IS NULL
) AS b ON true
GROUP BY wanted.place;

-- name: lock_keys
-- In one order, whoever asks. Held until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended(key, 0))
FROM (SELECT DISTINCT key FROM unnest($1::text[]) AS wanted (key) ORDER BY key) AS sorted;

-- name: try_keys
-- Those of the keys that nobody else holds, without waiting.
SELECT key FROM (SELECT DISTINCT key FROM unnest($1::text[]) AS wanted (key)) AS distinct_keys
WHERE pg_try_advisory_xact_lock(hashtextextended(key, 0));

-- name: revenue_before
-- What partners sold in a campaign from the start of a period to a moment, apart from the conversions of this batch.
SELECT wanted.place, coalesce(sum(c.event_value), 0) AS value
FROM unnest($1::int[], $2::int[], $3::int[], $4::text[], $5::timestamptz[], $6::timestamptz[])
    AS wanted (place, partner_id, campaign_id, currency, from_at, to_at)
JOIN conversion_events c ON c.partner_id = wanted.partner_id
    AND c.occurred_at >= wanted.from_at AND c.occurred_at < wanted.to_at
    AND c.currency = wanted.currency AND c.status <> 'rejected' AND NOT c.is_deleted
    AND c.adjusts_conversion_event_id IS NULL AND c.campaign_milestone_id IS NULL
    AND c.conversion_event_id <> ALL($7::bigint[])
JOIN campaign_versions v ON v.campaign_version_id = c.campaign_version_id AND v.campaign_id = wanted.campaign_id
GROUP BY wanted.place;

-- name: revenue_between
-- The same sale by sale, for the time between the first and the last conversion of the batch.
SELECT wanted.place, c.occurred_at, c.conversion_id, c.event_value
FROM unnest($1::int[], $2::int[], $3::int[], $4::text[], $5::timestamptz[], $6::timestamptz[])
    AS wanted (place, partner_id, campaign_id, currency, from_at, to_at)
JOIN conversion_events c ON c.partner_id = wanted.partner_id
    AND c.occurred_at >= wanted.from_at AND c.occurred_at <= wanted.to_at
    AND c.currency = wanted.currency AND c.status <> 'rejected' AND NOT c.is_deleted
    AND c.adjusts_conversion_event_id IS NULL AND c.campaign_milestone_id IS NULL
    AND c.conversion_event_id <> ALL($7::bigint[])
JOIN campaign_versions v ON v.campaign_version_id = c.campaign_version_id AND v.campaign_id = wanted.campaign_id;

-- name: used_clicks
-- Earlier conversions of the same type and last click, for types of which one click may have only one.
SELECT wanted.place
FROM unnest($1::int[], $2::int[], $3::bigint[], $4::timestamptz[], $5::uuid[])
    AS wanted (place, event_type_id, click_id, at, conversion_id)
WHERE EXISTS (SELECT FROM conversion_events c
              WHERE c.click_id = wanted.click_id AND c.conversion_event_type_id = wanted.event_type_id
                AND c.attribution_state = 'attributed' AND NOT c.is_deleted
                AND c.adjusts_conversion_event_id IS NULL AND c.campaign_milestone_id IS NULL
                AND (c.occurred_at, c.conversion_id) < (wanted.at, wanted.conversion_id)
                AND c.conversion_event_id <> ALL($6::bigint[]));

-- name: leads_of_customers
SELECT wanted.place, l.lead_id
FROM unnest($1::int[], $2::int[], $3::text[], $4::text[]) AS wanted (place, vendor_id, customer_id, email)
CROSS JOIN LATERAL (
    (SELECT lead_id FROM leads
     WHERE vendor_id = wanted.vendor_id AND customer_id = wanted.customer_id AND NOT is_deleted
     ORDER BY lead_id + 0 LIMIT 1)
    UNION ALL
    (SELECT lead_id FROM leads
     WHERE wanted.email IS NOT NULL AND vendor_id = wanted.vendor_id AND email = wanted.email AND NOT is_deleted
     ORDER BY lead_id + 0 LIMIT 1)
    LIMIT 1
) AS l;

-- name: sort_orders
-- How deep in the funnel each event type is.
SELECT conversion_event_type_id, sort_order FROM conversion_event_types;

-- name: transaction_time
SELECT now();
