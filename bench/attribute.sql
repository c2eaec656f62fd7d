-- The month the attributor's bench works on, made by PostgreSQL itself: the same every time but for its dates.

-- name: make_programme
WITH vendor AS (
    INSERT INTO vendors (name, email) VALUES ('Bench', 'bench@shop.example') RETURNING vendor_id
)
INSERT INTO campaigns (vendor_id) SELECT vendor_id FROM vendor CROSS JOIN generate_series(1, 5);

-- name: make_partners
INSERT INTO partners (name, email, status)
SELECT 'Partner ' || n, 'p' || n || '@blog.example', 'active' FROM generate_series(1, $1::int) AS n;

-- name: make_enrolments
-- Five campaigns, one for each model that may pay, and every partner in each.
WITH versions AS (
    INSERT INTO campaign_versions (campaign_id, version_number, name, destination_url, default_commission_type,
        default_commission_value, attribution_model, cookie_duration_days)
    SELECT campaign_id, 1, 'Campaign ' || campaign_id, 'https://shop.example/', 'percentage', 10,
           (ARRAY['first_click', 'last_click', 'linear', 'time_decay', 'position_based'])[1 + campaign_id % 5], 30
    FROM campaigns
    RETURNING campaign_version_id
)
INSERT INTO campaign_partners (campaign_version_id, partner_id, status)
SELECT campaign_version_id, partner_id, 'approved' FROM versions CROSS JOIN partners;

-- name: make_links
INSERT INTO partner_links (short_code, full_url, campaign_partner_id)
SELECT 'b' || campaign_partner_id, 'https://shop.example/', campaign_partner_id FROM campaign_partners;

-- name: make_partitions
SELECT ensure_month_partitions($1::text, $2::timestamptz, $3::timestamptz);

-- name: make_buyers
-- One cookie a conversion, with 1 to $2 clicks in the weeks before it.
INSERT INTO clicks (click_id, clicked_at, partner_link_id, partner_id, campaign_version_id, cookie_id, click_class)
SELECT made.click_id, timestamptz 'epoch' + (made.click_id >> 21) * interval '1 millisecond', l.partner_link_id,
       e.partner_id, e.campaign_version_id,
       ('00000000-0000-7000-8000-' || lpad(to_hex(made.buyer), 12, '0'))::uuid, 'valid'
FROM (
    SELECT buyer, ((extract(epoch FROM $3::timestamptz - buyer * 37 % 259200 * interval '1 second'
                            - $4::interval * touch / ($2::int + 1)) * 1000)::bigint << 21)
                  + row_number() OVER () % 2097152 AS click_id,
           buyer::bigint * 7919 + touch * 104729 AS choice
    FROM generate_series(1, $1::int) AS buyer
    CROSS JOIN LATERAL generate_series(1, 1 + buyer % $2::int) AS touch
) AS made
JOIN campaign_partners e ON e.campaign_partner_id = 1 + made.choice % (SELECT count(*) FROM campaign_partners)
JOIN partner_links l USING (campaign_partner_id);

-- name: make_visitors
-- Clicks of cookies that bought nothing, about half of $2 each.
INSERT INTO clicks (click_id, clicked_at, partner_link_id, partner_id, campaign_version_id, cookie_id, click_class)
SELECT made.click_id, timestamptz 'epoch' + (made.click_id >> 21) * interval '1 millisecond', l.partner_link_id,
       e.partner_id, e.campaign_version_id,
       ('00000000-0000-7000-9000-' || lpad(to_hex(made.number / ($2::int / 2)), 12, '0'))::uuid, 'valid'
FROM (
    SELECT number, ((extract(epoch FROM $3::timestamptz - $4::interval * (number::bigint * 7919 % 100003) / 100003)
                     * 1000)::bigint << 21) + row_number() OVER () % 2097152 AS click_id
    FROM generate_series(1, $1::int) AS number
) AS made
JOIN campaign_partners e ON e.campaign_partner_id
    = 1 + made.number::bigint * 104729 % (SELECT count(*) FROM campaign_partners)
JOIN partner_links l USING (campaign_partner_id);

-- name: make_conversions
-- As the writer stores them: facts, nothing decided.
INSERT INTO conversion_events (conversion_id, vendor_id, conversion_event_type_id, transaction_id, event_value, currency,
    cookie_id, occurred_at)
SELECT gen_random_uuid(), v.vendor_id, t.conversion_event_type_id, 'B' || buyer, 10 + buyer % 500 + 0.99, 'USD',
       ('00000000-0000-7000-8000-' || lpad(to_hex(buyer), 12, '0'))::uuid,
       $2::timestamptz - buyer * 37 % 259200 * interval '1 second'
FROM vendors v
JOIN conversion_event_types t ON t.name = 'sale'
CROSS JOIN generate_series(1, $1::int) AS buyer;

-- name: make_watermarks
INSERT INTO writer_watermarks (shard, stored_through)
SELECT shard, now() + interval '1 day' FROM generate_series(0, $1::int - 1) AS shard;

-- name: count_clicks
SELECT count(*)::int FROM clicks;

-- name: count_waiting
SELECT count(*)::int FROM conversion_events WHERE attribution_state = 'awaiting_click';
