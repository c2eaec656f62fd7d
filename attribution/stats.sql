-- Stats that the rollups cannot answer, counted from the clicks themselves: combinations of filters. $1 and $2 say whose,
-- as in rollups.sql; $3 to $4 is the period, $5 the seconds at which its steps begin. The filters, $6 to $16, are each NULL or a list of
-- values in which '' stands for unknown; $17 and what follows is the block's own.

-- name: click_counts
SELECT coalesce(array_agg(bucket), '{}') AS bucket, coalesce(array_agg(valid), '{}') AS valid,
       coalesce(array_agg(uniques), '{}') AS uniques,
       coalesce(array_agg(valid * ($17::int[])[1] + bot * $17[2] + prefetch * $17[3] + head * $17[4] + double * $17[5]
                          + datacenter * $17[6] + noconsent * $17[7]), '{}') AS gross,
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
    FROM clicks c
    WHERE c.clicked_at >= $3 AND c.clicked_at < $4 AND NOT c.is_deleted
      AND ($1::text IN ('all', 'vendor') OR ($1 = 'link' AND c.partner_link_id = ANY ($2::int[]))
           OR ($1 = 'partner' AND c.partner_id = ANY ($2))
           OR ($1 = 'campaign' AND c.campaign_version_id IN (
                   SELECT campaign_version_id FROM campaign_versions WHERE campaign_id = ANY ($2))))
      AND ($6::text[] IS NULL OR coalesce(c.country_code::text, '') = ANY ($6))
      AND ($7::text[] IS NULL OR coalesce(c.device_type, '') = ANY ($7))
      AND ($8::text[] IS NULL OR coalesce(c.browser, '') = ANY ($8))
      AND ($9::text[] IS NULL OR coalesce(c.os, '') = ANY ($9))
      AND ($10::text[] IS NULL OR coalesce(c.referrer_host, '') = ANY ($10))
      AND ($11::text[] IS NULL OR coalesce(c.utm_source, '') = ANY ($11))
      AND ($12::text[] IS NULL OR coalesce(c.utm_medium, '') = ANY ($12))
      AND ($13::text[] IS NULL OR coalesce(c.utm_campaign, '') = ANY ($13))
      AND ($14::text[] IS NULL OR coalesce(c.utm_content, '') = ANY ($14))
      AND ($15::text[] IS NULL OR coalesce(c.utm_term, '') = ANY ($15))
      AND ($16::text[] IS NULL OR c.click_class = ANY ($16))
    GROUP BY 1
) AS steps;

-- name: click_breakdown
SELECT coalesce(CASE $17::text
           WHEN 'country' THEN c.country_code::text WHEN 'device' THEN c.device_type WHEN 'browser' THEN c.browser
           WHEN 'os' THEN c.os WHEN 'referrer' THEN c.referrer_host WHEN 'utm_source' THEN c.utm_source
           WHEN 'utm_medium' THEN c.utm_medium WHEN 'utm_campaign' THEN c.utm_campaign
           WHEN 'utm_content' THEN c.utm_content WHEN 'utm_term' THEN c.utm_term
           WHEN 'link' THEN c.partner_link_id::text WHEN 'partner' THEN c.partner_id::text
           WHEN 'campaign' THEN (SELECT v.campaign_id::text FROM campaign_versions v
                                 WHERE v.campaign_version_id = c.campaign_version_id)
       END, '') COLLATE "C" AS value, false AS is_rest, count(*) AS gross,
       count(*) FILTER (WHERE c.click_class = 'valid') AS clicks,
       count(*) FILTER (WHERE c.is_unique AND c.click_class = 'valid') AS uniques
FROM clicks c
WHERE c.clicked_at >= $3 AND c.clicked_at < $4 AND NOT c.is_deleted AND $5::text IS NOT NULL
  AND ($1::text IN ('all', 'vendor') OR ($1 = 'link' AND c.partner_link_id = ANY ($2::int[]))
       OR ($1 = 'partner' AND c.partner_id = ANY ($2))
       OR ($1 = 'campaign' AND c.campaign_version_id IN (
               SELECT campaign_version_id FROM campaign_versions WHERE campaign_id = ANY ($2))))
  AND ($6::text[] IS NULL OR coalesce(c.country_code::text, '') = ANY ($6))
  AND ($7::text[] IS NULL OR coalesce(c.device_type, '') = ANY ($7))
  AND ($8::text[] IS NULL OR coalesce(c.browser, '') = ANY ($8))
  AND ($9::text[] IS NULL OR coalesce(c.os, '') = ANY ($9))
  AND ($10::text[] IS NULL OR coalesce(c.referrer_host, '') = ANY ($10))
  AND ($11::text[] IS NULL OR coalesce(c.utm_source, '') = ANY ($11))
  AND ($12::text[] IS NULL OR coalesce(c.utm_medium, '') = ANY ($12))
  AND ($13::text[] IS NULL OR coalesce(c.utm_campaign, '') = ANY ($13))
  AND ($14::text[] IS NULL OR coalesce(c.utm_content, '') = ANY ($14))
  AND ($15::text[] IS NULL OR coalesce(c.utm_term, '') = ANY ($15))
  AND ($16::text[] IS NULL OR c.click_class = ANY ($16))
GROUP BY 1
ORDER BY clicks DESC, gross DESC, value
LIMIT $18;

-- name: sale_counts
-- By step, currency and, unless $17 is NULL, the value of that dimension; commission under the model $18 or the one that
-- pays. What is known of a conversion's click is kept with it, so no click is read.
SELECT width_bucket(date_part('epoch', s.occurred_at), (SELECT $5::text::float8[])) AS bucket, s.currency,
       coalesce(CASE $17::text
           WHEN 'country' THEN s.country_code WHEN 'device' THEN s.device_type WHEN 'browser' THEN s.browser
           WHEN 'os' THEN s.os WHEN 'referrer' THEN s.referrer_host WHEN 'utm_source' THEN s.utm_source
           WHEN 'utm_medium' THEN s.utm_medium WHEN 'utm_campaign' THEN s.utm_campaign
           WHEN 'utm_content' THEN s.utm_content WHEN 'utm_term' THEN s.utm_term
           WHEN 'link' THEN s.partner_link_id::text WHEN 'partner' THEN s.partner_id::text
           WHEN 'campaign' THEN s.campaign_id::text
       END, '') AS value, sum(s.conversions)::bigint AS conversions, sum(s.revenue) AS revenue,
       sum(CASE $18::text WHEN 'first_click' THEN first_click WHEN 'last_click' THEN last_click WHEN 'linear' THEN linear
               WHEN 'time_decay' THEN time_decay WHEN 'position_based' THEN position_based ELSE paid END) AS commission
FROM (
    SELECT f.* FROM sale_facts f
    WHERE f.conversion_event_id = ANY (ARRAY(SELECT conversion_event_id FROM sale_marks))
    UNION ALL
    SELECT e.* FROM sale_entries e
    WHERE NOT EXISTS (SELECT FROM sale_marks m WHERE m.conversion_event_id = e.conversion_event_id)
) AS s
WHERE s.occurred_at >= $3 AND s.occurred_at < $4
  AND ($1::text = 'all' OR ($1 = 'vendor' AND s.vendor_id = ANY ($2::int[])) OR ($1 = 'link' AND s.partner_link_id = ANY ($2))
       OR ($1 = 'partner' AND s.partner_id = ANY ($2)) OR ($1 = 'campaign' AND s.campaign_id = ANY ($2)))
  AND ($6::text[] IS NULL OR coalesce(s.country_code, '') = ANY ($6))
  AND ($7::text[] IS NULL OR coalesce(s.device_type, '') = ANY ($7))
  AND ($8::text[] IS NULL OR coalesce(s.browser, '') = ANY ($8))
  AND ($9::text[] IS NULL OR coalesce(s.os, '') = ANY ($9))
  AND ($10::text[] IS NULL OR coalesce(s.referrer_host, '') = ANY ($10))
  AND ($11::text[] IS NULL OR coalesce(s.utm_source, '') = ANY ($11))
  AND ($12::text[] IS NULL OR coalesce(s.utm_medium, '') = ANY ($12))
  AND ($13::text[] IS NULL OR coalesce(s.utm_campaign, '') = ANY ($13))
  AND ($14::text[] IS NULL OR coalesce(s.utm_content, '') = ANY ($14))
  AND ($15::text[] IS NULL OR coalesce(s.utm_term, '') = ANY ($15))
  AND ($16::text[] IS NULL OR 'valid' = ANY ($16))
GROUP BY 1, 2, 3;
