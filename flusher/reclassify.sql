-- Classes decided anew by today's rules. One transaction a slice, under the writers' lock.

-- name: agents_by_class
-- User agents of stored clicks, and whether any of their clicks counts as a robot's or as a visitor's.
SELECT coalesce(user_agent, '') AS user_agent, bool_or(click_class = 'bot') AS is_bot,
       bool_or(click_class <> 'bot') AS is_visitor
FROM clicks
WHERE clicked_at >= $1::timestamptz AND click_class IN ('valid', 'double', 'bot') AND NOT is_deleted
GROUP BY 1;

-- name: wrong_clicks
-- The next clicks whose class is not what their user agent ($4, with its rule in $5) says. The newest minute is left to the writer, which
-- remembers what it has just stored.
SELECT k.click_id, k.clicked_at, k.partner_link_id, k.cookie_id::text AS cookie_id, k.visitor_hash
FROM clicks k
JOIN unnest($4::text[], $5::text[]) AS a (user_agent, bot_rule) ON a.user_agent = coalesce(k.user_agent, '')
WHERE k.clicked_at >= $1::timestamptz AND k.clicked_at < now() - interval '1 minute' AND k.click_id > $2 AND NOT k.is_deleted
  AND k.click_class = ANY (CASE WHEN a.bot_rule IS NULL THEN ARRAY['bot'] ELSE ARRAY['valid', 'double'] END)
ORDER BY k.click_id
LIMIT $3;

-- name: clicks_of_visitors
-- Every click from a moment on that one of these names may have made, with the rule that recognises its user agent now.
SELECT k.click_id, k.partner_link_id, k.partner_id, k.campaign_version_id, k.cookie_id::text AS cookie_id, k.visitor_hash,
       k.click_class, k.class_reason, k.is_unique, a.user_agent IS NOT NULL AS is_changed, a.bot_rule
FROM (
    SELECT c.* FROM unnest($1::int[], $2::uuid[]) AS wanted (link_id, cookie_id)
    JOIN clicks c ON c.cookie_id = wanted.cookie_id AND c.partner_link_id = wanted.link_id AND c.clicked_at >= $5::timestamptz
    UNION
    SELECT c.* FROM unnest($3::int[], $4::bigint[]) AS wanted (link_id, visitor_hash)
    JOIN clicks c ON c.partner_link_id = wanted.link_id AND c.visitor_hash = wanted.visitor_hash
        AND c.clicked_at >= $5 AND c.click_class IN ('valid', 'double', 'bot')
    UNION
    SELECT c.* FROM unnest($6::bigint[], $7::timestamptz[]) AS wanted (click_id, clicked_at)
    JOIN clicks c ON c.click_id = wanted.click_id AND c.clicked_at = wanted.clicked_at
) AS k
LEFT JOIN unnest($8::text[], $9::text[]) AS a (user_agent, bot_rule) ON a.user_agent = coalesce(k.user_agent, '')
WHERE k.click_class IN ('valid', 'double', 'bot') AND NOT k.is_deleted
ORDER BY k.click_id;

-- name: note_deltas
INSERT INTO click_deltas
SELECT k.clicked_at, k.partner_link_id, k.partner_id, k.campaign_version_id, $3::int, k.click_class, k.is_unique,
       k.country_code, k.device_type, k.browser, k.os, k.referrer_host, k.utm_source, k.utm_medium, k.utm_campaign,
       k.utm_content, k.utm_term
FROM unnest($1::bigint[], $2::timestamptz[]) AS changed (click_id, clicked_at)
JOIN clicks k ON k.click_id = changed.click_id AND k.clicked_at = changed.clicked_at;

-- name: set_classes
UPDATE clicks SET click_class = w.click_class, class_reason = w.class_reason, is_unique = w.is_unique
FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::boolean[])
    AS w (click_id, clicked_at, click_class, class_reason, is_unique)
WHERE clicks.click_id = w.click_id AND clicks.clicked_at = w.clicked_at;

-- name: forget_clicks_of_cookies
-- Cookies that have no valid click left: their next one begins a new life.
UPDATE cookies SET first_click_id = NULL, first_partner_id = NULL, last_click_id = NULL, last_partner_id = NULL,
    last_campaign_version_id = NULL, updated_at = now()
WHERE cookie_id = ANY ($1::uuid[]);

-- name: move_totals
UPDATE campaign_partners e SET
    total_clicks = e.total_clicks + w.clicks,
    last_click_at = (
        SELECT max(newest.clicked_at)
        FROM partner_links l CROSS JOIN LATERAL (
            SELECT clicked_at FROM clicks c
            WHERE c.partner_link_id = l.partner_link_id AND c.partner_id = e.partner_id
              AND c.campaign_version_id = e.campaign_version_id AND c.click_class = 'valid'
            ORDER BY clicked_at DESC LIMIT 1) AS newest
        WHERE l.campaign_partner_id IN (SELECT campaign_partner_id FROM campaign_partners s WHERE s.partner_id = e.partner_id))
FROM (SELECT * FROM unnest($1::int[], $2::int[], $3::int[]) AS moved (campaign_version_id, partner_id, clicks)) AS w
WHERE e.campaign_version_id = w.campaign_version_id AND e.partner_id = w.partner_id AND NOT e.is_deleted;

-- name: note_for_ledger
-- The ledger looks again at conversions after these clicks; approved ones stay as they are.
INSERT INTO late_clicks (click_id, clicked_at, cookie_id)
SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::uuid[])
ON CONFLICT DO NOTHING;

-- name: moment
SELECT now();

-- name: audit
INSERT INTO audit_logs (entity_type, entity_id, action, actor_type, changes, reason)
VALUES ('clicks', $1, 'reclassify', 'system', $2::jsonb, $3);
