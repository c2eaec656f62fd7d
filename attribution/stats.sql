-- Counted from the clicks themselves; row-level security decides which ones. Parameters shared by all blocks:
-- $1 start, $2 end, $3 starts of the buckets, $4 link or NULL, then the filters, each NULL or a list of values in
-- which '' stands for unknown.

-- name: click_counts
SELECT width_bucket(c.clicked_at, $3::timestamptz[]) AS bucket, c.click_class,
       count(*) AS gross, count(*) FILTER (WHERE c.is_unique AND c.click_class = 'valid') AS uniques
FROM clicks c
LEFT JOIN partner_links l ON l.partner_link_id = c.partner_link_id
LEFT JOIN campaign_versions v ON v.campaign_version_id = c.campaign_version_id
WHERE c.clicked_at >= $1 AND c.clicked_at < $2 AND NOT c.is_deleted
  AND ($4::int IS NULL OR c.partner_link_id = $4)
  AND ($5::text[] IS NULL OR coalesce(c.country_code::text, '') = ANY ($5))
  AND ($6::text[] IS NULL OR coalesce(c.device_type, '') = ANY ($6))
  AND ($7::text[] IS NULL OR coalesce(c.browser, '') = ANY ($7))
  AND ($8::text[] IS NULL OR coalesce(c.os, '') = ANY ($8))
  AND ($9::text[] IS NULL OR coalesce(c.referrer_host, '') = ANY ($9))
  AND ($10::text[] IS NULL OR coalesce(c.utm_source, '') = ANY ($10))
  AND ($11::text[] IS NULL OR coalesce(c.utm_medium, '') = ANY ($11))
  AND ($12::text[] IS NULL OR coalesce(c.utm_campaign, '') = ANY ($12))
  AND ($13::text[] IS NULL OR coalesce(c.utm_content, '') = ANY ($13))
  AND ($14::text[] IS NULL OR coalesce(c.utm_term, '') = ANY ($14))
  AND ($15::text[] IS NULL OR l.short_code = ANY ($15))
  AND ($16::text[] IS NULL OR coalesce(c.partner_id::text, '') = ANY ($16))
  AND ($17::text[] IS NULL OR coalesce(v.campaign_id::text, '') = ANY ($17))
  AND ($18::text[] IS NULL OR c.click_class = ANY ($18))
GROUP BY 1, 2;

-- name: click_breakdown
SELECT CASE $19::text
           WHEN 'country' THEN c.country_code::text
           WHEN 'device' THEN c.device_type
           WHEN 'browser' THEN c.browser
           WHEN 'os' THEN c.os
           WHEN 'referrer' THEN c.referrer_host
           WHEN 'utm_source' THEN c.utm_source
           WHEN 'utm_medium' THEN c.utm_medium
           WHEN 'utm_campaign' THEN c.utm_campaign
           WHEN 'utm_content' THEN c.utm_content
           WHEN 'utm_term' THEN c.utm_term
           WHEN 'link' THEN l.short_code
           WHEN 'partner' THEN c.partner_id::text
           WHEN 'campaign' THEN v.campaign_id::text
           WHEN 'class' THEN c.click_class
       END AS value,
       count(*) FILTER (WHERE c.click_class = 'valid') AS clicks, count(*) AS gross,
       count(*) FILTER (WHERE c.is_unique AND c.click_class = 'valid') AS uniques
FROM clicks c
LEFT JOIN partner_links l ON l.partner_link_id = c.partner_link_id
LEFT JOIN campaign_versions v ON v.campaign_version_id = c.campaign_version_id
WHERE c.clicked_at >= $1 AND c.clicked_at < $2 AND NOT c.is_deleted
  AND ($3::timestamptz[] IS NOT NULL)
  AND ($4::int IS NULL OR c.partner_link_id = $4)
  AND ($5::text[] IS NULL OR coalesce(c.country_code::text, '') = ANY ($5))
  AND ($6::text[] IS NULL OR coalesce(c.device_type, '') = ANY ($6))
  AND ($7::text[] IS NULL OR coalesce(c.browser, '') = ANY ($7))
  AND ($8::text[] IS NULL OR coalesce(c.os, '') = ANY ($8))
  AND ($9::text[] IS NULL OR coalesce(c.referrer_host, '') = ANY ($9))
  AND ($10::text[] IS NULL OR coalesce(c.utm_source, '') = ANY ($10))
  AND ($11::text[] IS NULL OR coalesce(c.utm_medium, '') = ANY ($11))
  AND ($12::text[] IS NULL OR coalesce(c.utm_campaign, '') = ANY ($12))
  AND ($13::text[] IS NULL OR coalesce(c.utm_content, '') = ANY ($13))
  AND ($14::text[] IS NULL OR coalesce(c.utm_term, '') = ANY ($14))
  AND ($15::text[] IS NULL OR l.short_code = ANY ($15))
  AND ($16::text[] IS NULL OR coalesce(c.partner_id::text, '') = ANY ($16))
  AND ($17::text[] IS NULL OR coalesce(v.campaign_id::text, '') = ANY ($17))
  AND ($18::text[] IS NULL OR c.click_class = ANY ($18))
GROUP BY 1
ORDER BY clicks DESC, gross DESC, value
LIMIT $20;

-- name: conversion_counts
-- By the click a conversion was credited to; rejected ones do not count, adjustments change sums but are no conversions.
SELECT width_bucket(e.occurred_at, $3::timestamptz[]) AS bucket, e.currency::text AS currency,
       count(*) FILTER (WHERE e.adjusts_conversion_event_id IS NULL) AS conversions,
       sum(coalesce(e.event_value, 0)) AS revenue,
       sum(CASE WHEN $19::text IS NULL THEN coalesce(e.commission_amount, 0)
                ELSE coalesce((SELECT sum(t.touch_value) FROM touches t
                               WHERE t.conversion_event_id = e.conversion_event_id AND t.converted_at = e.occurred_at
                                 AND t.attribution_type = $19 AND NOT t.is_deleted
                                 AND ($4::int IS NULL OR t.partner_link_id = $4)), 0) END) AS commission
FROM conversion_events e
LEFT JOIN clicks c ON c.click_id = e.click_id AND c.clicked_at = e.clicked_at
LEFT JOIN partner_links l ON l.partner_link_id = c.partner_link_id
LEFT JOIN campaign_versions v ON v.campaign_version_id = e.campaign_version_id
WHERE e.occurred_at >= $1 AND e.occurred_at < $2 AND NOT e.is_deleted AND e.status <> 'rejected'
  AND ($4::int IS NULL OR c.partner_link_id = $4)
  AND ($5::text[] IS NULL OR coalesce(c.country_code::text, '') = ANY ($5))
  AND ($6::text[] IS NULL OR coalesce(c.device_type, '') = ANY ($6))
  AND ($7::text[] IS NULL OR coalesce(c.browser, '') = ANY ($7))
  AND ($8::text[] IS NULL OR coalesce(c.os, '') = ANY ($8))
  AND ($9::text[] IS NULL OR coalesce(c.referrer_host, '') = ANY ($9))
  AND ($10::text[] IS NULL OR coalesce(c.utm_source, '') = ANY ($10))
  AND ($11::text[] IS NULL OR coalesce(c.utm_medium, '') = ANY ($11))
  AND ($12::text[] IS NULL OR coalesce(c.utm_campaign, '') = ANY ($12))
  AND ($13::text[] IS NULL OR coalesce(c.utm_content, '') = ANY ($13))
  AND ($14::text[] IS NULL OR coalesce(c.utm_term, '') = ANY ($14))
  AND ($15::text[] IS NULL OR l.short_code = ANY ($15))
  AND ($16::text[] IS NULL OR coalesce(e.partner_id::text, '') = ANY ($16))
  AND ($17::text[] IS NULL OR coalesce(v.campaign_id::text, '') = ANY ($17))
  AND ($18::text[] IS NULL OR c.click_class = ANY ($18))
GROUP BY 1, 2;

-- name: stored_through
SELECT min(stored_through) AS as_of, extract(epoch FROM clock_timestamp() - min(stored_through))::float8 AS lag_s
FROM writer_watermarks;
