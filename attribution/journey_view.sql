-- What one cookie did, as far as the caller may see it.

-- name: clicks_of_cookie
SELECT k.click_id, k.clicked_at, l.short_code AS code, k.partner_id, k.campaign_version_id, k.click_class
FROM clicks k
LEFT JOIN partner_links l ON l.partner_link_id = k.partner_link_id
WHERE k.cookie_id = $1 AND NOT k.is_deleted
ORDER BY k.clicked_at DESC, k.click_id DESC
LIMIT $2;

-- name: conversions_of_cookie
SELECT e.conversion_id, e.occurred_at, t.name AS event, e.transaction_id, e.status, e.attribution_state, e.event_value,
       e.currency::text AS currency, e.funnel_journey_id,
       CASE WHEN tenant_role() = 'partner'
            THEN (SELECT sum(r.amount) FROM conversion_credits r
                  WHERE r.conversion_event_id = e.conversion_event_id AND r.partner_id = tenant_partner_id())
            ELSE e.commission_amount END AS commission
FROM conversion_events e
JOIN conversion_event_types t USING (conversion_event_type_id)
WHERE e.cookie_id = $1 AND e.adjusts_conversion_event_id IS NULL AND NOT e.is_deleted
ORDER BY e.occurred_at DESC, e.conversion_event_id DESC
LIMIT $2;

-- name: journeys_of_cookie
SELECT j.funnel_journey_id, j.journey_started_at, j.last_event_at, j.journey_completed_at, j.is_converted,
       t.name AS furthest_stage, j.total_events, j.attribution_map::text AS attribution_map
FROM funnel_journeys j
LEFT JOIN conversion_event_types t ON t.conversion_event_type_id = j.furthest_stage_id
WHERE j.cookie_id = $1 AND NOT j.is_deleted AND tenant_role() = 'admin'
ORDER BY j.journey_started_at DESC, j.funnel_journey_id DESC
LIMIT $2;
