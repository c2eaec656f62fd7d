-- Rollups of conversions: how many, their revenue, and the commission they earn, under the model that pays and under
-- each of the five, by hour and by day and dimension.
--
-- A conversion is many rows (itself, and its touches) that change for many reasons: attributed again, rejected,
-- refunded. So triggers only note its number in sale_marks, where nobody can forget to, and `fold_sales` brings its
-- part in the rollups from what it was (sale_entries) to what it is (the view sale_facts).
--
-- Sales count where they count in the totals of enrolments: attributed, not rejected, not deleted, with a commission.

CREATE VIEW sale_facts WITH (security_invoker = true) AS
SELECT p.conversion_event_id, p.click_id, p.occurred_at, p.vendor_id, coalesce(max(p.partner_link_id), max(k.partner_link_id)) AS partner_link_id,
       p.partner_id, p.campaign_version_id, v.campaign_id, p.currency,
       max(k.country_code::text) AS country_code, max(k.device_type) AS device_type, max(k.browser) AS browser,
       max(k.os) AS os, max(k.referrer_host) AS referrer_host, max(k.utm_source) AS utm_source,
       max(k.utm_medium) AS utm_medium, max(k.utm_campaign) AS utm_campaign, max(k.utm_content) AS utm_content,
       max(k.utm_term) AS utm_term, bool_or(k.click_id IS NOT NULL) AS is_click_there,
       sum(p.conversions)::integer AS conversions, sum(p.revenue)::numeric(22, 4) AS revenue,
       sum(p.paid)::numeric(22, 4) AS paid, sum(p.first_click)::numeric(22, 4) AS first_click,
       sum(p.last_click)::numeric(22, 4) AS last_click, sum(p.linear)::numeric(22, 4) AS linear,
       sum(p.time_decay)::numeric(22, 4) AS time_decay, sum(p.position_based)::numeric(22, 4) AS position_based
FROM (
    SELECT e.conversion_event_id, e.click_id, e.clicked_at, e.occurred_at, e.vendor_id, NULL::integer AS partner_link_id,
           e.partner_id, e.campaign_version_id, e.currency::text AS currency,
           (e.adjusts_conversion_event_id IS NULL AND e.campaign_milestone_id IS NULL)::integer AS conversions,
           CASE WHEN e.campaign_milestone_id IS NULL THEN coalesce(e.event_value, 0) ELSE 0 END AS revenue,
           0 AS paid, 0 AS first_click, 0 AS last_click, 0 AS linear, 0 AS time_decay, 0 AS position_based
    FROM conversion_events e
    WHERE e.attribution_state = 'attributed' AND e.status <> 'rejected' AND NOT e.is_deleted
      AND e.commission_type IS NOT NULL
    UNION ALL
    SELECT e.conversion_event_id, t.click_id, t.occurred_at, e.occurred_at, e.vendor_id, t.partner_link_id, t.partner_id,
           t.campaign_version_id, e.currency::text, 0, 0,
           CASE WHEN t.attribution_type = e.attribution_type THEN t.touch_value ELSE 0 END,
           CASE t.attribution_type WHEN 'first_click' THEN t.touch_value ELSE 0 END,
           CASE t.attribution_type WHEN 'last_click' THEN t.touch_value ELSE 0 END,
           CASE t.attribution_type WHEN 'linear' THEN t.touch_value ELSE 0 END,
           CASE t.attribution_type WHEN 'time_decay' THEN t.touch_value ELSE 0 END,
           CASE t.attribution_type WHEN 'position_based' THEN t.touch_value ELSE 0 END
    FROM conversion_events e
    JOIN touches t ON t.conversion_event_id = e.conversion_event_id AND t.converted_at = e.occurred_at
        AND NOT t.is_deleted
    WHERE e.attribution_state = 'attributed' AND e.status <> 'rejected' AND NOT e.is_deleted
) AS p
LEFT JOIN clicks k ON k.click_id = p.click_id AND k.clicked_at = p.clicked_at
LEFT JOIN campaign_versions v ON v.campaign_version_id = p.campaign_version_id
GROUP BY p.conversion_event_id, p.click_id, p.occurred_at, p.vendor_id, p.partner_id, p.campaign_version_id, v.campaign_id, p.currency;

COMMENT ON VIEW sale_facts IS 'What each conversion adds to the rollups now, one row a click it is credited to.';
COMMENT ON COLUMN sale_facts.conversion_event_id IS 'The conversion.';
COMMENT ON COLUMN sale_facts.click_id IS 'The click; empty for a coupon or milestone without one.';
COMMENT ON COLUMN sale_facts.occurred_at IS 'When the conversion happened.';
COMMENT ON COLUMN sale_facts.vendor_id IS 'Who reported it.';
COMMENT ON COLUMN sale_facts.partner_link_id IS 'The link clicked.';
COMMENT ON COLUMN sale_facts.partner_id IS 'Who is credited.';
COMMENT ON COLUMN sale_facts.campaign_version_id IS 'Under which terms.';
COMMENT ON COLUMN sale_facts.campaign_id IS 'Their campaign.';
COMMENT ON COLUMN sale_facts.currency IS 'ISO 4217.';
COMMENT ON COLUMN sale_facts.country_code IS 'Of the click.';
COMMENT ON COLUMN sale_facts.device_type IS 'Of the click.';
COMMENT ON COLUMN sale_facts.browser IS 'Of the click.';
COMMENT ON COLUMN sale_facts.os IS 'Of the click.';
COMMENT ON COLUMN sale_facts.referrer_host IS 'Of the click.';
COMMENT ON COLUMN sale_facts.utm_source IS 'Of the click.';
COMMENT ON COLUMN sale_facts.utm_medium IS 'Of the click.';
COMMENT ON COLUMN sale_facts.utm_campaign IS 'Of the click.';
COMMENT ON COLUMN sale_facts.utm_content IS 'Of the click.';
COMMENT ON COLUMN sale_facts.utm_term IS 'Of the click.';
COMMENT ON COLUMN sale_facts.is_click_there IS 'Whether the click is still stored, so that what is said of it is so.';
COMMENT ON COLUMN sale_facts.conversions IS '1 on the click a sale was matched to; 0 elsewhere, and for adjustments and milestones.';
COMMENT ON COLUMN sale_facts.revenue IS 'Value of the sale, on the same click; negative for a refund.';
COMMENT ON COLUMN sale_facts.paid IS 'Commission under the model that pays.';
COMMENT ON COLUMN sale_facts.first_click IS 'Commission under that model.';
COMMENT ON COLUMN sale_facts.last_click IS 'Commission under that model.';
COMMENT ON COLUMN sale_facts.linear IS 'Commission under that model.';
COMMENT ON COLUMN sale_facts.time_decay IS 'Commission under that model.';
COMMENT ON COLUMN sale_facts.position_based IS 'Commission under that model.';

CREATE TABLE sale_entries AS SELECT * FROM sale_facts WITH NO DATA;
CREATE INDEX sale_entries_conversion_idx ON sale_entries (conversion_event_id);
CREATE INDEX sale_entries_click_idx ON sale_entries (click_id);
CREATE INDEX sale_entries_link_idx ON sale_entries (partner_link_id, occurred_at);
CREATE INDEX sale_entries_occurred_idx ON sale_entries (occurred_at);

COMMENT ON TABLE sale_entries IS 'What each conversion has added to the rollups, as sale_facts was then; keeps what is known of a click when its partition is gone.';
DO $$
DECLARE
    described record;
BEGIN
    FOR described IN
        SELECT attname, col_description(attrelid, attnum) AS meaning FROM pg_attribute
        WHERE attrelid = 'sale_facts'::regclass AND attnum > 0
    LOOP
        EXECUTE format('COMMENT ON COLUMN sale_entries.%I IS %L', described.attname, described.meaning);
    END LOOP;
END
$$;

CREATE TABLE sale_marks (
    conversion_event_id bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
COMMENT ON TABLE sale_marks IS 'Conversions whose part in the rollups may have changed; emptied by fold_sales.';
COMMENT ON COLUMN sale_marks.conversion_event_id IS 'The conversion; any number of times.';

CREATE FUNCTION mark_sales() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO sale_marks
        SELECT n.conversion_event_id FROM after_rows n JOIN before_rows o USING (conversion_event_id)
        WHERE (n.attribution_state, n.status = 'rejected', n.is_deleted, n.commission_type IS NULL, n.attribution_type,
               n.click_id, n.clicked_at, n.partner_id, n.campaign_version_id, n.event_value, n.commission_amount,
               n.currency, n.occurred_at, n.priced_at)
              IS DISTINCT FROM
              (o.attribution_state, o.status = 'rejected', o.is_deleted, o.commission_type IS NULL, o.attribution_type,
               o.click_id, o.clicked_at, o.partner_id, o.campaign_version_id, o.event_value, o.commission_amount,
               o.currency, o.occurred_at, o.priced_at);
    ELSIF TG_OP = 'INSERT' THEN
        -- What the writer stores is not attributed yet and counts nowhere.
        INSERT INTO sale_marks
        SELECT conversion_event_id FROM after_rows WHERE attribution_state = 'attributed';
    ELSE
        INSERT INTO sale_marks SELECT conversion_event_id FROM before_rows;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION mark_sales() IS 'Trigger: notes conversions whose part in the rollups may have changed.';
CREATE TRIGGER conversion_events_marked_new AFTER INSERT ON conversion_events
    REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION mark_sales();
CREATE TRIGGER conversion_events_marked AFTER UPDATE ON conversion_events
    REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION mark_sales();
CREATE TRIGGER conversion_events_marked_gone AFTER DELETE ON conversion_events
    REFERENCING OLD TABLE AS before_rows FOR EACH STATEMENT EXECUTE FUNCTION mark_sales();

-- New touches come with a change of their conversion or replace others, which this notices. A trigger on INSERT would
-- take the multi-row inserts away from COPY.
CREATE FUNCTION mark_touched_sales() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO sale_marks SELECT DISTINCT conversion_event_id FROM before_rows;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION mark_touched_sales() IS 'Trigger: notes conversions whose touches changed.';
CREATE TRIGGER touches_marked AFTER UPDATE ON touches
    REFERENCING OLD TABLE AS before_rows FOR EACH STATEMENT EXECUTE FUNCTION mark_touched_sales();

CREATE TABLE sale_hours (
    scope text COLLATE "C" NOT NULL CONSTRAINT sale_hours_scope_known
        CHECK (scope IN ('link', 'partner', 'campaign', 'vendor', 'all')),
    scope_id integer NOT NULL,
    hour_at timestamptz NOT NULL,
    currency text COLLATE "C" NOT NULL,
    vendor_id integer,
    partner_id integer,
    conversions integer NOT NULL,
    revenue numeric(22, 4) NOT NULL,
    paid numeric(22, 4) NOT NULL,
    first_click numeric(22, 4) NOT NULL,
    last_click numeric(22, 4) NOT NULL,
    linear numeric(22, 4) NOT NULL,
    time_decay numeric(22, 4) NOT NULL,
    position_based numeric(22, 4) NOT NULL,
    PRIMARY KEY (scope, scope_id, hour_at, currency)
);
COMMENT ON TABLE sale_hours IS 'Conversions by the hour (UTC) in which they happened and currency, for each link, partner, campaign, vendor, and all.';

CREATE TABLE sale_days (
    scope text COLLATE "C" NOT NULL CONSTRAINT sale_days_scope_known
        CHECK (scope IN ('link', 'partner', 'campaign', 'vendor', 'all')),
    scope_id integer NOT NULL,
    dimension text COLLATE "C" NOT NULL CONSTRAINT sale_days_dimension_known
        CHECK (dimension IN ('country', 'device', 'browser', 'os', 'referrer', 'utm_source', 'utm_medium', 'utm_campaign',
                             'utm_content', 'utm_term', 'link', 'partner', 'campaign')),
    day date NOT NULL,
    value text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    vendor_id integer,
    partner_id integer,
    conversions integer NOT NULL,
    revenue numeric(22, 4) NOT NULL,
    paid numeric(22, 4) NOT NULL,
    first_click numeric(22, 4) NOT NULL,
    last_click numeric(22, 4) NOT NULL,
    linear numeric(22, 4) NOT NULL,
    time_decay numeric(22, 4) NOT NULL,
    position_based numeric(22, 4) NOT NULL,
    PRIMARY KEY (scope, scope_id, dimension, day, value, currency)
);
COMMENT ON TABLE sale_days IS 'Conversions by day (UTC), dimension and value of their click, and currency. As many values as there are: what was sold bounds them.';
COMMENT ON COLUMN sale_hours.hour_at IS 'Begin of the hour.';
COMMENT ON COLUMN sale_days.dimension IS 'As in rollup_days.';
COMMENT ON COLUMN sale_days.day IS 'The day.';
COMMENT ON COLUMN sale_days.value IS 'As in rollup_days.';
DO $$
DECLARE
    rollup text;
    described record;
BEGIN
    FOREACH rollup IN ARRAY ARRAY['sale_hours', 'sale_days'] LOOP
        EXECUTE format('COMMENT ON COLUMN %I.scope IS %L', rollup, 'Whose: link, partner, campaign, vendor, or all.');
        EXECUTE format('COMMENT ON COLUMN %I.scope_id IS %L', rollup, 'Number of that link, partner, campaign or vendor; 0 for all.');
        EXECUTE format('COMMENT ON COLUMN %I.currency IS %L', rollup, 'ISO 4217.');
        EXECUTE format('COMMENT ON COLUMN %I.vendor_id IS %L', rollup, 'The vendor that may see the row.');
        EXECUTE format('COMMENT ON COLUMN %I.partner_id IS %L', rollup, 'The partner that may see the row.');
        FOR described IN
            SELECT attname, col_description(attrelid, attnum) AS meaning FROM pg_attribute
            WHERE attrelid = 'sale_facts'::regclass
              AND attname IN ('conversions', 'revenue', 'paid', 'first_click', 'last_click', 'linear', 'time_decay', 'position_based')
        LOOP
            EXECUTE format('COMMENT ON COLUMN %I.%I IS %L', rollup, described.attname, described.meaning);
        END LOOP;
    END LOOP;
END
$$;

-- One currency and one weight: what of a conversion goes (-1) or comes (1).
CREATE FUNCTION add_sales(parts sale_entries[], weight integer) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp SET jit = off AS $$
BEGIN
    INSERT INTO sale_hours AS r
    SELECT s.scope, s.scope_id, date_trunc('hour', p.occurred_at, 'UTC'), p.currency, min(s.vendor), min(s.partner),
           weight * sum(conversions), weight * sum(revenue), weight * sum(paid), weight * sum(first_click),
           weight * sum(last_click), weight * sum(linear), weight * sum(time_decay), weight * sum(position_based)
    FROM unnest(parts) AS p
    CROSS JOIN LATERAL (VALUES
        ('link', p.partner_link_id, p.vendor_id, p.partner_id), ('partner', p.partner_id, NULL, p.partner_id),
        ('campaign', p.campaign_id, p.vendor_id, NULL), ('vendor', p.vendor_id, p.vendor_id, NULL), ('all', 0, NULL, NULL)
    ) AS s (scope, scope_id, vendor, partner)
    WHERE s.scope_id IS NOT NULL
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (scope, scope_id, hour_at, currency) DO UPDATE SET
        conversions = r.conversions + EXCLUDED.conversions, revenue = r.revenue + EXCLUDED.revenue,
        paid = r.paid + EXCLUDED.paid, first_click = r.first_click + EXCLUDED.first_click,
        last_click = r.last_click + EXCLUDED.last_click, linear = r.linear + EXCLUDED.linear,
        time_decay = r.time_decay + EXCLUDED.time_decay, position_based = r.position_based + EXCLUDED.position_based;
    INSERT INTO sale_days AS r
    SELECT s.scope, s.scope_id, d.dimension, (p.occurred_at AT TIME ZONE 'UTC')::date, coalesce(d.value, ''), p.currency,
           min(s.vendor), min(s.partner), weight * sum(conversions), weight * sum(revenue), weight * sum(paid),
           weight * sum(first_click), weight * sum(last_click), weight * sum(linear), weight * sum(time_decay),
           weight * sum(position_based)
    FROM unnest(parts) AS p
    CROSS JOIN LATERAL (VALUES
        ('link', p.partner_link_id, p.vendor_id, p.partner_id), ('partner', p.partner_id, NULL, p.partner_id),
        ('campaign', p.campaign_id, p.vendor_id, NULL), ('vendor', p.vendor_id, p.vendor_id, NULL), ('all', 0, NULL, NULL)
    ) AS s (scope, scope_id, vendor, partner)
    CROSS JOIN LATERAL (VALUES
        ('country', p.country_code), ('device', p.device_type), ('browser', p.browser), ('os', p.os),
        ('referrer', p.referrer_host), ('utm_source', p.utm_source), ('utm_medium', p.utm_medium),
        ('utm_campaign', p.utm_campaign), ('utm_content', p.utm_content), ('utm_term', p.utm_term),
        ('link', p.partner_link_id::text), ('partner', p.partner_id::text), ('campaign', p.campaign_id::text)
    ) AS d (dimension, value)
    WHERE s.scope_id IS NOT NULL AND (s.scope <> 'link' OR d.dimension NOT IN ('link', 'partner', 'campaign'))
    GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (scope, scope_id, dimension, day, value, currency) DO UPDATE SET
        conversions = r.conversions + EXCLUDED.conversions, revenue = r.revenue + EXCLUDED.revenue,
        paid = r.paid + EXCLUDED.paid, first_click = r.first_click + EXCLUDED.first_click,
        last_click = r.last_click + EXCLUDED.last_click, linear = r.linear + EXCLUDED.linear,
        time_decay = r.time_decay + EXCLUDED.time_decay, position_based = r.position_based + EXCLUDED.position_based;
END
$$;
COMMENT ON FUNCTION add_sales(sale_entries[], integer) IS 'Adds parts of conversions to the rollups, or with -1 takes them out.';

CREATE FUNCTION fold_sales(marks_max integer) RETURNS integer
LANGUAGE plpgsql SET search_path = public, pg_temp SET jit = off AS $$
DECLARE
    marked bigint[];
    old_parts sale_entries[];
    new_parts sale_entries[];
BEGIN
    PERFORM lock_rollups();
    -- One snapshot for what a conversion is and for the marks taken: what changes meanwhile brings a mark of its own.
    WITH taken AS (
        DELETE FROM sale_marks WHERE ctid = ANY (ARRAY(SELECT ctid FROM sale_marks LIMIT marks_max))
        RETURNING conversion_event_id
    ), numbers AS MATERIALIZED (
        SELECT array_agg(DISTINCT conversion_event_id) AS marked FROM taken
    )
    SELECT numbers.marked, (
               SELECT array_agg(ROW(f.*)::sale_entries) FROM sale_facts f
               WHERE f.conversion_event_id = ANY (numbers.marked))
    INTO marked, new_parts FROM numbers;
    IF marked IS NULL THEN
        RETURN 0;
    END IF;
    WITH gone AS (DELETE FROM sale_entries WHERE conversion_event_id = ANY (marked) RETURNING *)
    SELECT array_agg(gone::sale_entries) INTO old_parts FROM gone;
    new_parts := keep_clicks(new_parts, old_parts);
    INSERT INTO sale_entries SELECT * FROM unnest(new_parts);
    IF old_parts IS NOT NULL THEN
        PERFORM add_sales(old_parts, -1);
    END IF;
    IF new_parts IS NOT NULL THEN
        PERFORM add_sales(new_parts, 1);
    END IF;
    RETURN cardinality(marked);
END
$$;
COMMENT ON FUNCTION fold_sales(integer) IS 'Brings the rollups up to date with up to so many marked conversions and returns how many there were. Changes nothing a reader sees.';

-- What was known of a click whose partition is gone, from this conversion before, or from another of the same click.
CREATE FUNCTION keep_clicks(new_parts sale_entries[], old_parts sale_entries[]) RETURNS sale_entries[]
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT array_agg(CASE WHEN n.is_click_there OR o.click_id IS NULL THEN n ELSE ROW(
               n.conversion_event_id, n.click_id, n.occurred_at, n.vendor_id, coalesce(n.partner_link_id, o.partner_link_id),
               n.partner_id, n.campaign_version_id, n.campaign_id, n.currency, o.country_code, o.device_type, o.browser,
               o.os, o.referrer_host, o.utm_source, o.utm_medium, o.utm_campaign, o.utm_content, o.utm_term, false,
               n.conversions, n.revenue, n.paid, n.first_click, n.last_click, n.linear, n.time_decay, n.position_based
           )::sale_entries END)
    FROM unnest(new_parts) AS n
    LEFT JOIN LATERAL (
        SELECT * FROM (
            SELECT * FROM unnest(old_parts) AS e WHERE NOT n.is_click_there AND e.click_id = n.click_id
            UNION ALL
            SELECT * FROM sale_entries e WHERE NOT n.is_click_there AND e.click_id = n.click_id) AS known
        LIMIT 1
    ) AS o ON true
$$;
COMMENT ON FUNCTION keep_clicks(sale_entries[], sale_entries[]) IS 'Parts of conversions with what is still known of clicks that are no longer stored.';
