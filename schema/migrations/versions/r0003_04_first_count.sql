-- What is stored already waits to be folded like anything else. A writer of the version before that is still running
-- does not count: after an upgrade with clicks coming in, `clickledger rollups rebuild` counts what it stored.

SELECT pg_advisory_xact_lock(hashtextextended('clickledger writer', 0));
INSERT INTO click_deltas
SELECT clicked_at, partner_link_id, partner_id, campaign_version_id, 1, click_class, is_unique, country_code, device_type,
       browser, os, referrer_host, utm_source, utm_medium, utm_campaign, utm_content, utm_term
FROM clicks WHERE NOT is_deleted;
INSERT INTO sale_marks SELECT conversion_event_id FROM conversion_events WHERE attribution_state = 'attributed';
