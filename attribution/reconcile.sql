-- Three ways to the same numbers: the facts, the rollups, and the totals kept with enrolments. Row-level security decides
-- whose; in one snapshot.

-- name: clicks_counted
SELECT count(*) AS gross, count(*) FILTER (WHERE click_class = 'valid') AS clicks,
       count(*) FILTER (WHERE click_class = 'valid' AND is_unique) AS uniques
FROM clicks
WHERE click_id >= (extract(epoch FROM $1::timestamptz) * 1000)::bigint << 21
  AND click_id < (extract(epoch FROM $2::timestamptz) * 1000)::bigint << 21
  AND clicked_at >= $1 AND clicked_at < $2 AND NOT is_deleted;

-- name: sales_counted
SELECT currency, sum(conversions)::bigint AS conversions, sum(revenue) AS revenue, sum(paid) AS commission
FROM sale_facts WHERE occurred_at >= $1 AND occurred_at < $2
GROUP BY currency;

-- name: totals_apart
-- Enrolments, by campaign and partner, whose totals are not what the rollups of their links and conversions say.
WITH said AS (
    SELECT v.campaign_id, e.partner_id, sum(e.total_clicks)::bigint AS clicks, sum(e.total_conversions)::bigint AS conversions
    FROM campaign_partners e JOIN campaign_versions v USING (campaign_version_id)
    WHERE NOT e.is_deleted
    GROUP BY 1, 2
), links AS (
    SELECT l.partner_link_id, v.campaign_id, e.partner_id
    FROM partner_links l JOIN campaign_partners e USING (campaign_partner_id) JOIN campaign_versions v USING (campaign_version_id)
), clicked AS (
    SELECT campaign_id, partner_id, sum(clicks)::bigint AS clicks
    FROM (
        SELECT l.campaign_id, l.partner_id, r.valid AS clicks
        FROM links l JOIN rollup_hours r ON r.scope = 'link' AND r.scope_id = l.partner_link_id
        UNION ALL
        SELECT l.campaign_id, l.partner_id, d.weight
        FROM links l JOIN click_deltas d USING (partner_link_id) WHERE d.click_class = 'valid'
    ) AS both_kinds
    GROUP BY 1, 2
), sold AS (
    SELECT campaign_id, partner_id, sum(conversions)::bigint AS conversions FROM sale_facts GROUP BY 1, 2
), compared AS (
    SELECT said.campaign_id, said.partner_id, said.clicks AS clicks_total, coalesce(clicked.clicks, 0) AS clicks,
           said.conversions AS conversions_total, coalesce(sold.conversions, 0) AS conversions
    FROM said LEFT JOIN clicked USING (campaign_id, partner_id) LEFT JOIN sold USING (campaign_id, partner_id)
)
SELECT *, count(*) OVER () AS apart FROM compared
WHERE clicks_total <> clicks OR conversions_total <> conversions
ORDER BY campaign_id, partner_id
LIMIT $1;
