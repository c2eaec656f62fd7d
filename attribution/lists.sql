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

-- name: list_leads
-- Without what names a person: that is for the privacy duties alone.
SELECT lead_id, external_lead_id, vendor_id, partner_id, status, click_id::text AS click_id, cookie_id, created_at
FROM leads
WHERE lead_id > $1 AND NOT is_deleted
ORDER BY lead_id
LIMIT $2;

-- name: list_event_types
SELECT conversion_event_type_id, name, display_name, description, sort_order, is_commissionable, is_one_per_click,
       default_commission_type, default_commission_value::text AS default_commission_value
FROM conversion_event_types
WHERE conversion_event_type_id > $1 AND NOT is_deleted
ORDER BY conversion_event_type_id
LIMIT $2;

-- name: list_rules
-- In the order in which they are tried.
SELECT commission_rule_id, campaign_version_id, name, description, active, conditions::text AS conditions,
       actions::text AS actions, valid_from, valid_until, created_at
FROM commission_rules
WHERE commission_rule_id > $1 AND NOT is_deleted
ORDER BY commission_rule_id
LIMIT $2;

-- name: list_overrides
SELECT o.partner_campaign_override_id, o.partner_id, o.campaign_version_id, t.name AS event, o.commission_type,
       o.commission_value::text AS commission_value, o.valid_from, o.valid_until, o.created_at
FROM partner_campaign_overrides o
LEFT JOIN conversion_event_types t USING (conversion_event_type_id)
WHERE o.partner_campaign_override_id > $1 AND NOT o.is_deleted
ORDER BY o.partner_campaign_override_id
LIMIT $2;

-- name: campaign_exists
SELECT EXISTS (SELECT FROM campaigns WHERE campaign_id = $1 AND NOT is_deleted);

-- name: partner_exists
SELECT EXISTS (SELECT FROM partners WHERE partner_id = $1 AND NOT is_deleted);
