-- Read-only lists; row-level security decides which rows.

-- name: list_vendors
SELECT vendor_id, name, email, company_name, website_url, status, created_at
FROM vendors
WHERE vendor_id > $1 AND NOT is_deleted
ORDER BY vendor_id
LIMIT $2;

-- name: list_partners
SELECT partner_id, name, email, status, tier, website_url, created_at
FROM partners
WHERE partner_id > $1 AND NOT is_deleted
ORDER BY partner_id
LIMIT $2;

-- name: list_campaigns
SELECT c.campaign_id, c.vendor_id, c.status, v.campaign_version_id, v.version_number, v.name, v.destination_url,
       v.default_commission_type AS commission_type, v.default_commission_value::text AS commission_value,
       v.cookie_duration_days AS window_days, v.attribution_model, c.created_at
FROM campaigns c
LEFT JOIN campaign_versions v ON v.campaign_version_id = c.current_campaign_version_id
WHERE c.campaign_id > $1 AND NOT c.is_deleted
ORDER BY c.campaign_id
LIMIT $2;

-- name: list_enrolments
SELECT e.campaign_partner_id, e.campaign_version_id, v.campaign_id, e.partner_id, e.status, e.total_clicks,
       e.last_click_at, e.created_at
FROM campaign_partners e
JOIN campaign_versions v ON v.campaign_version_id = e.campaign_version_id
WHERE e.campaign_partner_id > $1 AND NOT e.is_deleted
ORDER BY e.campaign_partner_id
LIMIT $2;

-- name: campaign_exists
SELECT EXISTS (SELECT FROM campaigns WHERE campaign_id = $1 AND NOT is_deleted);

-- name: partner_exists
SELECT EXISTS (SELECT FROM partners WHERE partner_id = $1 AND NOT is_deleted);
