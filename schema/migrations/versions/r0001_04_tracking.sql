-- Clicks and cookies. Ids are minted by the door before the row exists, and clicks come in by COPY, so these tables
-- refer to others softly: a foreign key into a partitioned table made COPY seven times slower and would forbid
-- dropping old partitions. `clickledger verify` checks the references instead.

CREATE FUNCTION ensure_month_partitions(parent text, from_at timestamptz, to_at timestamptz) RETURNS integer
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    -- Month edges are reckoned without zone, in UTC, so that the session's TimeZone cannot move a bound.
    month timestamp := date_trunc('month', from_at AT TIME ZONE 'UTC');
    last_month timestamp := date_trunc('month', to_at AT TIME ZONE 'UTC');
    child text;
    made integer := 0;
BEGIN
    IF parent NOT IN ('clicks', 'touches', 'audit_logs') THEN
        RAISE EXCEPTION '% is not partitioned by month', parent USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF month IS NULL OR last_month IS NULL OR last_month - month > interval '36600 days' THEN
        RAISE EXCEPTION 'a period of at most 100 years is needed' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    WHILE month <= last_month LOOP
        child := parent || to_char(month, '_YYYYMM');
        IF NOT is_partition(parent, child) THEN
            -- Held until commit: of two sessions that miss the same month, the second waits and then finds it.
            PERFORM pg_advisory_xact_lock(hashtextextended('clickledger partitions of ' || parent, 0));
            IF NOT is_partition(parent, child) THEN
                PERFORM add_month_partition(parent, child, month);
                made := made + 1;
            END IF;
        END IF;
        month := month + interval '1 month';
    END LOOP;
    RETURN made;
END
$$;
COMMENT ON FUNCTION ensure_month_partitions(text, timestamptz, timestamptz) IS
    'Makes the monthly partitions (UTC) that are missing from the month of from_at to that of to_at, both included, and returns how many. Safe to call at any time from any number of sessions.';

-- Asks the catalogue by name: to_regclass(child) would answer from a cache that waiting for an advisory lock does not
-- refresh, and miss what the other session has just committed.
CREATE FUNCTION is_partition(parent text, child text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
                   WHERE inhparent = parent::regclass AND relname = child)
$$;
COMMENT ON FUNCTION is_partition(text, text) IS 'Whether child exists and is attached to parent.';

-- Made aside and then attached: CREATE TABLE … PARTITION OF would lock out every reader and writer of the parent,
-- ATTACH lets them go on (SHARE UPDATE EXCLUSIVE).
CREATE FUNCTION add_month_partition(parent text, child text, month timestamp) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS INCLUDING STORAGE)', child, parent);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, child,
                   to_char(month, 'YYYY-MM-DD 00:00:00+00'),
                   to_char(month + interval '1 month', 'YYYY-MM-DD 00:00:00+00'));
    EXECUTE format('COMMENT ON TABLE %I IS %L', child, format('%s of %s (UTC).', parent, to_char(month, 'YYYY-MM')));
END
$$;
COMMENT ON FUNCTION add_month_partition(text, text, timestamp) IS 'Makes and attaches one partition; call ensure_month_partitions instead.';

CREATE TABLE clicks (
    click_id bigint NOT NULL,
    clicked_at timestamptz NOT NULL,
    partner_link_id integer NOT NULL,
    partner_id integer,
    campaign_version_id integer,
    cookie_id uuid,
    click_class text NOT NULL CONSTRAINT clicks_click_class_known
        CHECK (click_class IN ('valid', 'bot', 'prefetch', 'head', 'double', 'datacenter', 'noconsent')),
    class_reason text CONSTRAINT clicks_class_reason_length CHECK (char_length(class_reason) <= 255),
    is_unique boolean NOT NULL DEFAULT false,
    visitor_hash bigint,
    ip_address inet,
    user_agent text CONSTRAINT clicks_user_agent_length CHECK (char_length(user_agent) <= 1024),
    referrer_url text CONSTRAINT clicks_referrer_url_length CHECK (char_length(referrer_url) <= 2048),
    referrer_host text CONSTRAINT clicks_referrer_host_length CHECK (char_length(referrer_host) <= 255),
    source_url text CONSTRAINT clicks_source_url_length CHECK (char_length(source_url) <= 2048),
    utm_source varchar(255),
    utm_medium varchar(255),
    utm_campaign varchar(255),
    utm_content varchar(255),
    utm_term varchar(255),
    sub1 varchar(255),
    sub2 varchar(255),
    sub3 varchar(255),
    sub4 varchar(255),
    sub5 varchar(255),
    country_code char(2),
    device_type text CONSTRAINT clicks_device_type_length CHECK (char_length(device_type) <= 50),
    browser text CONSTRAINT clicks_browser_length CHECK (char_length(browser) <= 100),
    os text CONSTRAINT clicks_os_length CHECK (char_length(os) <= 100),
    is_deleted boolean NOT NULL DEFAULT false,
    deleted_at timestamptz,
    PRIMARY KEY (click_id, clicked_at)
) PARTITION BY RANGE (clicked_at);
CREATE INDEX clicks_cookie_idx ON clicks (cookie_id, partner_link_id, clicked_at);
CREATE INDEX clicks_link_idx ON clicks (partner_link_id, clicked_at);
CREATE INDEX clicks_visitor_idx ON clicks (partner_link_id, visitor_hash, clicked_at) WHERE click_class = 'valid';
CREATE INDEX clicks_clicked_at_idx ON clicks USING brin (clicked_at);

COMMENT ON TABLE clicks IS 'Every request answered with a redirect, exactly once, in monthly partitions. Nothing is dropped: what does not count is classed.';
COMMENT ON COLUMN clicks.click_id IS 'Minted by the door: 42 bits of Unix milliseconds, 10 of worker, 11 of sequence. Sorting ids sorts clicks.';
COMMENT ON COLUMN clicks.clicked_at IS 'When the click happened: read back from click_id, so that a replay lands in the same partition.';
COMMENT ON COLUMN clicks.partner_link_id IS 'The link that was clicked.';
COMMENT ON COLUMN clicks.partner_id IS 'Its partner at that moment; empty for a plain link.';
COMMENT ON COLUMN clicks.campaign_version_id IS 'The terms in force at that moment; empty for a plain link.';
COMMENT ON COLUMN clicks.cookie_id IS 'The cookie of the browser, where there was one.';
COMMENT ON COLUMN clicks.click_class IS 'valid, bot, prefetch, head, double, datacenter or noconsent; only valid clicks count and earn.';
COMMENT ON COLUMN clicks.class_reason IS 'The rule that decided the class, where it is not valid.';
COMMENT ON COLUMN clicks.is_unique IS 'Whether it is the first valid click of this visitor on this link within 24 hours.';
COMMENT ON COLUMN clicks.visitor_hash IS 'Keyed hash of address and user agent; its key lives one day and is destroyed after 48 hours.';
COMMENT ON COLUMN clicks.ip_address IS 'Address (PII), cut to /24 or /48 unless set otherwise, after the country was derived from the whole.';
COMMENT ON COLUMN clicks.user_agent IS 'What the browser says it is, cut to 1,024 characters.';
COMMENT ON COLUMN clicks.referrer_url IS 'The page the visitor came from, cut to 2,048 characters.';
COMMENT ON COLUMN clicks.referrer_host IS 'The host of that page.';
COMMENT ON COLUMN clicks.source_url IS 'The partner''s page that holds the link, where the link says so.';
COMMENT ON COLUMN clicks.utm_source IS 'utm_source of the visitor''s query or the link.';
COMMENT ON COLUMN clicks.utm_medium IS 'utm_medium likewise.';
COMMENT ON COLUMN clicks.utm_campaign IS 'utm_campaign likewise.';
COMMENT ON COLUMN clicks.utm_content IS 'utm_content likewise.';
COMMENT ON COLUMN clicks.utm_term IS 'utm_term likewise.';
COMMENT ON COLUMN clicks.sub1 IS 'First sub-id the partner sent along.';
COMMENT ON COLUMN clicks.sub2 IS 'Second sub-id.';
COMMENT ON COLUMN clicks.sub3 IS 'Third sub-id.';
COMMENT ON COLUMN clicks.sub4 IS 'Fourth sub-id.';
COMMENT ON COLUMN clicks.sub5 IS 'Fifth sub-id.';
COMMENT ON COLUMN clicks.country_code IS 'ISO 3166 country of the address.';
COMMENT ON COLUMN clicks.device_type IS 'desktop, mobile, tablet and the like, from the user agent.';
COMMENT ON COLUMN clicks.browser IS 'Browser and version, from the user agent.';
COMMENT ON COLUMN clicks.os IS 'Operating system, from the user agent.';

-- No index on expires_at: every click moves it, and one would turn each cheap (HOT) update into one of all indexes.
-- The retention job reads the eight partitions one by one instead.
CREATE TABLE cookies (
    cookie_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    first_click_id bigint,
    first_partner_id integer,
    last_click_id bigint,
    last_partner_id integer,
    last_campaign_version_id integer,
    user_fingerprint varchar(255),
    expires_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    is_deleted boolean NOT NULL DEFAULT false,
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
) PARTITION BY HASH (cookie_id);

COMMENT ON TABLE cookies IS 'Browsers as far as a cookie shows them, in eight hash partitions; never people.';
COMMENT ON COLUMN cookies.cookie_id IS 'The cookie''s value, a UUIDv7 minted by the door.';
COMMENT ON COLUMN cookies.first_click_id IS 'First valid click; never changes while the cookie has not expired.';
COMMENT ON COLUMN cookies.first_partner_id IS 'Partner of that click.';
COMMENT ON COLUMN cookies.last_click_id IS 'Newest valid click.';
COMMENT ON COLUMN cookies.last_partner_id IS 'Partner of that click.';
COMMENT ON COLUMN cookies.last_campaign_version_id IS 'Campaign version of that click.';
COMMENT ON COLUMN cookies.user_fingerprint IS 'Keyed hash with a short-lived key, never raw data; empty without consent.';
COMMENT ON COLUMN cookies.expires_at IS 'When the browser forgets it: the longest window of its clicks. Whether a click may earn is decided from the click''s own window.';
COMMENT ON COLUMN cookies.last_seen_at IS 'Time of the newest click.';

DO $$
BEGIN
    FOR remainder IN 0..7 LOOP
        EXECUTE format('CREATE TABLE cookies_%s PARTITION OF cookies FOR VALUES WITH (MODULUS 8, REMAINDER %s) WITH (fillfactor = 80)',
                       remainder, remainder);
        EXECUTE format('COMMENT ON TABLE cookies_%s IS %L', remainder, format('Hash partition %s of cookies.', remainder));
    END LOOP;
    PERFORM ensure_month_partitions('clicks', now() - interval '1 month', now() + interval '3 months');
END
$$;

CREATE TABLE cookie_consents (
    cookie_consent_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    consent_event_id uuid NOT NULL CONSTRAINT cookie_consents_consent_event_id_key UNIQUE,
    cookie_id uuid,
    is_granted boolean NOT NULL,
    purposes smallint[] NOT NULL DEFAULT '{}'
        CONSTRAINT cookie_consents_purposes_length CHECK (cardinality(purposes) <= 64),
    signal text NOT NULL CONSTRAINT cookie_consents_signal_known
        CHECK (signal IN ('form', 'tcf', 'gpc', 'dnt', 'optout')),
    domain varchar(255),
    country_code char(2),
    decided_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX cookie_consents_cookie_id_idx ON cookie_consents (cookie_id, decided_at);

COMMENT ON TABLE cookie_consents IS 'Every consent given or withdrawn, newest decision counts.';
COMMENT ON COLUMN cookie_consents.cookie_consent_id IS 'Number of the decision.';
COMMENT ON COLUMN cookie_consents.consent_event_id IS 'Id of the event that brought it, so that a replay is recognised.';
COMMENT ON COLUMN cookie_consents.cookie_id IS 'The cookie it is about; empty where none was set.';
COMMENT ON COLUMN cookie_consents.is_granted IS 'Given, or withdrawn.';
COMMENT ON COLUMN cookie_consents.purposes IS 'TCF purposes granted, where the signal names them.';
COMMENT ON COLUMN cookie_consents.signal IS 'How it was expressed: form, tcf string, gpc or dnt header, optout page.';
COMMENT ON COLUMN cookie_consents.domain IS 'The link domain it was given on.';
COMMENT ON COLUMN cookie_consents.country_code IS 'ISO 3166 country that decided whether consent was required.';
COMMENT ON COLUMN cookie_consents.decided_at IS 'When the visitor decided.';
