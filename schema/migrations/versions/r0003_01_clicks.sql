-- Rollups of clicks: exact counts by hour, and by day and dimension, for every link, partner, campaign and vendor and for
-- all together.
--
-- The writer only appends: in the transaction that stores a click it adds a row to click_deltas. `fold_clicks` takes
-- those rows, adds them up and into the rollups, in one statement. A reader adds what is not folded yet to what is, in
-- one statement too, and so sees every stored click exactly once at any moment. Folding seldom makes it cheap: ten
-- thousand clicks on one link are one row of an hour.
--
-- Whatever changes a stored click (reclassification, erasure) appends the old row with weight -1 and the new one with 1.

CREATE TABLE click_deltas (
    clicked_at timestamptz NOT NULL,
    partner_link_id integer NOT NULL,
    partner_id integer,
    campaign_version_id integer,
    weight smallint NOT NULL DEFAULT 1 CONSTRAINT click_deltas_weight_known CHECK (weight IN (-1, 1)),
    click_class text NOT NULL,
    is_unique boolean NOT NULL,
    country_code text,
    device_type text,
    browser text,
    os text,
    referrer_host text,
    utm_source text,
    utm_medium text,
    utm_campaign text,
    utm_content text,
    utm_term text
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_insert_threshold = -1);

COMMENT ON TABLE click_deltas IS 'Clicks that are stored and not yet in the rollups, and corrections of some that are. Emptied by fold_clicks within a second or so.';
COMMENT ON COLUMN click_deltas.clicked_at IS 'When the click happened.';
COMMENT ON COLUMN click_deltas.partner_link_id IS 'The link.';
COMMENT ON COLUMN click_deltas.partner_id IS 'Its partner, as in clicks.';
COMMENT ON COLUMN click_deltas.campaign_version_id IS 'The terms, as in clicks.';
COMMENT ON COLUMN click_deltas.weight IS '1: it counts; -1: as it is described here it no longer counts.';
COMMENT ON COLUMN click_deltas.click_class IS 'As in clicks.';
COMMENT ON COLUMN click_deltas.is_unique IS 'As in clicks.';
COMMENT ON COLUMN click_deltas.country_code IS 'As in clicks.';
COMMENT ON COLUMN click_deltas.device_type IS 'As in clicks.';
COMMENT ON COLUMN click_deltas.browser IS 'As in clicks.';
COMMENT ON COLUMN click_deltas.os IS 'As in clicks.';
COMMENT ON COLUMN click_deltas.referrer_host IS 'As in clicks.';
COMMENT ON COLUMN click_deltas.utm_source IS 'As in clicks.';
COMMENT ON COLUMN click_deltas.utm_medium IS 'As in clicks.';
COMMENT ON COLUMN click_deltas.utm_campaign IS 'As in clicks.';
COMMENT ON COLUMN click_deltas.utm_content IS 'As in clicks.';
COMMENT ON COLUMN click_deltas.utm_term IS 'As in clicks.';

CREATE TABLE rollup_hours (
    scope text COLLATE "C" NOT NULL CONSTRAINT rollup_hours_scope_known
        CHECK (scope IN ('link', 'partner', 'campaign', 'vendor', 'all')),
    scope_id integer NOT NULL,
    hour_at timestamptz NOT NULL,
    vendor_id integer,
    partner_id integer,
    uniques integer NOT NULL,
    valid integer NOT NULL,
    bot integer NOT NULL,
    prefetch integer NOT NULL,
    head integer NOT NULL,
    double integer NOT NULL,
    datacenter integer NOT NULL,
    noconsent integer NOT NULL,
    PRIMARY KEY (scope, scope_id, hour_at)
) WITH (fillfactor = 80);
CREATE INDEX rollup_hours_hour_idx ON rollup_hours USING brin (hour_at);

COMMENT ON TABLE rollup_hours IS 'Stored clicks by hour (UTC) and class, for each link, partner, campaign, vendor, and all. Outlives the partitions of clicks.';
COMMENT ON COLUMN rollup_hours.scope IS 'Whose clicks: link, partner, campaign, vendor, or all.';
COMMENT ON COLUMN rollup_hours.scope_id IS 'Number of that link, partner, campaign or vendor; 0 for all.';
COMMENT ON COLUMN rollup_hours.hour_at IS 'Begin of the hour.';
COMMENT ON COLUMN rollup_hours.vendor_id IS 'The vendor that may see the row.';
COMMENT ON COLUMN rollup_hours.partner_id IS 'The partner that may see the row.';
COMMENT ON COLUMN rollup_hours.uniques IS 'Valid clicks that are the first of their visitor on the link within 24 hours.';
COMMENT ON COLUMN rollup_hours.valid IS 'Clicks of that class.';
COMMENT ON COLUMN rollup_hours.bot IS 'Clicks of that class.';
COMMENT ON COLUMN rollup_hours.prefetch IS 'Clicks of that class.';
COMMENT ON COLUMN rollup_hours.head IS 'Clicks of that class.';
COMMENT ON COLUMN rollup_hours.double IS 'Clicks of that class.';
COMMENT ON COLUMN rollup_hours.datacenter IS 'Clicks of that class.';
COMMENT ON COLUMN rollup_hours.noconsent IS 'Clicks of that class.';

CREATE TABLE rollup_days (
    scope text COLLATE "C" NOT NULL CONSTRAINT rollup_days_scope_known
        CHECK (scope IN ('link', 'partner', 'campaign', 'vendor', 'all')),
    scope_id integer NOT NULL,
    dimension text COLLATE "C" NOT NULL CONSTRAINT rollup_days_dimension_known
        CHECK (dimension IN ('country', 'device', 'browser', 'os', 'referrer', 'utm_source', 'utm_medium', 'utm_campaign',
                             'utm_content', 'utm_term', 'link', 'partner', 'campaign')),
    day date NOT NULL,
    value text COLLATE "C" NOT NULL,
    is_rest boolean NOT NULL DEFAULT false,
    vendor_id integer,
    partner_id integer,
    gross integer NOT NULL,
    clicks integer NOT NULL,
    uniques integer NOT NULL,
    PRIMARY KEY (scope, scope_id, dimension, day, value, is_rest)
) WITH (fillfactor = 80);
CREATE INDEX rollup_days_day_idx ON rollup_days USING brin (day);
CREATE INDEX rollup_days_rest_idx ON rollup_days (scope, scope_id, dimension, day) WHERE is_rest;

COMMENT ON TABLE rollup_days IS 'Stored clicks by day (UTC), dimension and value, for each link, partner, campaign, vendor, and all. Where a day has more than a thousand values, the largest thousand keep their rows and the rest share one.';
COMMENT ON COLUMN rollup_days.scope IS 'Whose clicks: link, partner, campaign, vendor, or all.';
COMMENT ON COLUMN rollup_days.scope_id IS 'Number of that link, partner, campaign or vendor; 0 for all.';
COMMENT ON COLUMN rollup_days.dimension IS 'country, device, browser, os, referrer, a utm field; beyond a link also link, partner, campaign.';
COMMENT ON COLUMN rollup_days.day IS 'The day.';
COMMENT ON COLUMN rollup_days.value IS 'The value; a number for link, partner and campaign; empty where unknown.';
COMMENT ON COLUMN rollup_days.is_rest IS 'Whether this is the row of all values that have none of their own. Once a day has one, no value gets a new row.';
COMMENT ON COLUMN rollup_days.vendor_id IS 'The vendor that may see the row.';
COMMENT ON COLUMN rollup_days.partner_id IS 'The partner that may see the row.';
COMMENT ON COLUMN rollup_days.gross IS 'Clicks of every class.';
COMMENT ON COLUMN rollup_days.clicks IS 'Valid clicks.';
COMMENT ON COLUMN rollup_days.uniques IS 'Unique clicks.';

CREATE FUNCTION lock_rollups() RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(hashtextextended('clickledger rollups', 0))
$$;
COMMENT ON FUNCTION lock_rollups() IS 'Holds everything that changes rollups until commit: one at a time.';

CREATE FUNCTION fold_clicks(rows_max integer) RETURNS integer
LANGUAGE plpgsql SET search_path = public, pg_temp SET jit = off SET work_mem = '64MB' AS $$
DECLARE
    folded integer;
BEGIN
    PERFORM lock_rollups();
    WITH taken AS MATERIALIZED (
        DELETE FROM click_deltas
        WHERE ctid = ANY (ARRAY(SELECT ctid FROM click_deltas LIMIT rows_max))
        RETURNING *
    ), facts AS MATERIALIZED (
        SELECT t.*, v.campaign_id, coalesce(c.vendor_id, l.vendor_id) AS vendor_id,
               weight * (click_class = 'valid')::integer AS clicks,
               weight * (click_class = 'valid' AND is_unique)::integer AS uniques
        FROM taken t
        LEFT JOIN campaign_versions v USING (campaign_version_id)
        LEFT JOIN campaigns c USING (campaign_id)
        LEFT JOIN partner_links l USING (partner_link_id)
    ), link_hours AS MATERIALIZED (
        SELECT partner_link_id, partner_id, campaign_id, vendor_id, date_trunc('hour', clicked_at, 'UTC') AS hour_at,
               sum(uniques) AS uniques, sum(clicks) AS valid,
               coalesce(sum(weight) FILTER (WHERE click_class = 'bot'), 0) AS bot,
               coalesce(sum(weight) FILTER (WHERE click_class = 'prefetch'), 0) AS prefetch,
               coalesce(sum(weight) FILTER (WHERE click_class = 'head'), 0) AS head,
               coalesce(sum(weight) FILTER (WHERE click_class = 'double'), 0) AS double,
               coalesce(sum(weight) FILTER (WHERE click_class = 'datacenter'), 0) AS datacenter,
               coalesce(sum(weight) FILTER (WHERE click_class = 'noconsent'), 0) AS noconsent
        FROM facts GROUP BY 1, 2, 3, 4, 5
    ), added_hours AS (
        INSERT INTO rollup_hours AS r
        SELECT s.scope, s.scope_id, hour_at, min(s.vendor), min(s.partner), sum(uniques), sum(valid), sum(bot),
               sum(prefetch), sum(head), sum(double), sum(datacenter), sum(noconsent)
        FROM link_hours
        CROSS JOIN LATERAL (VALUES
            ('link', partner_link_id, vendor_id, partner_id), ('partner', partner_id, NULL, partner_id),
            ('campaign', campaign_id, vendor_id, NULL), ('vendor', vendor_id, vendor_id, NULL), ('all', 0, NULL, NULL)
        ) AS s (scope, scope_id, vendor, partner)
        WHERE s.scope_id IS NOT NULL
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT (scope, scope_id, hour_at) DO UPDATE SET
            uniques = r.uniques + EXCLUDED.uniques, valid = r.valid + EXCLUDED.valid, bot = r.bot + EXCLUDED.bot,
            prefetch = r.prefetch + EXCLUDED.prefetch, head = r.head + EXCLUDED.head,
            double = r.double + EXCLUDED.double, datacenter = r.datacenter + EXCLUDED.datacenter,
            noconsent = r.noconsent + EXCLUDED.noconsent
    ), link_days AS MATERIALIZED (
        SELECT partner_link_id, partner_id, campaign_id, vendor_id, (clicked_at AT TIME ZONE 'UTC')::date AS day,
               d.dimension, d.value, sum(weight) AS gross, sum(clicks) AS clicks, sum(uniques) AS uniques
        FROM facts
        CROSS JOIN LATERAL (VALUES
            ('country', country_code), ('device', device_type), ('browser', browser), ('os', os),
            ('referrer', referrer_host), ('utm_source', utm_source), ('utm_medium', utm_medium),
            ('utm_campaign', utm_campaign), ('utm_content', utm_content), ('utm_term', utm_term)
        ) AS d (dimension, value)
        GROUP BY 1, 2, 3, 4, 5, 6, 7
    ), parts AS (
        SELECT s.scope, s.scope_id, dimension, day, coalesce(value, '') COLLATE "C" AS value, s.vendor, s.partner,
               gross, clicks, uniques
        FROM link_days
        CROSS JOIN LATERAL (VALUES
            ('link', partner_link_id, vendor_id, partner_id), ('partner', partner_id, NULL, partner_id),
            ('campaign', campaign_id, vendor_id, NULL), ('vendor', vendor_id, vendor_id, NULL), ('all', 0, NULL, NULL)
        ) AS s (scope, scope_id, vendor, partner)
        WHERE s.scope_id IS NOT NULL
        UNION ALL
        SELECT s.scope, s.scope_id, d.dimension, day, coalesce(d.value, ''), s.vendor, s.partner, gross, clicks, uniques
        FROM (SELECT partner_link_id, partner_id, campaign_id, vendor_id, day, sum(gross) AS gross,
                     sum(clicks) AS clicks, sum(uniques) AS uniques
              FROM link_days WHERE dimension = 'country' GROUP BY 1, 2, 3, 4, 5) AS totals
        CROSS JOIN LATERAL (VALUES
            ('link', partner_link_id, vendor_id, partner_id), ('partner', partner_id, NULL, partner_id),
            ('campaign', campaign_id, vendor_id, NULL), ('vendor', vendor_id, vendor_id, NULL), ('all', 0, NULL, NULL)
        ) AS s (scope, scope_id, vendor, partner)
        CROSS JOIN LATERAL (VALUES ('link', partner_link_id::text), ('partner', partner_id::text),
                                   ('campaign', campaign_id::text)) AS d (dimension, value)
        WHERE s.scope <> 'link' AND s.scope_id IS NOT NULL
    ), sums AS MATERIALIZED (
        SELECT scope, scope_id, dimension, day, value, min(vendor) AS vendor, min(partner) AS partner,
               sum(gross) AS gross, sum(clicks) AS clicks, sum(uniques) AS uniques
        FROM parts GROUP BY 1, 2, 3, 4, 5
    ), resting AS MATERIALIZED (
        -- Values without a row of their own, of days that are cut to their largest.
        SELECT scope, scope_id, dimension, day, sums.value
        FROM rollup_days r JOIN sums USING (scope, scope_id, dimension, day)
        WHERE r.is_rest AND NOT EXISTS (
            SELECT FROM rollup_days o
            WHERE (o.scope, o.scope_id, o.dimension, o.day, o.value)
                  = (sums.scope, sums.scope_id, sums.dimension, sums.day, sums.value) AND NOT o.is_rest)
    ), added_days AS (
        INSERT INTO rollup_days AS r
        SELECT sums.scope, sums.scope_id, sums.dimension, sums.day, CASE WHEN resting.value IS NULL THEN sums.value ELSE '' END,
               resting.value IS NOT NULL, min(vendor), min(partner), sum(gross), sum(clicks), sum(uniques)
        FROM sums LEFT JOIN resting ON (resting.scope, resting.scope_id, resting.dimension, resting.day, resting.value)
            = (sums.scope, sums.scope_id, sums.dimension, sums.day, sums.value)
        GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5
        ON CONFLICT (scope, scope_id, dimension, day, value, is_rest) DO UPDATE SET
            gross = r.gross + EXCLUDED.gross, clicks = r.clicks + EXCLUDED.clicks, uniques = r.uniques + EXCLUDED.uniques
    )
    SELECT count(*) INTO folded FROM taken;
    RETURN folded;
END
$$;
COMMENT ON FUNCTION fold_clicks(integer) IS 'Takes up to so many click_deltas into the rollups and returns how many. Changes nothing a reader sees.';

CREATE FUNCTION bound_rollups(values_max integer, since date) RETURNS integer
LANGUAGE plpgsql SET search_path = public, pg_temp SET jit = off AS $$
DECLARE
    cut integer;
BEGIN
    PERFORM lock_rollups();
    WITH crowded AS (
        SELECT scope, scope_id, dimension, day FROM rollup_days
        WHERE day >= since AND NOT is_rest AND dimension NOT IN ('link', 'partner', 'campaign')
        GROUP BY 1, 2, 3, 4 HAVING count(*) > values_max
    ), ranked AS (
        SELECT r.scope, r.scope_id, r.dimension, r.day, r.value,
               row_number() OVER (PARTITION BY r.scope, r.scope_id, r.dimension, r.day
                                  ORDER BY r.gross DESC, r.clicks DESC, r.value) AS place
        FROM rollup_days r JOIN crowded USING (scope, scope_id, dimension, day)
        WHERE NOT r.is_rest
    ), gone AS (
        DELETE FROM rollup_days r USING ranked
        WHERE (r.scope, r.scope_id, r.dimension, r.day, r.value)
              = (ranked.scope, ranked.scope_id, ranked.dimension, ranked.day, ranked.value)
          AND NOT r.is_rest AND ranked.place > values_max
        RETURNING r.*
    ), added AS (
        INSERT INTO rollup_days AS r
        SELECT scope, scope_id, dimension, day, '', true, min(vendor_id), min(partner_id), sum(gross), sum(clicks),
               sum(uniques)
        FROM gone GROUP BY 1, 2, 3, 4
        ON CONFLICT (scope, scope_id, dimension, day, value, is_rest) DO UPDATE SET
            gross = r.gross + EXCLUDED.gross, clicks = r.clicks + EXCLUDED.clicks, uniques = r.uniques + EXCLUDED.uniques
    )
    SELECT count(*) INTO cut FROM gone;
    RETURN cut;
END
$$;
COMMENT ON FUNCTION bound_rollups(integer, date) IS 'Of every day since then with more values than allowed, keeps the rows of the largest and puts the rest into one. Returns rows removed.';
