-- Stats read from the rollups and what is not folded into them yet, in one snapshot. Row-level security decides which
-- rows there are; $1 and $2 say whose are wanted: 'link', 'partner' or 'campaign' and their numbers, or 'vendor' or 'all'.

-- name: stored_through
SELECT min(stored_through) AS as_of, extract(epoch FROM clock_timestamp() - min(stored_through))::float8 AS lag_s
FROM writer_watermarks;

-- name: begin_reading
-- How far the writer is, which weeks (Mondays) of those from $2 to $3 are closed, and whether conversions wait to be
-- folded in. Planning the blocks below takes longer than running them: with $1 they are planned once, for of the rollups
-- alone one plan is right for everybody.
SELECT as_of, extract(epoch FROM clock_timestamp() - as_of)::float8 AS lag_s,
       ARRAY(SELECT week FROM closed_weeks WHERE week >= $2::date AND week < $3::date ORDER BY 1) AS closed_weeks,
       EXISTS (SELECT FROM sale_marks) AS are_sales_waiting,
       set_config('plan_cache_mode', CASE WHEN $1::boolean THEN 'force_generic_plan' ELSE 'auto' END, true)
FROM (SELECT min(stored_through) AS as_of FROM writer_watermarks) AS written;

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
-- Whole hours of $3 to $4 by step ($5: the seconds at which steps begin), but for the hours in $6: columns of all steps
-- with clicks, where `gross` counts each class as often as $7 says. Of what waits there may be thousands of rows and a few
-- hours and classes, so that is grouped first.
SELECT coalesce(array_agg(bucket), '{}') AS bucket, coalesce(array_agg(valid), '{}') AS valid,
       coalesce(array_agg(uniques), '{}') AS uniques,
       coalesce(array_agg(valid * ($7::int[])[1] + bot * $7[2] + prefetch * $7[3] + head * $7[4] + double * $7[5]
                          + datacenter * $7[6] + noconsent * $7[7]), '{}') AS gross,
       ARRAY[sum(valid), sum(bot), sum(prefetch), sum(head), sum(double), sum(datacenter), sum(noconsent)]::bigint[] AS by_class
FROM (
    SELECT width_bucket(at, (SELECT $5::text::float8[])) AS bucket, sum(uniques)::bigint AS uniques, sum(valid)::bigint AS valid,
           sum(bot)::bigint AS bot, sum(prefetch)::bigint AS prefetch, sum(head)::bigint AS head,
           sum(double)::bigint AS double, sum(datacenter)::bigint AS datacenter, sum(noconsent)::bigint AS noconsent
    FROM (
        SELECT date_part('epoch', hour_at) AS at, uniques, valid, bot, prefetch, head, double, datacenter, noconsent
        FROM rollup_hours
        WHERE scope = $1 AND scope_id = ANY ($2::int[]) AND hour_at >= date_trunc('hour', $3::timestamptz, 'UTC')
          AND hour_at < $4::timestamptz AND hour_at <> ALL ($6::timestamptz[])
        UNION ALL
        SELECT at, CASE WHEN is_unique AND click_class = 'valid' THEN weight ELSE 0 END,
               CASE click_class WHEN 'valid' THEN weight ELSE 0 END, CASE click_class WHEN 'bot' THEN weight ELSE 0 END,
               CASE click_class WHEN 'prefetch' THEN weight ELSE 0 END, CASE click_class WHEN 'head' THEN weight ELSE 0 END,
               CASE click_class WHEN 'double' THEN weight ELSE 0 END,
               CASE click_class WHEN 'datacenter' THEN weight ELSE 0 END,
               CASE click_class WHEN 'noconsent' THEN weight ELSE 0 END
        FROM (
            SELECT 3600 * floor(date_part('epoch', clicked_at) / 3600) AS at, click_class, is_unique,
                   sum(weight)::int AS weight
            FROM click_deltas
            WHERE clicked_at >= $3 AND clicked_at < $4
              AND CASE $1 WHEN 'all' THEN true WHEN 'link' THEN partner_link_id = ANY ($2)
                      WHEN 'partner' THEN partner_id = ANY ($2)
                      WHEN 'campaign' THEN campaign_version_id = ANY (ARRAY(
                          SELECT campaign_version_id FROM campaign_versions WHERE campaign_id = ANY ($2)))
                      ELSE true END
            GROUP BY 1, 2, 3
        ) AS waiting
        WHERE to_timestamp(at) <> ALL ($6)
    ) AS counted
    GROUP BY 1
) AS steps;

-- name: click_steps_within
-- The hours in $6, as far as they lie in $3 to $4, from the clicks themselves.
SELECT coalesce(array_agg(bucket), '{}') AS bucket, coalesce(array_agg(valid), '{}') AS valid,
       coalesce(array_agg(uniques), '{}') AS uniques,
       coalesce(array_agg(valid * ($7::int[])[1] + bot * $7[2] + prefetch * $7[3] + head * $7[4] + double * $7[5]
                          + datacenter * $7[6] + noconsent * $7[7]), '{}') AS gross,
       ARRAY[sum(valid), sum(bot), sum(prefetch), sum(head), sum(double), sum(datacenter), sum(noconsent)]::bigint[] AS by_class
FROM (
    SELECT width_bucket(date_part('epoch', c.clicked_at), (SELECT $5::text::float8[])) AS bucket,
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
    GROUP BY 1
) AS steps;

-- name: is_crowded
-- Whether one of the days $4 has a row of all others in dimension $3, so that not every value has a row of its own.
SELECT EXISTS (SELECT FROM rollup_days
               WHERE scope = $1 AND scope_id = ANY ($2::int[]) AND dimension = $3 AND day = ANY ($4::date[]) AND is_rest);

-- name: edge_values
-- Every value of dimension $5 in a part of a day, $3 to $4, from the clicks themselves: those of a link by its own index.
SELECT coalesce(CASE $5
           WHEN 'country' THEN country_code::text WHEN 'device' THEN device_type WHEN 'browser' THEN browser
           WHEN 'os' THEN os WHEN 'referrer' THEN referrer_host WHEN 'utm_source' THEN utm_source
           WHEN 'utm_medium' THEN utm_medium WHEN 'utm_campaign' THEN utm_campaign
           WHEN 'utm_content' THEN utm_content WHEN 'utm_term' THEN utm_term
           WHEN 'link' THEN partner_link_id::text WHEN 'partner' THEN partner_id::text
           WHEN 'campaign' THEN (SELECT v.campaign_id::text FROM campaign_versions v
                                 WHERE v.campaign_version_id = c.campaign_version_id)
       END, '') AS value, count(*) AS gross, count(*) FILTER (WHERE click_class = 'valid') AS clicks,
       count(*) FILTER (WHERE click_class = 'valid' AND is_unique) AS uniques
FROM (
    SELECT * FROM clicks
    WHERE click_id >= ceil(extract(epoch FROM $3::timestamptz) * 1000)::bigint << 21
      AND click_id < ceil(extract(epoch FROM $4::timestamptz) * 1000)::bigint << 21
      AND clicked_at >= $3 AND clicked_at < $4 AND NOT is_deleted
      AND ($1::text IN ('all', 'vendor') OR ($1 = 'partner' AND partner_id = ANY ($2::int[]))
           OR ($1 = 'campaign' AND campaign_version_id IN (
                   SELECT campaign_version_id FROM campaign_versions WHERE campaign_id = ANY ($2))))
    UNION ALL
    SELECT * FROM clicks
    WHERE $1 = 'link' AND partner_link_id = ANY ($2) AND clicked_at >= $3 AND clicked_at < $4 AND NOT is_deleted
) AS c
GROUP BY 1;

-- name: click_values
-- The largest values of dimension $5 over the days (UTC) from $3 to $4, the row of all others first where there is one:
-- the closed weeks $6, the days $7 that are in none of them, and what the edges add or take, $8 to $11.
-- (Ordered by is_rest itself, PostgreSQL would sort every row read instead of hashing it: a fifth slower.)
SELECT value, is_rest, sum(gross)::bigint AS gross, sum(clicks)::bigint AS clicks, sum(uniques)::bigint AS uniques
FROM (
    SELECT value, is_rest, gross, clicks, uniques
    FROM rollup_weeks
    WHERE scope = $1 AND scope_id = ANY ($2::int[]) AND dimension = $5 AND week = ANY ($6::date[])
    UNION ALL
    SELECT value, is_rest, gross, clicks, uniques
    FROM rollup_days
    WHERE scope = $1 AND scope_id = ANY ($2) AND dimension = $5 AND day = ANY ($7::date[])
    UNION ALL
    SELECT coalesce(CASE $5
               WHEN 'link' THEN partner_link_id::text WHEN 'country' THEN country_code WHEN 'device' THEN device_type
               WHEN 'referrer' THEN referrer_host WHEN 'browser' THEN browser WHEN 'os' THEN os
               WHEN 'partner' THEN partner_id::text
               WHEN 'campaign' THEN (SELECT v.campaign_id::text FROM campaign_versions v
                                     WHERE v.campaign_version_id = d.campaign_version_id)
               WHEN 'utm_source' THEN utm_source WHEN 'utm_medium' THEN utm_medium
               WHEN 'utm_campaign' THEN utm_campaign WHEN 'utm_content' THEN utm_content WHEN 'utm_term' THEN utm_term
           END, '') COLLATE "C", false, sum(weight), coalesce(sum(weight) FILTER (WHERE click_class = 'valid'), 0),
           coalesce(sum(weight) FILTER (WHERE click_class = 'valid' AND is_unique), 0)
    FROM click_deltas d
    WHERE clicked_at >= $3::timestamptz AND clicked_at < $4::timestamptz
      AND CASE $1 WHEN 'all' THEN true WHEN 'link' THEN partner_link_id = ANY ($2) WHEN 'partner' THEN partner_id = ANY ($2)
              WHEN 'campaign' THEN campaign_version_id = ANY (ARRAY(
                  SELECT campaign_version_id FROM campaign_versions WHERE campaign_id = ANY ($2)))
              ELSE true END
    GROUP BY 1
    UNION ALL
    SELECT value COLLATE "C", false, gross, clicks, uniques
    FROM unnest($8::text[], $9::bigint[], $10::bigint[], $11::bigint[]) AS edge (value, gross, clicks, uniques)
) AS counted
GROUP BY 1, 2
HAVING sum(gross) <> 0
ORDER BY is_rest::int DESC, clicks DESC, gross DESC, value
LIMIT $12;

-- name: link_values
-- The same of single links, by link, partner or campaign: $5 as above, hours from $3 to $4, the largest $6.
SELECT coalesce(CASE $5
           WHEN 'link' THEN counted.partner_link_id::text WHEN 'partner' THEN e.partner_id::text
           WHEN 'campaign' THEN v.campaign_id::text
       END, '') AS value, false AS is_rest, sum(gross)::bigint AS gross, sum(clicks)::bigint AS clicks,
       sum(uniques)::bigint AS uniques
FROM (
    SELECT partner_link_id, sum(gross) AS gross, sum(clicks) AS clicks, sum(uniques) AS uniques
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
    ) AS parts
    GROUP BY 1
) AS counted
LEFT JOIN partner_links l ON l.partner_link_id = counted.partner_link_id
LEFT JOIN campaign_partners e ON e.campaign_partner_id = l.campaign_partner_id
LEFT JOIN campaign_versions v ON v.campaign_version_id = e.campaign_version_id
GROUP BY 1
HAVING sum(gross) <> 0
ORDER BY clicks DESC, gross DESC, value
LIMIT $6;

-- name: link_sales
-- Their conversions by currency; $6 is the model.
SELECT coalesce(CASE $5::text
           WHEN 'link' THEN h.partner_link_id::text WHEN 'partner' THEN e.partner_id::text
           WHEN 'campaign' THEN v.campaign_id::text
       END, '') AS value, h.currency, sum(conversions)::bigint AS conversions, sum(revenue) AS revenue,
       sum(commission) AS commission
FROM (
    SELECT scope_id AS partner_link_id, currency, sum(conversions) AS conversions, sum(revenue) AS revenue,
           sum(CASE $6::text WHEN 'first_click' THEN first_click WHEN 'last_click' THEN last_click
                   WHEN 'linear' THEN linear WHEN 'time_decay' THEN time_decay WHEN 'position_based' THEN position_based
                   ELSE paid END) AS commission
    FROM sale_hours
    WHERE scope = 'link' AND scope_id = ANY ($2::int[]) AND hour_at >= $3::timestamptz AND hour_at < $4::timestamptz
      AND $1::text IS NOT NULL
    GROUP BY 1, 2
) AS h
LEFT JOIN partner_links l ON l.partner_link_id = h.partner_link_id
LEFT JOIN campaign_partners e ON e.campaign_partner_id = l.campaign_partner_id
LEFT JOIN campaign_versions v ON v.campaign_version_id = e.campaign_version_id
GROUP BY 1, 2;

-- name: codes_of
SELECT partner_link_id::text AS value, short_code FROM partner_links WHERE partner_link_id = ANY ($1::int[]);

-- name: sale_steps
-- Columns of all steps with conversions, by currency; commission under the model $7 or, NULL, the one that pays. $6 as
-- for click_steps.
SELECT currency, array_agg(bucket) AS bucket, array_agg(conversions) AS conversions,
       array_agg(revenue::text) AS revenue, array_agg(commission::text) AS commission, sum(revenue) AS all_revenue,
       sum(commission) AS all_commission
FROM (
    SELECT width_bucket(date_part('epoch', at), (SELECT $5::text::float8[])) AS bucket, currency, sum(conversions)::bigint AS conversions,
           sum(revenue) AS revenue,
           sum(CASE $7::text WHEN 'first_click' THEN first_click WHEN 'last_click' THEN last_click WHEN 'linear' THEN linear
                   WHEN 'time_decay' THEN time_decay WHEN 'position_based' THEN position_based ELSE paid END) AS commission
    FROM (
        SELECT hour_at AS at, currency, conversions, revenue, paid, first_click, last_click, linear, time_decay, position_based
        FROM sale_hours
        WHERE scope = $1 AND scope_id = ANY ($2::int[]) AND hour_at >= date_trunc('hour', $3::timestamptz, 'UTC')
          AND hour_at < $4::timestamptz AND hour_at <> ALL ($6::timestamptz[])
        UNION ALL
        SELECT occurred_at, currency, conversions, revenue, paid, first_click, last_click, linear, time_decay, position_based
        FROM unnest($6) AS split (hour_at)
        CROSS JOIN LATERAL (
            SELECT * FROM sale_entries e
            WHERE e.occurred_at >= split.hour_at AND e.occurred_at < split.hour_at + interval '1 hour' OFFSET 0) AS entries
        WHERE occurred_at >= $3 AND occurred_at < $4
          AND ($1 = 'all' OR ($1 = 'vendor' AND vendor_id = ANY ($2)) OR ($1 = 'link' AND partner_link_id = ANY ($2))
               OR ($1 = 'partner' AND partner_id = ANY ($2)) OR ($1 = 'campaign' AND campaign_id = ANY ($2)))
    ) AS counted
    GROUP BY 1, 2
) AS steps
GROUP BY 1;

-- name: waiting_sale_steps
-- What folding will change about them: the conversions marked, as they are less as they were counted. $6 is the model.
SELECT currency, array_agg(bucket) AS bucket, array_agg(conversions) AS conversions,
       array_agg(revenue::text) AS revenue, array_agg(commission::text) AS commission, sum(revenue) AS all_revenue,
       sum(commission) AS all_commission
FROM (
    SELECT width_bucket(date_part('epoch', occurred_at), (SELECT $5::text::float8[])) AS bucket, currency,
           sum(weight * conversions)::bigint AS conversions,
           sum(weight * revenue) AS revenue,
           sum(weight * CASE $6::text WHEN 'first_click' THEN first_click WHEN 'last_click' THEN last_click
                   WHEN 'linear' THEN linear WHEN 'time_decay' THEN time_decay WHEN 'position_based' THEN position_based
                   ELSE paid END) AS commission
    FROM (
        SELECT 1 AS weight, f.* FROM sale_facts f
        WHERE f.conversion_event_id = ANY (ARRAY(SELECT conversion_event_id FROM sale_marks))
        UNION ALL
        SELECT -1, e.* FROM sale_entries e
        WHERE e.conversion_event_id = ANY (ARRAY(SELECT conversion_event_id FROM sale_marks))
    ) AS moved
    WHERE occurred_at >= $3::timestamptz AND occurred_at < $4::timestamptz
      AND ($1::text = 'all' OR ($1 = 'vendor' AND vendor_id = ANY ($2::int[])) OR ($1 = 'link' AND partner_link_id = ANY ($2))
           OR ($1 = 'partner' AND partner_id = ANY ($2)) OR ($1 = 'campaign' AND campaign_id = ANY ($2)))
    GROUP BY 1, 2
) AS steps
GROUP BY 1;

-- name: sale_values
-- Conversions of the values $6 of dimension $5 by currency; days and edges ($7 to $9) as for click_values; $10 is the model.
SELECT value, currency, sum(conversions)::bigint AS conversions, sum(revenue) AS revenue,
       sum(CASE $10::text WHEN 'first_click' THEN first_click WHEN 'last_click' THEN last_click WHEN 'linear' THEN linear
               WHEN 'time_decay' THEN time_decay WHEN 'position_based' THEN position_based ELSE paid END) AS commission
FROM (
    SELECT value, currency, conversions, revenue, paid, first_click, last_click, linear, time_decay, position_based
    FROM sale_days
    WHERE scope = $1 AND scope_id = ANY ($2::int[]) AND dimension = $5 AND value = ANY ($6::text[])
      AND day >= ($3::timestamptz AT TIME ZONE 'UTC')::date AND day < ($4::timestamptz AT TIME ZONE 'UTC')::date
    UNION ALL
    SELECT coalesce(CASE $5
               WHEN 'country' THEN country_code WHEN 'device' THEN device_type WHEN 'browser' THEN browser WHEN 'os' THEN os
               WHEN 'referrer' THEN referrer_host WHEN 'utm_source' THEN utm_source WHEN 'utm_medium' THEN utm_medium
               WHEN 'utm_campaign' THEN utm_campaign WHEN 'utm_content' THEN utm_content WHEN 'utm_term' THEN utm_term
               WHEN 'link' THEN partner_link_id::text WHEN 'partner' THEN partner_id::text
               WHEN 'campaign' THEN campaign_id::text
           END, '') COLLATE "C", currency, sign * conversions, sign * revenue, sign * paid, sign * first_click,
           sign * last_click, sign * linear, sign * time_decay, sign * position_based
    FROM unnest($7::timestamptz[], $8::timestamptz[], $9::int[]) AS edge (from_at, to_at, sign)
    CROSS JOIN LATERAL (
        SELECT * FROM sale_entries e WHERE e.occurred_at >= edge.from_at AND e.occurred_at < edge.to_at OFFSET 0) AS entries
    WHERE $1 = 'all' OR ($1 = 'vendor' AND vendor_id = ANY ($2)) OR ($1 = 'link' AND partner_link_id = ANY ($2))
       OR ($1 = 'partner' AND partner_id = ANY ($2)) OR ($1 = 'campaign' AND campaign_id = ANY ($2))
) AS counted
WHERE value = ANY ($6)
GROUP BY 1, 2;

-- name: waiting_sale_values
-- What folding will change about them, between the moments $3 and $4; $7 is the model.
SELECT value, currency, sum(weight * conversions)::bigint AS conversions, sum(weight * revenue) AS revenue,
       sum(weight * CASE $7::text WHEN 'first_click' THEN first_click WHEN 'last_click' THEN last_click
               WHEN 'linear' THEN linear WHEN 'time_decay' THEN time_decay WHEN 'position_based' THEN position_based
               ELSE paid END) AS commission
FROM (
    SELECT moved.*, coalesce(CASE $5::text
               WHEN 'country' THEN country_code WHEN 'device' THEN device_type WHEN 'browser' THEN browser WHEN 'os' THEN os
               WHEN 'referrer' THEN referrer_host WHEN 'utm_source' THEN utm_source WHEN 'utm_medium' THEN utm_medium
               WHEN 'utm_campaign' THEN utm_campaign WHEN 'utm_content' THEN utm_content WHEN 'utm_term' THEN utm_term
               WHEN 'link' THEN partner_link_id::text WHEN 'partner' THEN partner_id::text
               WHEN 'campaign' THEN campaign_id::text
           END, '') COLLATE "C" AS value
    FROM (
        SELECT 1 AS weight, f.* FROM sale_facts f
        WHERE f.conversion_event_id = ANY (ARRAY(SELECT conversion_event_id FROM sale_marks))
        UNION ALL
        SELECT -1, e.* FROM sale_entries e
        WHERE e.conversion_event_id = ANY (ARRAY(SELECT conversion_event_id FROM sale_marks))
    ) AS moved
    WHERE occurred_at >= $3::timestamptz AND occurred_at < $4::timestamptz
      AND ($1::text = 'all' OR ($1 = 'vendor' AND vendor_id = ANY ($2::int[])) OR ($1 = 'link' AND partner_link_id = ANY ($2))
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
