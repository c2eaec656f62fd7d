-- The data the stats bench reads: links of very different sizes over many days, made by PostgreSQL a day at a time. The
-- largest of a thousand links gets a tenth of all clicks.

-- name: make_programme
WITH vendor AS (
    INSERT INTO vendors (name, email) VALUES ('Bench', 'stats@shop.example') RETURNING vendor_id
), partner AS (
    INSERT INTO partners (name, email, status)
    SELECT 'Partner ' || n, 's' || n || '@blog.example', 'active' FROM generate_series(1, 20) AS n
)
INSERT INTO campaigns (vendor_id) SELECT vendor_id FROM vendor CROSS JOIN generate_series(1, 5);

-- name: make_enrolments
WITH versions AS (
    INSERT INTO campaign_versions (campaign_id, version_number, name, destination_url, default_commission_type,
        default_commission_value)
    SELECT campaign_id, 1, 'Campaign ' || campaign_id, 'https://shop.example/', 'percentage', 10 FROM campaigns
    RETURNING campaign_version_id
)
INSERT INTO campaign_partners (campaign_version_id, partner_id, status)
SELECT campaign_version_id, partner_id, 'approved' FROM versions CROSS JOIN partners;

-- name: make_links
INSERT INTO partner_links (short_code, full_url, campaign_partner_id)
SELECT 'c' || n, 'https://shop.example/', 1 + n % (SELECT count(*)::int FROM campaign_partners)
FROM generate_series(1, $1::int) AS n;

-- name: make_partitions
SELECT ensure_month_partitions('clicks', $1::timestamptz, now()), ensure_month_partitions('touches', $1::timestamptz, now());

-- name: make_day
-- $2 clicks evenly over the day $1, on links 1 to $3.
INSERT INTO clicks (click_id, clicked_at, partner_link_id, partner_id, campaign_version_id, cookie_id, click_class, is_unique,
    ip_address, user_agent, referrer_url, referrer_host, utm_source, utm_medium, utm_campaign, country_code, device_type,
    browser, os)
SELECT (made.at_ms << 21) + n % 2097152, timestamptz 'epoch' + made.at_ms * interval '1 millisecond', l.partner_link_id,
       e.partner_id, e.campaign_version_id, gen_random_uuid(), made.click_class,
       made.click_class = 'valid' AND made.chance_b < 0.8, '81.2.69.0/24', 'Mozilla/5.0 (a browser of some length, as they are)',
       'https://site' || floor(40 * made.chance_c ^ 2) || '.example/page', 'site' || floor(40 * made.chance_c ^ 2) || '.example',
       CASE WHEN made.chance_b < 0.5 THEN 's' || floor(12 * made.chance_a) END,
       CASE WHEN made.chance_b < 0.5 THEN 'm' || floor(4 * made.chance_c) END,
       CASE WHEN made.chance_b < 0.5 THEN 'campaign' || floor(25 * made.chance_c) END,
       (ARRAY['GB', 'US', 'DE', 'FR', 'ES', 'IT', 'NL', 'SE', 'PL', 'AT', 'CH', 'BE', 'DK', 'NO', 'FI', 'IE', 'PT', 'CZ', 'CA',
              'AU', 'JP', 'IN', 'BR', 'MX', 'ZA', 'KR', 'SG', 'NZ', 'GR', 'HU'])[1 + floor(30 * made.chance_d ^ 2)::int],
       (ARRAY['mobile', 'desktop', 'tablet'])[1 + floor(3 * made.chance_a ^ 2)::int],
       (ARRAY['Chrome', 'Mobile Safari', 'Firefox', 'Edge'])[1 + floor(4 * made.chance_c ^ 2)::int] || ' ' || 120 + floor(6 * made.chance_d),
       (ARRAY['Android 14', 'iOS 17', 'Windows 10', 'Mac OS X 10', 'Linux'])[1 + floor(5 * made.chance_a)::int]
FROM (
    SELECT n, (extract(epoch FROM $1::date::timestamp AT TIME ZONE 'UTC') * 1000)::bigint + n::bigint * 86400000 / ($2::int + 1) AS at_ms,
           floor($3::int ^ random())::int AS link,
           CASE WHEN random() < 0.85 THEN 'valid' WHEN random() < 0.5 THEN 'bot' WHEN random() < 0.7 THEN 'double' ELSE 'head' END
               AS click_class,
           random() AS chance_a, random() AS chance_b, random() AS chance_c, random() AS chance_d
    FROM generate_series(1, $2::int) AS n
) AS made
JOIN partner_links l ON l.partner_link_id = made.link
JOIN campaign_partners e USING (campaign_partner_id);

-- name: make_sales
-- One of a hundred valid clicks of the day sold something within the hour.
WITH sold AS (
    INSERT INTO conversion_events (vendor_id, conversion_event_type_id, transaction_id, event_value, currency,
        commission_amount, commission_type, attribution_state, partner_id, campaign_version_id, click_id, clicked_at,
        cookie_id, occurred_at)
    SELECT 1, 6, 'S' || k.click_id, 50, 'USD', 5, 'percentage', 'attributed', k.partner_id, k.campaign_version_id,
           k.click_id, k.clicked_at, k.cookie_id, k.clicked_at + interval '10 minutes'
    FROM clicks k
    WHERE k.clicked_at >= $1::date::timestamp AT TIME ZONE 'UTC' AND k.clicked_at < ($1::date + 1)::timestamp AT TIME ZONE 'UTC'
      AND k.click_class = 'valid' AND k.click_id % 100 = 0
    RETURNING *
)
INSERT INTO touches (conversion_event_id, converted_at, attribution_type, touch_type, partner_id, campaign_version_id,
    touch_weight, touch_value, click_id, occurred_at)
SELECT s.conversion_event_id, s.occurred_at, model, 'only', s.partner_id, s.campaign_version_id, 1, 5, s.click_id, s.clicked_at
FROM sold s
CROSS JOIN unnest(ARRAY['first_click', 'last_click', 'linear', 'time_decay', 'position_based']) AS model;

-- name: tidy_up
VACUUM (ANALYZE) clicks, rollup_hours, rollup_days, rollup_weeks, sale_hours, sale_days, click_deltas, sale_marks;

-- name: clicks_by_country
-- What a user would write: the breakdown of one link.
SELECT country_code, count(*) AS clicks, count(*) FILTER (WHERE is_unique) AS uniques
FROM clicks
WHERE partner_link_id = $1 AND clicked_at >= $2 AND clicked_at < $3 AND click_class = 'valid'
GROUP BY 1 ORDER BY 2 DESC LIMIT 10;

-- name: clicks_by_day
-- What a user would write: the series of everything.
SELECT date_trunc('day', clicked_at) AS day, click_class, count(*) AS clicks, count(*) FILTER (WHERE is_unique) AS uniques
FROM clicks
WHERE clicked_at >= $1 AND clicked_at < $2
GROUP BY 1, 2 ORDER BY 1;

-- name: empty
-- For the rounds that measure what counting costs the writer.
TRUNCATE click_deltas, rollup_hours, rollup_days, rollup_weeks, closed_weeks;

-- name: api_backends
SELECT pid FROM pg_stat_activity WHERE application_name = 'clickledger-api';

-- name: make_writer_database
CREATE DATABASE clickledger_bench_writer;

-- name: drop_writer_database
DROP DATABASE IF EXISTS clickledger_bench_writer WITH (FORCE);
