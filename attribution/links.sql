-- Links: made, read, edited, disabled. Row-level security decides which of them a caller sees.

-- name: add_link
INSERT INTO partner_links (
    short_code, campaign_partner_id, vendor_id, destination_url, full_url, link_label, rules, utm_params,
    custom_params, forward_query, starts_at, expires_at, max_clicks, fallback_url, redirect_status, is_disabled
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT (short_code) DO NOTHING
RETURNING partner_link_id;

-- name: change_link
UPDATE partner_links
SET destination_url = $2, full_url = $3, link_label = $4, rules = $5, utm_params = $6, custom_params = $7,
    forward_query = $8, starts_at = $9, expires_at = $10, max_clicks = $11, fallback_url = $12,
    redirect_status = $13, is_disabled = $14, updated_at = now()
WHERE partner_link_id = $1;

-- name: link_by_code
SELECT l.partner_link_id, l.short_code, l.campaign_partner_id, l.vendor_id, l.destination_url, l.full_url,
       l.link_label, l.rules, l.utm_params, l.custom_params, l.forward_query, l.starts_at, l.expires_at,
       l.max_clicks, l.fallback_url, l.redirect_status, l.is_disabled, l.created_at, l.updated_at,
       cv.destination_url AS terms_destination
FROM partner_links l
LEFT JOIN campaign_partners cp ON cp.campaign_partner_id = l.campaign_partner_id
LEFT JOIN campaign_versions cv ON cv.campaign_version_id = cp.campaign_version_id
WHERE l.short_code = $1 AND NOT l.is_deleted;

-- name: lock_link
SELECT partner_link_id FROM partner_links WHERE short_code = $1 AND NOT is_deleted FOR UPDATE;

-- name: list_links
SELECT l.partner_link_id, l.short_code, l.campaign_partner_id, l.vendor_id, l.destination_url, l.full_url,
       l.link_label, l.rules, l.utm_params, l.custom_params, l.forward_query, l.starts_at, l.expires_at,
       l.max_clicks, l.fallback_url, l.redirect_status, l.is_disabled, l.created_at, l.updated_at
FROM partner_links l
WHERE l.partner_link_id > $1 AND NOT l.is_deleted
ORDER BY l.partner_link_id
LIMIT $2;

-- name: find_links
-- The function finds numbers by index; here the policies decide again, and $7 is the order.
SELECT l.partner_link_id, l.short_code, l.campaign_partner_id, l.vendor_id, l.destination_url, l.full_url,
       l.link_label, l.rules, l.utm_params, l.custom_params, l.forward_query, l.starts_at, l.expires_at,
       l.max_clicks, l.fallback_url, l.redirect_status, l.is_disabled, l.created_at, l.updated_at
FROM find_links($1, $2, $3, $4, $5, $6, $7, $8) AS found (partner_link_id)
JOIN partner_links l USING (partner_link_id)
WHERE NOT l.is_deleted
ORDER BY CASE WHEN $7 THEN -l.partner_link_id ELSE l.partner_link_id END;

-- name: links_by_codes
SELECT l.partner_link_id, l.short_code, l.campaign_partner_id, l.vendor_id, l.destination_url, l.full_url,
       l.link_label, l.rules, l.utm_params, l.custom_params, l.forward_query, l.starts_at, l.expires_at,
       l.max_clicks, l.fallback_url, l.redirect_status, l.is_disabled, l.created_at, l.updated_at, l.is_deleted
FROM partner_links l
WHERE l.short_code = ANY ($1::text[])
FOR UPDATE;

-- name: delete_link
UPDATE partner_links SET is_deleted = true, deleted_at = now(), updated_at = now()
WHERE partner_link_id = $1;

-- name: enrolments_by_ids
-- An enrolment on older terms stands for its successor: publishing a version carried it over.
SELECT asked.campaign_partner_id, cp.campaign_partner_id AS current_id, cp.status AS enrolment_status, cp.is_deleted,
       p.status AS partner_status, cp.partner_id, cv.destination_url AS terms_destination
FROM campaign_partners asked
JOIN campaign_versions av ON av.campaign_version_id = asked.campaign_version_id
JOIN campaigns c ON c.campaign_id = av.campaign_id
JOIN LATERAL (
    SELECT * FROM campaign_partners e
    WHERE e.partner_id = asked.partner_id
      AND e.campaign_version_id IN (c.current_campaign_version_id, asked.campaign_version_id)
      AND NOT e.is_deleted
    ORDER BY e.campaign_version_id = c.current_campaign_version_id DESC
    LIMIT 1
) cp ON true
JOIN partners p ON p.partner_id = cp.partner_id
JOIN campaign_versions cv ON cv.campaign_version_id = cp.campaign_version_id
WHERE asked.campaign_partner_id = ANY ($1::int[]);
