-- Weeks of rollup_days, so that a quarter of a thousand links is twelve rows a link and not ninety.
--
-- A week is closed once it is over: `close_week` adds up its days. From then on a trigger carries every change of one of
-- its days into it, whoever makes the change: a click that came late, a correction, a day counted anew. So a closed week
-- is the sum of its days at any moment, and while clicks come in nothing is counted twice over. A single link has its
-- days only: its values are few, and weeks would cost as much again.

CREATE TABLE rollup_weeks (
    scope text COLLATE "C" NOT NULL CONSTRAINT rollup_weeks_scope_known
        CHECK (scope IN ('partner', 'campaign', 'vendor', 'all')),
    scope_id integer NOT NULL,
    dimension text COLLATE "C" NOT NULL CONSTRAINT rollup_weeks_dimension_known
        CHECK (dimension IN ('country', 'device', 'browser', 'os', 'referrer', 'utm_source', 'utm_medium', 'utm_campaign',
                             'utm_content', 'utm_term', 'link', 'partner', 'campaign')),
    week date NOT NULL CONSTRAINT rollup_weeks_begins_on_monday CHECK (extract(isodow FROM week) = 1),
    value text COLLATE "C" NOT NULL,
    is_rest boolean NOT NULL,
    vendor_id integer,
    partner_id integer,
    gross bigint NOT NULL,
    clicks bigint NOT NULL,
    uniques bigint NOT NULL,
    PRIMARY KEY (scope, scope_id, dimension, week, value, is_rest)
);
COMMENT ON TABLE rollup_weeks IS 'Sums of rollup_days over closed weeks, for each partner, campaign, vendor, and all.';
COMMENT ON COLUMN rollup_weeks.scope IS 'As in rollup_days.';
COMMENT ON COLUMN rollup_weeks.scope_id IS 'As in rollup_days.';
COMMENT ON COLUMN rollup_weeks.dimension IS 'As in rollup_days.';
COMMENT ON COLUMN rollup_weeks.week IS 'Its Monday.';
COMMENT ON COLUMN rollup_weeks.value IS 'As in rollup_days.';
COMMENT ON COLUMN rollup_weeks.is_rest IS 'As in rollup_days: the sum of the rests of its days.';
COMMENT ON COLUMN rollup_weeks.vendor_id IS 'The vendor that may see the row.';
COMMENT ON COLUMN rollup_weeks.partner_id IS 'The partner that may see the row.';
COMMENT ON COLUMN rollup_weeks.gross IS 'Clicks of every class.';
COMMENT ON COLUMN rollup_weeks.clicks IS 'Valid clicks.';
COMMENT ON COLUMN rollup_weeks.uniques IS 'Unique clicks.';

CREATE TABLE closed_weeks (
    week date PRIMARY KEY
);
COMMENT ON TABLE closed_weeks IS 'Weeks that rollup_weeks has; of any other the days are read.';
COMMENT ON COLUMN closed_weeks.week IS 'Its Monday.';

CREATE FUNCTION close_week() RETURNS date
LANGUAGE plpgsql SET search_path = public, pg_temp SET timezone = 'UTC' SET jit = off AS $$
DECLARE
    closing date;
BEGIN
    PERFORM lock_rollups();
    SELECT min(monday) INTO closing
    FROM (SELECT day - (extract(isodow FROM day)::integer - 1) AS monday FROM rollup_days
          WHERE scope = 'all' AND scope_id = 0 AND dimension = 'device') AS counted
    WHERE monday + 8 <= current_date AND monday NOT IN (SELECT week FROM closed_weeks);
    IF closing IS NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO rollup_weeks
    SELECT scope, scope_id, dimension, closing, value, is_rest, min(vendor_id), min(partner_id), sum(gross), sum(clicks),
           sum(uniques)
    FROM rollup_days
    WHERE day >= closing AND day < closing + 7 AND scope <> 'link'
    GROUP BY 1, 2, 3, 5, 6 ORDER BY 1, 2, 3, 5, 6;
    INSERT INTO closed_weeks VALUES (closing);
    RETURN closing;
END
$$;
COMMENT ON FUNCTION close_week() IS 'Adds up the oldest week that has been over for a day and is not closed; returns its Monday, or NULL where there is none. Changes nothing a reader sees.';

CREATE FUNCTION carry_into_weeks() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format($carry$
        INSERT INTO rollup_weeks AS w
        SELECT r.scope, r.scope_id, r.dimension, c.week, r.value, r.is_rest, min(r.vendor_id), min(r.partner_id),
               sum(sign * r.gross), sum(sign * r.clicks), sum(sign * r.uniques)
        FROM (%s) AS r
        JOIN closed_weeks c ON c.week = r.day - (extract(isodow FROM r.day)::integer - 1)
        WHERE r.scope <> 'link' AND r.day < (SELECT max(week) + 7 FROM closed_weeks)
        GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
        ON CONFLICT (scope, scope_id, dimension, week, value, is_rest) DO UPDATE SET
            gross = w.gross + EXCLUDED.gross, clicks = w.clicks + EXCLUDED.clicks, uniques = w.uniques + EXCLUDED.uniques
        $carry$, CASE TG_OP
            WHEN 'INSERT' THEN 'SELECT 1 AS sign, * FROM after_rows'
            WHEN 'DELETE' THEN 'SELECT -1 AS sign, * FROM before_rows'
            ELSE 'SELECT 1 AS sign, * FROM after_rows UNION ALL SELECT -1, * FROM before_rows'
        END);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION carry_into_weeks() IS 'Trigger: a closed week follows its days.';
CREATE TRIGGER rollup_days_carried_new AFTER INSERT ON rollup_days
    REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION carry_into_weeks();
CREATE TRIGGER rollup_days_carried AFTER UPDATE ON rollup_days
    REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION carry_into_weeks();
CREATE TRIGGER rollup_days_carried_gone AFTER DELETE ON rollup_days
    REFERENCING OLD TABLE AS before_rows FOR EACH STATEMENT EXECUTE FUNCTION carry_into_weeks();

ALTER TABLE rollup_weeks ENABLE ROW LEVEL SECURITY;
ALTER TABLE closed_weeks ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON rollup_weeks, closed_weeks TO clickledger_tenant;
CREATE POLICY admin_all ON rollup_weeks TO clickledger_tenant USING ((SELECT tenant_role()) = 'admin');
CREATE POLICY vendor_own ON rollup_weeks FOR SELECT TO clickledger_tenant
    USING (vendor_id = (SELECT tenant_vendor_id()));
CREATE POLICY partner_own ON rollup_weeks FOR SELECT TO clickledger_tenant
    USING (partner_id = (SELECT tenant_partner_id()));
CREATE POLICY everybody_reads ON closed_weeks FOR SELECT TO clickledger_tenant USING (true);

-- The ten values of a breakdown are asked for by name, each over many days.
ALTER TABLE sale_days DROP CONSTRAINT sale_days_pkey;
ALTER TABLE sale_days ADD PRIMARY KEY (scope, scope_id, dimension, value, day, currency);
