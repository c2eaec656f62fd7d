-- What `apply` reads and writes. One transaction, one apply at a time.

-- name: lock_apply
SELECT pg_advisory_xact_lock(hashtextextended('clickledger apply', 0));

-- name: vendor_by_email
SELECT vendor_id, name, company_name, website_url FROM vendors WHERE lower(email) = lower($1) AND NOT is_deleted;

-- name: add_vendor
INSERT INTO vendors (email, name, company_name, website_url) VALUES ($1, $2, $3, $4) RETURNING vendor_id;

-- name: change_vendor
UPDATE vendors SET name = $2, company_name = $3, website_url = $4 WHERE vendor_id = $1;

-- name: campaign_by_name
SELECT c.campaign_id, c.status, v.campaign_version_id, v.version_number, v.name, v.description, v.destination_url,
       v.default_commission_type, v.default_commission_value, v.cookie_duration_days, v.attribution_model,
       v.half_life_days, v.click_param, v.pricing, v.rule_mode, v.is_rules_on_overrides, v.hold_days, v.flat_refund,
       v.is_coupon_wins, v.rebill_months_max, v.is_upgrade_reattributed, v.is_pending_counted, v.is_held_after_end
FROM campaigns c
JOIN campaign_versions v ON v.campaign_version_id = c.current_campaign_version_id
WHERE c.vendor_id = $1 AND v.name = $2 AND NOT c.is_deleted
ORDER BY c.campaign_id
LIMIT 1
FOR UPDATE OF c;

-- name: add_campaign
INSERT INTO campaigns (vendor_id, status) VALUES ($1, $2) RETURNING campaign_id;

-- name: set_campaign_status
UPDATE campaigns SET status = $2 WHERE campaign_id = $1;

-- name: add_version
INSERT INTO campaign_versions (
    campaign_id, version_number, name, description, destination_url, default_commission_type,
    default_commission_value, cookie_duration_days, attribution_model, half_life_days, click_param, pricing, rule_mode,
    is_rules_on_overrides, hold_days, flat_refund, is_coupon_wins, rebill_months_max, is_upgrade_reattributed,
    is_pending_counted, is_held_after_end, approval_required, is_public, max_partners,
    terms_url, promotional_guidelines
)
SELECT $1, coalesce(max(v.version_number), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
       $17, $18, $19, $20,
       coalesce((array_agg(v.approval_required ORDER BY v.version_number DESC))[1], false),
       coalesce((array_agg(v.is_public ORDER BY v.version_number DESC))[1], true),
       (array_agg(v.max_partners ORDER BY v.version_number DESC))[1],
       (array_agg(v.terms_url ORDER BY v.version_number DESC))[1],
       (array_agg(v.promotional_guidelines ORDER BY v.version_number DESC))[1]
FROM campaign_versions v
WHERE v.campaign_id = $1
RETURNING campaign_version_id;

-- name: make_current
UPDATE campaigns SET current_campaign_version_id = $2 WHERE campaign_id = $1;

-- name: tiers_of_version
SELECT label, min_amount, max_amount, reward_type, reward_value
FROM campaign_tiers
WHERE campaign_version_id = $1 AND NOT is_deleted
ORDER BY min_amount;

-- name: add_tier
INSERT INTO campaign_tiers (campaign_version_id, label, min_amount, max_amount, reward_type, reward_value)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: partner_tier_rates_of_version
SELECT partner_tier, commission_type, commission_value
FROM partner_tier_rates
WHERE campaign_version_id = $1 AND NOT is_deleted;

-- name: add_partner_tier_rate
INSERT INTO partner_tier_rates (campaign_version_id, partner_tier, commission_type, commission_value)
VALUES ($1, $2, $3, $4);

-- name: carry_enrolments
INSERT INTO campaign_partners (campaign_version_id, partner_id, status, application_note, applied_at, approved_at,
                               approved_by, rejected_at, rejection_reason, removed_at)
SELECT $2, partner_id, status, application_note, applied_at, approved_at, approved_by, rejected_at, rejection_reason,
       removed_at
FROM campaign_partners
WHERE campaign_version_id = $1 AND NOT is_deleted;

-- name: carry_links
UPDATE partner_links l SET campaign_partner_id = fresh.campaign_partner_id
FROM campaign_partners old
JOIN campaign_partners fresh
    ON fresh.partner_id = old.partner_id AND fresh.campaign_version_id = $2 AND NOT fresh.is_deleted
WHERE old.campaign_version_id = $1 AND l.campaign_partner_id = old.campaign_partner_id;

-- name: carry_overrides
INSERT INTO partner_campaign_overrides (partner_id, campaign_version_id, conversion_event_type_id, commission_type,
                                        commission_value, notes, valid_from, valid_until)
SELECT partner_id, $2, conversion_event_type_id, commission_type, commission_value, notes, valid_from, valid_until
FROM partner_campaign_overrides
WHERE campaign_version_id = $1 AND NOT is_deleted AND (valid_until IS NULL OR valid_until > now());

-- name: carry_rules
INSERT INTO commission_rules (campaign_version_id, name, description, active, conditions, actions, valid_from,
                              valid_until)
SELECT $2, name, description, active, conditions, actions, valid_from, valid_until
FROM commission_rules
WHERE campaign_version_id = $1 AND NOT is_deleted
ORDER BY commission_rule_id;

-- name: carry_milestones
INSERT INTO campaign_milestones (campaign_version_id, reward_id, name, description, event_type, target_count)
SELECT $2, reward_id, name, description, event_type, target_count
FROM campaign_milestones
WHERE campaign_version_id = $1 AND NOT is_deleted
ORDER BY campaign_milestone_id;

-- name: carry_mappings
INSERT INTO integration_event_mappings (integration_id, campaign_version_id, event_name, mapping_config)
SELECT integration_id, $2, event_name, mapping_config
FROM integration_event_mappings
WHERE campaign_version_id = $1 AND NOT is_deleted;

-- name: links_of_version
SELECT l.partner_link_id, l.full_url, l.utm_params, l.custom_params
FROM partner_links l
JOIN campaign_partners e ON e.campaign_partner_id = l.campaign_partner_id
WHERE e.campaign_version_id = $1 AND l.destination_url IS NULL
ORDER BY l.partner_link_id;

-- name: set_full_url
UPDATE partner_links SET full_url = $2 WHERE partner_link_id = $1;

-- name: rules_of_version
SELECT commission_rule_id, name, description, active, conditions, actions, valid_from, valid_until
FROM commission_rules
WHERE campaign_version_id = $1 AND NOT is_deleted
ORDER BY commission_rule_id;

-- name: add_rule
INSERT INTO commission_rules (campaign_version_id, name, description, active, conditions, actions, valid_from,
                              valid_until)
VALUES ($1, $2, $3, $4, $5, $6, coalesce($7::timestamptz, now()), $8)
RETURNING commission_rule_id;

-- name: delete_rule
UPDATE commission_rules SET is_deleted = true, deleted_at = now() WHERE commission_rule_id = $1;

-- name: partner_by_email
SELECT partner_id, name, tier, website_url, status FROM partners WHERE lower(email) = lower($1) AND NOT is_deleted;

-- name: add_partner
INSERT INTO partners (email, name, tier, website_url, status) VALUES ($1, $2, $3, $4, $5) RETURNING partner_id;

-- name: change_partner
UPDATE partners SET name = $2, tier = $3, website_url = $4, status = $5 WHERE partner_id = $1;

-- name: enrolment_of_partner
SELECT campaign_partner_id, status
FROM campaign_partners
WHERE campaign_version_id = $1 AND partner_id = $2 AND NOT is_deleted
FOR UPDATE;

-- name: add_enrolment
INSERT INTO campaign_partners (campaign_version_id, partner_id, status, approved_at)
VALUES ($1, $2, 'approved', now())
RETURNING campaign_partner_id;

-- name: approve_enrolment
UPDATE campaign_partners
SET status = 'approved', approved_at = now(), rejected_at = NULL, rejection_reason = NULL, removed_at = NULL,
    updated_at = now()
WHERE campaign_partner_id = $1;

-- name: overrides_of_partner
SELECT o.partner_campaign_override_id, t.name AS event, o.commission_type, o.commission_value, o.notes,
       o.valid_from, o.valid_until, now() AS now, o.valid_from < now() AS is_begun,
       coalesce(o.valid_until <= now(), false) AS is_ended
FROM partner_campaign_overrides o
LEFT JOIN conversion_event_types t USING (conversion_event_type_id)
WHERE o.campaign_version_id = $1 AND o.partner_id = $2 AND NOT o.is_deleted
ORDER BY o.valid_from;

-- name: event_type_by_name
SELECT conversion_event_type_id FROM conversion_event_types WHERE name = $1 AND NOT is_deleted;

-- name: end_override
UPDATE partner_campaign_overrides SET valid_until = now() WHERE partner_campaign_override_id = $1;

-- name: delete_override
UPDATE partner_campaign_overrides SET is_deleted = true, deleted_at = now() WHERE partner_campaign_override_id = $1;

-- name: repeat_override
-- The same rate for the time until another began.
INSERT INTO partner_campaign_overrides (partner_id, campaign_version_id, conversion_event_type_id, commission_type,
                                        commission_value, notes, valid_from, valid_until)
SELECT partner_id, campaign_version_id, conversion_event_type_id, commission_type, commission_value, notes, valid_from, $2
FROM partner_campaign_overrides WHERE partner_campaign_override_id = $1;

-- name: add_override
INSERT INTO partner_campaign_overrides (partner_id, campaign_version_id, conversion_event_type_id, commission_type,
                                        commission_value, notes, valid_from, valid_until)
VALUES ($1, $2, $3, $4, $5, $6, coalesce($7::timestamptz, now()), $8)
RETURNING partner_campaign_override_id;
