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

-- name: list_versions
SELECT campaign_version_id, campaign_id, version_number, name, description, destination_url,
       default_commission_type AS commission_type, default_commission_value::text AS commission_value,
       cookie_duration_days AS window_days, attribution_model, half_life_days::text AS half_life_days, click_param,
       pricing, rule_mode, is_rules_on_overrides, hold_days, flat_refund, is_coupon_wins, approval_required, is_public,
       max_partners, terms_url, promotional_guidelines, created_at
FROM campaign_versions
WHERE campaign_version_id > $1 AND NOT is_deleted
ORDER BY campaign_version_id
LIMIT $2;

-- name: list_tiers
SELECT campaign_tier_id, campaign_version_id, label, min_amount::text AS min_amount, max_amount::text AS max_amount,
       reward_type, reward_value::text AS reward_value, reward_id, created_at
FROM campaign_tiers
WHERE campaign_tier_id > $1 AND NOT is_deleted
ORDER BY campaign_tier_id
LIMIT $2;

-- name: list_rewards
SELECT reward_id, name, reward_type, reward_value::text AS reward_value, created_at
FROM rewards
WHERE reward_id > $1 AND NOT is_deleted
ORDER BY reward_id
LIMIT $2;

-- name: list_milestones
SELECT campaign_milestone_id, campaign_version_id, reward_id, name, description, event_type, target_count, created_at
FROM campaign_milestones
WHERE campaign_milestone_id > $1 AND NOT is_deleted
ORDER BY campaign_milestone_id
LIMIT $2;

-- name: list_coupons
SELECT partner_coupon_id, vendor_id, code, partner_id, campaign_version_id, valid_from, valid_until, created_at
FROM partner_coupons
WHERE partner_coupon_id > $1 AND NOT is_deleted
ORDER BY partner_coupon_id
LIMIT $2;

-- name: list_content_pieces
SELECT content_piece_id, partner_id, external_reference, description, metadata::text AS metadata, created_at
FROM content_pieces
WHERE content_piece_id > $1 AND NOT is_deleted
ORDER BY content_piece_id
LIMIT $2;

-- name: list_integrations
-- Without config: it may hold a shop's secrets.
SELECT integration_id, vendor_id, name, type, created_at
FROM integrations
WHERE integration_id > $1 AND NOT is_deleted
ORDER BY integration_id
LIMIT $2;

-- name: list_mappings
SELECT integration_event_mapping_id, integration_id, campaign_version_id, event_name,
       mapping_config::text AS mapping_config, created_at
FROM integration_event_mappings
WHERE integration_event_mapping_id > $1 AND NOT is_deleted
ORDER BY integration_event_mapping_id
LIMIT $2;

-- name: list_payment_methods
-- Without account_details: whoever pays reads them elsewhere. The provider is named by the row's own number, for the
-- catalogue of providers is closed to partners.
SELECT partner_payment_method_id, partner_id, payment_provider_id, provider_account_id, is_default, is_verified,
       verified_at, created_at
FROM partner_payment_methods
WHERE partner_payment_method_id > $1 AND NOT is_deleted
ORDER BY partner_payment_method_id
LIMIT $2;

-- name: list_payouts
SELECT payout_id, partner_id, amount::text AS amount, currency::text AS currency, status, start_date, end_date,
       partner_payment_method_id, payment_provider_id, provider_transaction_id, created_at, processed_at, completed_at,
       failed_at, failure_reason
FROM payouts
WHERE payout_id > $1 AND NOT is_deleted
ORDER BY payout_id
LIMIT $2;

-- name: list_audit_log
-- The newest first.
SELECT audit_log_id, entity_type, entity_id, action, actor_type, actor_id, changes::text AS changes, reason, created_at
FROM audit_logs
WHERE audit_log_id < $1 AND ($3::text IS NULL OR entity_type = $3) AND ($4::bigint IS NULL OR entity_id = $4)
ORDER BY audit_log_id DESC
LIMIT $2;

-- name: campaign_exists
SELECT EXISTS (SELECT FROM campaigns WHERE campaign_id = $1 AND NOT is_deleted);

-- name: partner_exists
SELECT EXISTS (SELECT FROM partners WHERE partner_id = $1 AND NOT is_deleted);
