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
  AND ($4::text IS NULL OR l.short_code = $4)
ORDER BY c.click_id DESC
LIMIT $5;

-- name: list_conversions
-- A partner is shown what it earns of a conversion, others the whole commission.
SELECT e.conversion_event_id, e.conversion_id, t.name AS event, e.transaction_id, e.status, e.attribution_state,
       e.state_reason, e.event_value, e.currency::text AS currency,
       CASE WHEN tenant_role() = 'partner'
            THEN (SELECT sum(r.amount) FROM conversion_credits r WHERE r.conversion_event_id = e.conversion_event_id)
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
  AND ($4::text IS NULL OR l.short_code = $4) AND ($6::text IS NULL OR e.status = $6)
ORDER BY e.conversion_event_id DESC
LIMIT $5;
