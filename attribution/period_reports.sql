-- Reports over a period of conversions, by occurred_at, half-open. Run in the caller's tenancy.

-- name: credit_totals
-- What was sold and earned, by currency: adjustments count, bonuses are no sales, nothing rejected counts.
SELECT e.currency::text AS currency,
       count(*) FILTER (WHERE e.adjusts_conversion_event_id IS NULL AND e.campaign_milestone_id IS NULL)::int
           AS conversions,
       coalesce(sum(e.event_value) FILTER (WHERE e.campaign_milestone_id IS NULL), 0) AS revenue
FROM conversion_events e
WHERE e.occurred_at >= $1 AND e.occurred_at < $2 AND ($3::text IS NULL OR e.currency = $3)
  AND e.attribution_state = 'attributed' AND e.status <> 'rejected' AND e.commission_type IS NOT NULL
  AND NOT e.is_deleted
GROUP BY e.currency
ORDER BY e.currency;

-- name: credit_by_model
-- The credit of each partner, campaign or link ($4) under every model, and under the one that pays.
SELECT sums.id, sums.currency, sums.attribution_type, sums.touches, sums.credit, sums.payable,
       CASE $4::text
           WHEN 'partner' THEN (SELECT name FROM partners WHERE partner_id = sums.id)
           WHEN 'campaign' THEN (SELECT v.name FROM campaigns c JOIN campaign_versions v
                                     ON v.campaign_version_id = c.current_campaign_version_id
                                 WHERE c.campaign_id = sums.id)
           ELSE (SELECT short_code FROM partner_links WHERE partner_link_id = sums.id) END AS name
FROM (
    SELECT CASE $4::text WHEN 'partner' THEN t.partner_id WHEN 'campaign' THEN v.campaign_id
               ELSE t.partner_link_id END AS id,
           e.currency::text AS currency, t.attribution_type,
           count(*) FILTER (WHERE e.adjusts_conversion_event_id IS NULL)::int AS touches,
           sum(t.touch_value) AS credit,
           coalesce(sum(t.touch_value) FILTER (WHERE t.attribution_type = e.attribution_type), 0) AS payable
    FROM conversion_events e
    JOIN touches t ON t.conversion_event_id = e.conversion_event_id AND t.converted_at = e.occurred_at
    LEFT JOIN campaign_versions v ON v.campaign_version_id = t.campaign_version_id
    WHERE e.occurred_at >= $1 AND e.occurred_at < $2 AND ($3::text IS NULL OR e.currency = $3)
      AND e.attribution_state = 'attributed' AND e.status <> 'rejected' AND e.commission_type IS NOT NULL
      AND NOT e.is_deleted
      AND t.converted_at >= $1 AND t.converted_at < $2 AND NOT t.is_deleted
    GROUP BY 1, 2, 3
) AS sums
ORDER BY sums.currency, sums.id;

-- name: journeys_sold
-- The journeys behind these credits, touch by touch, for models that are not stored.
SELECT e.conversion_event_id, e.currency::text AS currency, e.commission_amount, t.occurred_at, t.click_id, t.partner_id,
       t.partner_link_id, v.campaign_id, l.click_id AS lead_click_id, l.created_at AS lead_at
FROM conversion_events e
JOIN touches t ON t.conversion_event_id = e.conversion_event_id AND t.converted_at = e.occurred_at
    AND t.attribution_type = 'linear'
LEFT JOIN campaign_versions v ON v.campaign_version_id = t.campaign_version_id
LEFT JOIN leads l ON l.lead_id = e.lead_id
WHERE e.occurred_at >= $1 AND e.occurred_at < $2 AND ($3::text IS NULL OR e.currency = $3)
  AND e.attribution_state = 'attributed' AND e.status <> 'rejected' AND e.commission_type IS NOT NULL
  AND NOT e.is_deleted
  AND t.converted_at >= $1 AND t.converted_at < $2 AND NOT t.is_deleted
ORDER BY e.conversion_event_id, t.occurred_at, t.click_id;

-- name: transitions
-- From which partner to which, and to a purchase or none. A journey is that of an attributed conversion, or the clicks
-- in the period of a cookie that led to none of the same vendor's. Counting them here keeps memory flat.
WITH converted AS (
    SELECT e.vendor_id, e.conversion_event_id, t.partner_id, t.occurred_at, t.click_id, t.cookie_id
    FROM conversion_events e
    JOIN touches t ON t.conversion_event_id = e.conversion_event_id AND t.converted_at = e.occurred_at
        AND t.attribution_type = 'linear'
    WHERE e.occurred_at >= $1 AND e.occurred_at < $2 AND e.attribution_state = 'attributed' AND e.status <> 'rejected'
      AND e.commission_type IS NOT NULL AND e.adjusts_conversion_event_id IS NULL AND e.campaign_milestone_id IS NULL
      AND NOT e.is_deleted
      AND t.converted_at >= $1 AND t.converted_at < $2 AND NOT t.is_deleted
      AND ($3::int IS NULL OR e.campaign_version_id IN (SELECT campaign_version_id FROM campaign_versions
                                                         WHERE campaign_id = $3))
), buyers AS (
    SELECT DISTINCT vendor_id, cookie_id FROM converted WHERE cookie_id IS NOT NULL
), lost AS (
    SELECT c.vendor_id, k.cookie_id, k.partner_id, k.clicked_at, k.click_id
    FROM clicks k
    JOIN campaign_versions v USING (campaign_version_id)
    JOIN campaigns c USING (campaign_id)
    WHERE k.clicked_at >= $1 AND k.clicked_at < $2 AND k.click_class = 'valid' AND NOT k.is_deleted
      AND k.partner_id IS NOT NULL AND k.cookie_id IS NOT NULL AND ($3::int IS NULL OR v.campaign_id = $3)
      AND (c.vendor_id, k.cookie_id) NOT IN (SELECT vendor_id, cookie_id FROM buyers)
), steps AS (
    SELECT true AS is_converted, partner_id, lag(partner_id) OVER journey AS before,
           lead(partner_id) OVER journey IS NULL AS is_last
    FROM converted WINDOW journey AS (PARTITION BY conversion_event_id ORDER BY occurred_at, click_id)
    UNION ALL
    SELECT false, partner_id, lag(partner_id) OVER journey, lead(partner_id) OVER journey IS NULL
    FROM lost WINDOW journey AS (PARTITION BY vendor_id, cookie_id ORDER BY click_id)
)
SELECT before, partner_id AS after, NULL::boolean AS is_converted, count(*) AS times FROM steps GROUP BY 1, 2
UNION ALL
SELECT partner_id, NULL, is_converted, count(*) FROM steps WHERE is_last GROUP BY 1, 3;

-- name: partners_together
-- How many conversions each partner was part of, by how many partners their journeys had.
WITH journeys AS (
    SELECT e.conversion_event_id, array_agg(DISTINCT t.partner_id) AS partners
    FROM conversion_events e
    JOIN touches t ON t.conversion_event_id = e.conversion_event_id AND t.converted_at = e.occurred_at
        AND t.attribution_type = 'linear'
    WHERE e.occurred_at >= $1 AND e.occurred_at < $2 AND e.attribution_state = 'attributed' AND e.status <> 'rejected'
      AND e.commission_type IS NOT NULL AND e.adjusts_conversion_event_id IS NULL AND e.campaign_milestone_id IS NULL
      AND NOT e.is_deleted
      AND t.converted_at >= $1 AND t.converted_at < $2 AND NOT t.is_deleted
      AND ($3::int IS NULL OR e.campaign_version_id IN (SELECT campaign_version_id FROM campaign_versions
                                                         WHERE campaign_id = $3))
    GROUP BY 1
)
SELECT partner_id, cardinality(partners) AS together, count(*) AS conversions
FROM journeys CROSS JOIN LATERAL unnest(partners) AS partner_id
GROUP BY 1, 2;

-- name: partner_names
SELECT partner_id, name FROM partners WHERE partner_id = ANY($1::int[]);
