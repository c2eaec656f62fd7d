-- Clicks and conversions one by one, newest first; row-level security decides which. The same blocks serve a page and,
-- through a cursor, an export: LIMIT NULL is all of them.

-- name: list_clicks
SELECT c.click_id, c.clicked_at, l.short_code AS code, c.partner_id, c.campaign_version_id, c.cookie_id, c.click_class,
       c.class_reason, c.is_unique, host(c.ip_address) AS ip, c.user_agent, c.referrer_url, c.utm_source, c.utm_medium,
       c.utm_campaign, c.utm_content, c.utm_term, c.sub1, c.sub2, c.sub3, c.sub4, c.sub5, c.country_code,
       c.device_type, c.browser, c.os
FROM clicks c
JOIN partner_links l ON l.partner_link_id = c.partner_link_id
WHERE c.click_id < $1 AND c.clicked_at >= $2 AND c.clicked_at < $3 AND NOT c.is_deleted
ORDER BY c.click_id DESC
LIMIT $4;

-- name: list_clicks_of_links
-- The newest of each link that is wanted, and of those the newest: who asks for a link that has been quiet for long must
-- not make PostgreSQL read everybody else's clicks.
SELECT c.click_id, c.clicked_at, l.short_code AS code, c.partner_id, c.campaign_version_id, c.cookie_id, c.click_class,
       c.class_reason, c.is_unique, host(c.ip_address) AS ip, c.user_agent, c.referrer_url, c.utm_source, c.utm_medium,
       c.utm_campaign, c.utm_content, c.utm_term, c.sub1, c.sub2, c.sub3, c.sub4, c.sub5, c.country_code,
       c.device_type, c.browser, c.os
FROM partner_links l
LEFT JOIN campaign_partners p ON p.campaign_partner_id = l.campaign_partner_id
LEFT JOIN campaign_versions v ON v.campaign_version_id = p.campaign_version_id
CROSS JOIN LATERAL (
    SELECT k.*
    FROM clicks k
    WHERE k.partner_link_id = l.partner_link_id AND k.click_id < $1 AND k.clicked_at >= $2 AND k.clicked_at < $3
      AND NOT k.is_deleted
    ORDER BY k.clicked_at DESC, k.click_id DESC
    LIMIT $4
) AS c
WHERE ($5::text IS NULL OR l.short_code = $5) AND ($6::int IS NULL OR p.partner_id = $6)
  AND ($7::int IS NULL OR v.campaign_id = $7)
ORDER BY c.click_id DESC
LIMIT $4;

-- name: list_conversions
-- A partner is shown what it earns of a conversion, as is who asks for that partner's; others the whole commission.
SELECT e.conversion_event_id, e.conversion_id, t.name AS event, e.transaction_id, e.status, e.attribution_state,
       e.state_reason, e.event_value, e.currency::text AS currency,
       CASE WHEN tenant_role() = 'partner' OR $7::int IS NOT NULL
            THEN (SELECT sum(r.amount) FROM conversion_credits r
                  WHERE r.conversion_event_id = e.conversion_event_id AND ($7::int IS NULL OR r.partner_id = $7))
            ELSE e.commission_amount END AS commission,
       e.attribution_type AS attribution_model, e.attribution_confidence AS confidence, e.matched_by, e.partner_id,
       e.campaign_version_id, l.short_code AS code, e.click_id, e.clicked_at, e.cookie_id, e.coupon,
       e.adjusts_conversion_event_id, e.is_held, e.hold_reason, e.occurred_at, e.recorded_at, e.approved_at,
       e.rejected_at, e.rejection_reason, e.paid_at
FROM conversion_events e
JOIN conversion_event_types t USING (conversion_event_type_id)
LEFT JOIN clicks c ON c.click_id = e.click_id AND c.clicked_at = e.clicked_at
LEFT JOIN partner_links l ON l.partner_link_id = c.partner_link_id
WHERE e.conversion_event_id < $1 AND e.occurred_at >= $2 AND e.occurred_at < $3 AND NOT e.is_deleted
  AND ($5::text IS NULL OR l.short_code = $5) AND ($6::text IS NULL OR e.status = $6)
  AND ($7::int IS NULL OR e.partner_id = $7
       OR EXISTS (SELECT FROM conversion_credits r
                  WHERE r.conversion_event_id = e.conversion_event_id AND r.partner_id = $7))
  AND ($8::int IS NULL OR e.campaign_version_id IN (
           SELECT v.campaign_version_id FROM campaign_versions v WHERE v.campaign_id = $8))
ORDER BY e.conversion_event_id DESC
LIMIT $4;
