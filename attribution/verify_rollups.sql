-- The audit of the rollups: what they say and what waits to be folded, taken together, is a recount of the clicks and
-- conversions. Days before the oldest partition of clicks cannot be recounted and are left alone. Each block adds up
-- both sides with opposite signs: what is not zero disagrees.

-- name: rollups_equal_raw
WITH kept AS (
    SELECT to_date(min(right(c.relname, 6)), 'YYYYMM')::timestamp AT TIME ZONE 'UTC' AS since
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'clicks'::regclass
), single AS (
    SELECT -1 AS sign, clicked_at, partner_link_id, partner_id, campaign_version_id, click_class, is_unique,
           country_code::text AS country_code, device_type, browser, os, referrer_host, utm_source, utm_medium,
           utm_campaign, utm_content, utm_term
    FROM clicks WHERE NOT is_deleted
    UNION ALL
    SELECT weight, clicked_at, partner_link_id, partner_id, campaign_version_id, click_class, is_unique, country_code,
           device_type, browser, os, referrer_host, utm_source, utm_medium, utm_campaign, utm_content, utm_term
    FROM click_deltas CROSS JOIN kept WHERE clicked_at >= kept.since
), counted AS MATERIALIZED (
    SELECT s.scope, s.scope_id, single.*, v.campaign_id, sign * (click_class = 'valid')::int AS clicks,
           sign * (click_class = 'valid' AND is_unique)::int AS uniques
    FROM single
    LEFT JOIN campaign_versions v USING (campaign_version_id)
    LEFT JOIN campaigns c USING (campaign_id)
    LEFT JOIN partner_links l USING (partner_link_id)
    CROSS JOIN LATERAL (VALUES ('link', partner_link_id), ('partner', partner_id), ('campaign', v.campaign_id),
                               ('vendor', coalesce(c.vendor_id, l.vendor_id)), ('all', 0)) AS s (scope, scope_id)
    WHERE s.scope_id IS NOT NULL
), hours AS (
    SELECT scope, scope_id, hour_at, sum(uniques) AS uniques, sum(valid) AS valid, sum(bot) AS bot,
           sum(prefetch) AS prefetch, sum(head) AS head, sum(double) AS double, sum(datacenter) AS datacenter,
           sum(noconsent) AS noconsent
    FROM (
        SELECT scope, scope_id, hour_at, uniques, valid, bot, prefetch, head, double, datacenter, noconsent
        FROM rollup_hours CROSS JOIN kept WHERE hour_at >= kept.since
        UNION ALL
        SELECT scope, scope_id, date_trunc('hour', clicked_at, 'UTC'), sum(uniques), sum(clicks),
               coalesce(sum(sign) FILTER (WHERE click_class = 'bot'), 0),
               coalesce(sum(sign) FILTER (WHERE click_class = 'prefetch'), 0),
               coalesce(sum(sign) FILTER (WHERE click_class = 'head'), 0),
               coalesce(sum(sign) FILTER (WHERE click_class = 'double'), 0),
               coalesce(sum(sign) FILTER (WHERE click_class = 'datacenter'), 0),
               coalesce(sum(sign) FILTER (WHERE click_class = 'noconsent'), 0)
        FROM counted GROUP BY 1, 2, 3
    ) AS both_sides
    GROUP BY 1, 2, 3
), days_counted AS (
    SELECT scope, scope_id, d.dimension, (clicked_at AT TIME ZONE 'UTC')::date AS day,
           coalesce(d.value, '') COLLATE "C" AS value, sum(sign) AS gross, sum(clicks) AS clicks, sum(uniques) AS uniques
    FROM counted
    CROSS JOIN LATERAL (VALUES
        ('country', country_code), ('device', device_type), ('browser', browser), ('os', os),
        ('referrer', referrer_host), ('utm_source', utm_source), ('utm_medium', utm_medium),
        ('utm_campaign', utm_campaign), ('utm_content', utm_content), ('utm_term', utm_term),
        ('link', partner_link_id::text), ('partner', partner_id::text), ('campaign', campaign_id::text)
    ) AS d (dimension, value)
    WHERE scope <> 'link' OR d.dimension NOT IN ('link', 'partner', 'campaign')
    GROUP BY 1, 2, 3, 4, 5
), days AS (
    SELECT scope, scope_id, dimension, day, value, is_rest, sum(gross) AS gross, sum(clicks) AS clicks,
           sum(uniques) AS uniques
    FROM (
        SELECT scope, scope_id, dimension, day, value, is_rest, gross, clicks, uniques
        FROM rollup_days CROSS JOIN kept WHERE day >= (kept.since AT TIME ZONE 'UTC')::date
        UNION ALL
        -- A value without a row of its own belongs to the rest where its day has one.
        SELECT c.scope, c.scope_id, c.dimension, c.day,
               CASE WHEN rest.day IS NOT NULL AND own.day IS NULL THEN '' ELSE c.value END,
               rest.day IS NOT NULL AND own.day IS NULL, c.gross, c.clicks, c.uniques
        FROM days_counted c
        LEFT JOIN rollup_days rest ON (rest.scope, rest.scope_id, rest.dimension, rest.day)
            = (c.scope, c.scope_id, c.dimension, c.day) AND rest.is_rest
        LEFT JOIN rollup_days own ON (own.scope, own.scope_id, own.dimension, own.day, own.value)
            = (c.scope, c.scope_id, c.dimension, c.day, c.value) AND NOT own.is_rest
    ) AS both_sides
    GROUP BY 1, 2, 3, 4, 5, 6
), wrong AS (
    SELECT scope || ' ' || scope_id || ' at ' || hour_at AS example FROM hours
    WHERE (uniques, valid, bot, prefetch, head, double, datacenter, noconsent) <> (0, 0, 0, 0, 0, 0, 0, 0)
    UNION ALL
    SELECT scope || ' ' || scope_id || ' on ' || day || ' ' || dimension || ' ' || CASE WHEN is_rest THEN '(rest)' ELSE value END
    FROM days WHERE (gross, clicks, uniques) <> (0, 0, 0)
)
SELECT (SELECT count(*) FROM hours) + (SELECT count(*) FROM days) AS examined, (SELECT count(*) FROM wrong) AS violations,
       (SELECT array_agg(example) FROM (SELECT * FROM wrong ORDER BY 1 LIMIT 5) AS few) AS examples;

-- name: weeks_equal_days
WITH both_sides AS (
    SELECT scope, scope_id, dimension, week, value, is_rest, gross, clicks, uniques FROM rollup_weeks
    UNION ALL
    SELECT scope, scope_id, dimension, week, value, is_rest, -gross, -clicks, -uniques
    FROM rollup_days
    JOIN closed_weeks ON week = day - (extract(isodow FROM day)::int - 1)
    WHERE scope <> 'link'
), weeks AS (
    SELECT scope, scope_id, dimension, week, value, is_rest, sum(gross) AS gross, sum(clicks) AS clicks, sum(uniques) AS uniques
    FROM both_sides
    GROUP BY 1, 2, 3, 4, 5, 6
), wrong AS (
    SELECT scope || ' ' || scope_id || ' in the week of ' || week || ' ' || dimension || ' '
           || CASE WHEN is_rest THEN '(rest)' ELSE value END AS example
    FROM weeks WHERE (gross, clicks, uniques) <> (0, 0, 0)
)
SELECT (SELECT count(*) FROM weeks) AS examined, (SELECT count(*) FROM wrong) AS violations,
       (SELECT array_agg(example) FROM (SELECT * FROM wrong ORDER BY 1 LIMIT 5) AS few) AS examples;

-- name: sales_equal_raw
-- What was counted of each conversion that is not marked is what it is now; and the rollups are the sum of that.
WITH entries AS (
    SELECT conversion_event_id, click_id, partner_id, sum(conversions) AS conversions, sum(revenue) AS revenue,
           sum(paid) AS paid, sum(first_click) AS first_click, sum(last_click) AS last_click, sum(linear) AS linear,
           sum(time_decay) AS time_decay, sum(position_based) AS position_based
    FROM (
        SELECT conversion_event_id, click_id, partner_id, conversions, revenue, paid, first_click, last_click, linear,
               time_decay, position_based
        FROM sale_entries
        UNION ALL
        SELECT conversion_event_id, click_id, partner_id, -conversions, -revenue, -paid, -first_click, -last_click,
               -linear, -time_decay, -position_based
        FROM sale_facts
    ) AS both_sides
    WHERE conversion_event_id NOT IN (SELECT conversion_event_id FROM sale_marks)
    GROUP BY 1, 2, 3
), alike AS (
    SELECT partner_link_id, partner_id, campaign_id, vendor_id, currency,
           date_trunc('hour', occurred_at, 'UTC') AS hour_at, country_code, device_type, browser, os, referrer_host,
           utm_source, utm_medium, utm_campaign, utm_content, utm_term, sum(conversions) AS conversions,
           sum(revenue) AS revenue, sum(paid) AS paid, sum(first_click) AS first_click, sum(last_click) AS last_click,
           sum(linear) AS linear, sum(time_decay) AS time_decay, sum(position_based) AS position_based
    FROM sale_entries
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16
), scoped AS MATERIALIZED (
    SELECT s.scope, s.scope_id, e.*
    FROM alike e
    CROSS JOIN LATERAL (VALUES ('link', partner_link_id), ('partner', partner_id), ('campaign', campaign_id),
                               ('vendor', vendor_id), ('all', 0)) AS s (scope, scope_id)
    WHERE s.scope_id IS NOT NULL
), hours AS (
    SELECT scope, scope_id, hour_at, currency, sum(conversions) AS conversions, sum(revenue) AS revenue,
           sum(paid) AS paid, sum(first_click) AS first_click, sum(last_click) AS last_click, sum(linear) AS linear,
           sum(time_decay) AS time_decay, sum(position_based) AS position_based
    FROM (
        SELECT scope, scope_id, hour_at, currency, conversions, revenue, paid, first_click, last_click, linear,
               time_decay, position_based
        FROM sale_hours
        UNION ALL
        SELECT scope, scope_id, hour_at, currency, -conversions, -revenue, -paid,
               -first_click, -last_click, -linear, -time_decay, -position_based
        FROM scoped
    ) AS both_sides
    GROUP BY 1, 2, 3, 4
), days AS (
    SELECT scope, scope_id, dimension, day, value, currency, sum(conversions) AS conversions, sum(revenue) AS revenue,
           sum(paid) AS paid, sum(first_click) AS first_click, sum(last_click) AS last_click, sum(linear) AS linear,
           sum(time_decay) AS time_decay, sum(position_based) AS position_based
    FROM (
        SELECT scope, scope_id, dimension, day, value, currency, conversions, revenue, paid, first_click, last_click,
               linear, time_decay, position_based
        FROM sale_days
        UNION ALL
        SELECT scope, scope_id, d.dimension, (hour_at AT TIME ZONE 'UTC')::date, coalesce(d.value, '') COLLATE "C",
               currency, -conversions, -revenue, -paid, -first_click, -last_click, -linear, -time_decay, -position_based
        FROM scoped
        CROSS JOIN LATERAL (VALUES
            ('country', country_code), ('device', device_type), ('browser', browser), ('os', os),
            ('referrer', referrer_host), ('utm_source', utm_source), ('utm_medium', utm_medium),
            ('utm_campaign', utm_campaign), ('utm_content', utm_content), ('utm_term', utm_term),
            ('link', partner_link_id::text), ('partner', partner_id::text), ('campaign', campaign_id::text)
        ) AS d (dimension, value)
        WHERE scope <> 'link' OR d.dimension NOT IN ('link', 'partner', 'campaign')
    ) AS both_sides
    GROUP BY 1, 2, 3, 4, 5, 6
), wrong AS (
    SELECT 'conversion ' || conversion_event_id AS example FROM entries
    WHERE (conversions, revenue, paid, first_click, last_click, linear, time_decay, position_based) <> (0, 0, 0, 0, 0, 0, 0, 0)
    UNION ALL
    SELECT scope || ' ' || scope_id || ' at ' || hour_at || ' ' || currency FROM hours
    WHERE (conversions, revenue, paid, first_click, last_click, linear, time_decay, position_based) <> (0, 0, 0, 0, 0, 0, 0, 0)
    UNION ALL
    SELECT scope || ' ' || scope_id || ' on ' || day || ' ' || dimension || ' ' || value || ' ' || currency FROM days
    WHERE (conversions, revenue, paid, first_click, last_click, linear, time_decay, position_based) <> (0, 0, 0, 0, 0, 0, 0, 0)
)
SELECT (SELECT count(*) FROM entries) + (SELECT count(*) FROM hours) + (SELECT count(*) FROM days) AS examined,
       (SELECT count(*) FROM wrong) AS violations,
       (SELECT array_agg(example) FROM (SELECT * FROM wrong ORDER BY 1 LIMIT 5) AS few) AS examples;
