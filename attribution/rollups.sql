-- Stats read from the rollups and what is not folded into them yet, in one snapshot. Row-level security decides which
-- rows there are; $1 and $2 say whose are wanted: 'link', 'partner' or 'campaign' and their numbers, or 'vendor' or 'all'.

-- name: stored_through
SELECT min(stored_through) AS as_of, extract(epoch FROM clock_timestamp() - min(stored_through))::float8 AS lag_s
FROM writer_watermarks;

-- name: plan_once
-- Planning the blocks below takes longer than running them; of the rollups alone, one plan is right for everybody.
SELECT set_config('plan_cache_mode', 'force_generic_plan', true);

-- name: links_within
-- Links by code, partner and campaign, each NULL for any; '' is a plain link's.
SELECT l.partner_link_id
FROM partner_links l
LEFT JOIN campaign_partners e ON e.campaign_partner_id = l.campaign_partner_id
LEFT JOIN campaign_versions v ON v.campaign_version_id = e.campaign_version_id
WHERE ($1::int IS NULL OR l.partner_link_id = $1)
  AND ($2::text[] IS NULL OR l.short_code = ANY ($2))
  AND ($3::text[] IS NULL OR coalesce(e.partner_id::text, '') = ANY ($3))
  AND ($4::text[] IS NULL OR coalesce(v.campaign_id::text, '') = ANY ($4))
LIMIT $5;

-- name: click_steps
-- Whole hours of $3 to $4 by step ($5: where the steps begin), but for the hours in $6.
SELECT width_bucket(at, $5::timestamptz[]) AS bucket, sum(uniques)::bigint AS uniques, sum(valid)::bigint AS valid,
       sum(bot)::bigint AS bot, sum(prefetch)::bigint AS prefetch, sum(head)::bigint AS head,
       sum(double)::bigint AS double, sum(datacenter)::bigint AS datacenter, sum(noconsent)::bigint AS noconsent
FROM (
    SELECT hour_at AS at, uniques, valid, bot, prefetch, head, double, datacenter, noconsent
    FROM rollup_hours
    WHERE scope = $1 AND scope_id = ANY ($2::int[]) AND hour_at >= date_trunc('hour', $3::timestamptz, 'UTC')
      AND hour_at < $4::timestamptz AND hour_at <> ALL ($6::timestamptz[])
    UNION ALL
    SELECT clicked_at, weight * (is_unique AND click_class = 'valid')::int, weight * (click_class = 'valid')::int,
           weight * (click_class = 'bot')::int, weight * (click_class = 'prefetch')::int,
           weight * (click_class = 'head')::int, weight * (click_class = 'double')::int,
           weight * (click_class = 'datacenter')::int, weight * (click_class = 'noconsent')::int
    FROM click_deltas
    WHERE clicked_at >= $3 AND clicked_at < $4 AND date_trunc('hour', clicked_at, 'UTC') <> ALL ($6)
      AND ($1 IN ('all', 'vendor') OR ($1 = 'link' AND partner_link_id = ANY ($2))
           OR ($1 = 'partner' AND partner_id = ANY ($2))
           OR ($1 = 'campaign' AND campaign_version_id IN (
                   SELECT campaign_version_id FROM campaign_versions WHERE campaign_id = ANY ($2))))
) AS counted
GROUP BY 1;

-- name: click_steps_within
-- The hours in $6, as far as they lie in $3 to $4, from the clicks themselves.
SELECT width_bucket(c.clicked_at, $5::timestamptz[]) AS bucket,
       count(*) FILTER (WHERE c.is_unique AND c.click_class = 'valid') AS uniques,
       count(*) FILTER (WHERE c.click_class = 'valid') AS valid,
       count(*) FILTER (WHERE c.click_class = 'bot') AS bot,
       count(*) FILTER (WHERE c.click_class = 'prefetch') AS prefetch,
       count(*) FILTER (WHERE c.click_class = 'head') AS head,
       count(*) FILTER (WHERE c.click_class = 'double') AS double,
       count(*) FILTER (WHERE c.click_class = 'datacenter') AS datacenter,
       count(*) FILTER (WHERE c.click_class = 'noconsent') AS noconsent
FROM unnest($6::timestamptz[]) AS split (hour_at)
CROSS JOIN LATERAL (
    SELECT * FROM clicks
    WHERE click_id >= ceil(extract(epoch FROM greatest(split.hour_at, $3::timestamptz)) * 1000)::bigint << 21
      AND click_id < ceil(extract(epoch FROM least(split.hour_at + interval '1 hour', $4::timestamptz)) * 1000)::bigint << 21
      AND clicked_at >= greatest(split.hour_at, $3) AND clicked_at < least(split.hour_at + interval '1 hour', $4)
      AND NOT is_deleted
      AND ($1::text IN ('all', 'vendor') OR ($1 = 'link' AND partner_link_id = ANY ($2::int[]))
           OR ($1 = 'partner' AND partner_id = ANY ($2))
           OR ($1 = 'campaign' AND campaign_version_id IN (
                   SELECT campaign_version_id FROM campaign_versions WHERE campaign_id = ANY ($2))))
) AS c
GROUP BY 1;

-- name: click_values
-- The largest values of dimension $5 over the days (UTC) from $3 to $4, the row of all others first where there is one.
-- $6 and $7 are the parts of days at either end, read from the clicks themselves.
SELECT value, is_rest, sum(gross)::bigint AS gross, sum(clicks)::bigint AS clicks, sum(uniques)::bigint AS uniques
FROM (
    SELECT value, is_rest, gross, clicks, uniques
    FROM rollup_days
    WHERE scope = $1 AND scope_id = ANY ($2::int[]) AND dimension = $5 AND day >= $3::date AND day < $4::date
    UNION ALL
    SELECT coalesce(CASE $5
               WHEN 'country' THEN country_code WHEN 'device' THEN device_type WHEN 'browser' THEN browser WHEN 'os' THEN os
               WHEN 'referrer' THEN referrer_host WHEN 'utm_source' THEN utm_source WHEN 'utm_medium' THEN utm_medium
               WHEN 'utm_campaign' THEN utm_campaign WHEN 'utm_content' THEN utm_content WHEN 'utm_term' THEN utm_term
               WHEN 'link' THEN partner_link_id::text WHEN 'partner' THEN partner_id::text
               WHEN 'campaign' THEN (SELECT v.campaign_id::text FROM campaign_versions v
                                     WHERE v.campaign_version_id = d.campaign_version_id)
           END, '') COLLATE "C", false, weight, weight * (click_class = 'valid')::int,
           weight * (click_class = 'valid' AND is_unique)::int
    FROM click_deltas d
    WHERE clicked_at >= $3::date::timestamp AT TIME ZONE 'UTC' AND clicked_at < $4::date::timestamp AT TIME ZONE 'UTC'
      AND ($1 IN ('all', 'vendor') OR ($1 = 'link' AND partner_link_id = ANY ($2))
           OR ($1 = 'partner' AND partner_id = ANY ($2))
           OR ($1 = 'campaign' AND campaign_version_id IN (
                   SELECT campaign_version_id FROM campaign_versions WHERE campaign_id = ANY ($2))))
    UNION ALL
    SELECT coalesce(CASE $5
               WHEN 'country' THEN country_code::text WHEN 'device' THEN device_type WHEN 'browser' THEN browser
               WHEN 'os' THEN os WHEN 'referrer' THEN referrer_host WHEN 'utm_source' THEN utm_source
               WHEN 'utm_medium' THEN utm_medium WHEN 'utm_campaign' THEN utm_campaign
               WHEN 'utm_content' THEN utm_content WHEN 'utm_term' THEN utm_term
               WHEN 'link' THEN partner_link_id::text WHEN 'partner' THEN partner_id::text
               WHEN 'campaign' THEN (SELECT v.campaign_id::text FROM campaign_versions v
                                     WHERE v.campaign_version_id = c.campaign_version_id)
           END, '') COLLATE "C", false, 1, (click_class = 'valid')::int, (click_class = 'valid' AND is_unique)::int
    FROM unnest($6::timestamptz[], $7::timestamptz[]) AS edge (from_at, to_at)
    CROSS JOIN LATERAL (
        SELECT * FROM clicks
        WHERE click_id >= ceil(extract(epoch FROM edge.from_at) * 1000)::bigint << 21
          AND click_id < ceil(extract(epoch FROM edge.to_at) * 1000)::bigint << 21
          AND clicked_at >= edge.from_at AND clicked_at < edge.to_at AND NOT is_deleted
          AND ($1 IN ('all', 'vendor') OR ($1 = 'link' AND partner_link_id = ANY ($2))
               OR ($1 = 'partner' AND partner_id = ANY ($2))
               OR ($1 = 'campaign' AND campaign_version_id IN (
                       SELECT campaign_version_id FROM campaign_versions WHERE campaign_id = ANY ($2))))
    ) AS c
) AS counted
GROUP BY 1, 2
HAVING sum(gross) <> 0
ORDER BY is_rest DESC, clicks DESC, gross DESC, value
LIMIT $8;

-- name: link_values
-- The same of single links, by link, partner or campaign: $5 as above, hours from $3 to $4, the largest $6.
SELECT coalesce(CASE $5
           WHEN 'link' THEN counted.partner_link_id::text WHEN 'partner' THEN e.partner_id::text
           WHEN 'campaign' THEN v.campaign_id::text
       END, '') AS value, false AS is_rest, sum(gross)::bigint AS gross, sum(clicks)::bigint AS clicks,
       sum(uniques)::bigint AS uniques
FROM (
    SELECT scope_id AS partner_link_id, valid + bot + prefetch + head + double + datacenter + noconsent AS gross,
           valid AS clicks, uniques
    FROM rollup_hours
    WHERE scope = 'link' AND scope_id = ANY ($2::int[]) AND hour_at >= $3::timestamptz AND hour_at < $4::timestamptz
      AND $1::text IS NOT NULL
    UNION ALL
    SELECT partner_link_id, weight, weight * (click_class = 'valid')::int,
           weight * (click_class = 'valid' AND is_unique)::int
    FROM click_deltas
    WHERE partner_link_id = ANY ($2) AND clicked_at >= $3 AND clicked_at < $4
) AS counted
LEFT JOIN partner_links l ON l.partner_link_id = counted.partner_link_id
LEFT JOIN campaign_partners e ON e.campaign_partner_id = l.campaign_partner_id
LEFT JOIN campaign_versions v ON v.campaign_version_id = e.campaign_version_id
GROUP BY 1
HAVING sum(gross) <> 0
ORDER BY clicks DESC, gross DESC, value
LIMIT $6;

-- name: codes_of
SELECT partner_link_id::text AS value, short_code FROM partner_links WHERE partner_link_id = ANY ($1::int[]);

-- name: sale_steps
-- Conversions by step and currency, commission under the model $7 or, NULL, the one that pays. $6 as for click_steps.
SELECT width_bucket(at, $5::timestamptz[]) AS bucket, currency, sum(conversions)::bigint AS conversions,
       sum(revenue) AS revenue,
       sum(CASE $7::text WHEN 'first_click' THEN first_click WHEN 'last_click' THEN last_click WHEN 'linear' THEN linear
               WHEN 'time_decay' THEN time_decay WHEN 'position_based' THEN position_based ELSE paid END) AS commission
FROM (
    SELECT hour_at AS at, currency, conversions, revenue, paid, first_click, last_click, linear, time_decay, position_based
    FROM sale_hours
    WHERE scope = $1 AND scope_id = ANY ($2::int[]) AND hour_at >= date_trunc('hour', $3::timestamptz, 'UTC')
      AND hour_at < $4::timestamptz AND hour_at <> ALL ($6::timestamptz[])
    UNION ALL
    SELECT occurred_at, currency, weight * conversions, weight * revenue, weight * paid, weight * first_click,
           weight * last_click, weight * linear, weight * time_decay, weight * position_based
    FROM (
        SELECT 1 AS weight, f.* FROM sale_facts f
        WHERE f.conversion_event_id = ANY (ARRAY(SELECT conversion_event_id FROM sale_marks))
        UNION ALL
        SELECT -1, e.* FROM sale_entries e
        WHERE e.conversion_event_id = ANY (ARRAY(SELECT conversion_event_id FROM sale_marks))
        UNION ALL
        SELECT 1, e.* FROM unnest($6) AS split (hour_at)
        JOIN sale_entries e ON e.occurred_at >= split.hour_at AND e.occurred_at < split.hour_at + interval '1 hour'
    ) AS moved
    WHERE occurred_at >= $3 AND occurred_at < $4
      AND ($1 = 'all' OR ($1 = 'vendor' AND vendor_id = ANY ($2)) OR ($1 = 'link' AND partner_link_id = ANY ($2))
           OR ($1 = 'partner' AND partner_id = ANY ($2)) OR ($1 = 'campaign' AND campaign_id = ANY ($2)))
) AS counted
GROUP BY 1, 2;

-- name: sale_values
-- Conversions of the values $6 of dimension $5 by currency, days and ends of days as for click_values; $9 as $7 above.
SELECT value, currency, sum(conversions)::bigint AS conversions, sum(revenue) AS revenue,
       sum(CASE $9::text WHEN 'first_click' THEN first_click WHEN 'last_click' THEN last_click WHEN 'linear' THEN linear
               WHEN 'time_decay' THEN time_decay WHEN 'position_based' THEN position_based ELSE paid END) AS commission
FROM (
    SELECT value, currency, conversions, revenue, paid, first_click, last_click, linear, time_decay, position_based
    FROM sale_days
    WHERE scope = $1 AND scope_id = ANY ($2::int[]) AND dimension = $5 AND day >= $3::date AND day < $4::date
    UNION ALL
    SELECT coalesce(CASE $5
               WHEN 'country' THEN country_code WHEN 'device' THEN device_type WHEN 'browser' THEN browser WHEN 'os' THEN os
               WHEN 'referrer' THEN referrer_host WHEN 'utm_source' THEN utm_source WHEN 'utm_medium' THEN utm_medium
               WHEN 'utm_campaign' THEN utm_campaign WHEN 'utm_content' THEN utm_content WHEN 'utm_term' THEN utm_term
               WHEN 'link' THEN partner_link_id::text WHEN 'partner' THEN partner_id::text
               WHEN 'campaign' THEN campaign_id::text
           END, '') COLLATE "C", currency, weight * conversions, weight * revenue, weight * paid, weight * first_click,
           weight * last_click, weight * linear, weight * time_decay, weight * position_based
    FROM (
        SELECT 1 AS weight, true AS is_moved, f.* FROM sale_facts f
        WHERE f.conversion_event_id = ANY (ARRAY(SELECT conversion_event_id FROM sale_marks))
        UNION ALL
        SELECT -1, true, e.* FROM sale_entries e
        WHERE e.conversion_event_id = ANY (ARRAY(SELECT conversion_event_id FROM sale_marks))
        UNION ALL
        SELECT 1, false, e.* FROM unnest($7::timestamptz[], $8::timestamptz[]) AS edge (from_at, to_at)
        JOIN sale_entries e ON e.occurred_at >= edge.from_at AND e.occurred_at < edge.to_at
    ) AS parts
    WHERE (NOT is_moved
           OR (occurred_at >= $3::date::timestamp AT TIME ZONE 'UTC' AND occurred_at < $4::date::timestamp AT TIME ZONE 'UTC')
           OR EXISTS (SELECT FROM unnest($7, $8) AS edge (from_at, to_at)
                      WHERE occurred_at >= edge.from_at AND occurred_at < edge.to_at))
      AND ($1 = 'all' OR ($1 = 'vendor' AND vendor_id = ANY ($2)) OR ($1 = 'link' AND partner_link_id = ANY ($2))
           OR ($1 = 'partner' AND partner_id = ANY ($2)) OR ($1 = 'campaign' AND campaign_id = ANY ($2)))
) AS counted
WHERE value = ANY ($6::text[])
GROUP BY 1, 2;

-- name: clicks_to_read
-- How many clicks a look at the clicks themselves would read, and how many of the period are no longer there.
SELECT coalesce(sum(valid + bot + prefetch + head + double + datacenter + noconsent), 0)::bigint AS clicks,
       coalesce(sum(valid + bot + prefetch + head + double + datacenter + noconsent)
                FILTER (WHERE hour_at < kept.since), 0)::bigint AS dropped, max(kept.since) AS since
FROM (SELECT to_date(min(right(c.relname, 6)), 'YYYYMM')::timestamp AT TIME ZONE 'UTC' AS since
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'clicks'::regclass) AS kept
LEFT JOIN rollup_hours r ON r.scope = $1 AND r.scope_id = ANY ($2::int[]) AND r.hour_at >= date_trunc('hour', $3::timestamptz, 'UTC')
    AND r.hour_at < $4::timestamptz;
