-- What benches ask of the ledger while a writer fills it, and what they put there.

-- name: count_stored
SELECT coalesce(sum(clicks_stored), 0)::bigint FROM writer_watermarks;

-- name: session_pid
SELECT pg_backend_pid();

-- name: store_clicks
-- $2 clicks and their cookies, put there as if they had been written over the last 25 days, and known by numbers from $1 on:
-- what the writer's look-ups and indexes have to do with, however many there are.
WITH made AS (
    SELECT n, clicked_at, ((extract(epoch FROM clicked_at) * 1000)::bigint << 21) + (1023 << 11) + n % 2048 AS click_id,
           gen_random_uuid() AS cookie_id, 1 + n % 1000 AS link
    FROM (SELECT n, date_trunc('milliseconds', now() - interval '25 days' * (1 - (n - $1::bigint)::float / $2::bigint)
                                               - interval '1 hour') AS clicked_at
          FROM generate_series($1::bigint, $1::bigint + $2::bigint - 1) AS n) AS spread
), cookies_made AS (
    INSERT INTO cookies (cookie_id, first_click_id, first_partner_id, last_click_id, last_partner_id, expires_at, last_seen_at)
    SELECT cookie_id, click_id, 1, click_id, 1, clicked_at + interval '30 days', clicked_at FROM made
)
INSERT INTO clicks (click_id, clicked_at, partner_link_id, partner_id, campaign_version_id, cookie_id, click_class, is_unique,
    visitor_hash, ip_address, user_agent, referrer_url, referrer_host, country_code, device_type, browser, os)
SELECT click_id, clicked_at, link, 1 + link % 20, 1, cookie_id, 'valid', true, n * 7919, '81.2.69.0/24',
       'Mozilla/5.0 (a browser of some length, as they are)', 'https://blog.example/post', 'blog.example', 'GB', 'desktop',
       'Chrome 142', 'Windows 10'
FROM made;

-- name: settle
VACUUM (ANALYZE) clicks, cookies;
