-- Finding links. partner_links names its owners through an enrolment, a version and a campaign, and hides rows by
-- conditions no index can serve; so what lists of links ask for stands in a narrow table of its own, kept by triggers.

-- One expression, so that PostgreSQL plans it as part of the query that calls it.
CREATE FUNCTION words_of(given text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_remove(regexp_split_to_array(
        regexp_replace(lower(given), '([^\x01-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]{64})[^\x01-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+', '\1', 'g'),
        '[\x01-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+'), '')
$$;
COMMENT ON FUNCTION words_of(text) IS 'The words of a text in lower case, 64 characters of each: what stands between spaces and ASCII punctuation.';

CREATE TABLE listed_links (
    partner_link_id integer PRIMARY KEY REFERENCES partner_links,
    vendor_id integer,
    partner_id integer,
    campaign_id integer,
    is_disabled boolean NOT NULL,
    starts_at timestamptz,
    expires_at timestamptz,
    words tsvector NOT NULL
);
CREATE INDEX listed_links_vendor_idx ON listed_links (vendor_id, partner_link_id);
CREATE INDEX listed_links_partner_idx ON listed_links (partner_id, partner_link_id);
CREATE INDEX listed_links_campaign_idx ON listed_links (campaign_id, partner_link_id);
CREATE INDEX listed_links_words_idx ON listed_links USING gin (words);
-- Most links are simply on; the others are what one looks for.
CREATE INDEX listed_links_standing_idx ON listed_links (partner_link_id)
    WHERE is_disabled OR starts_at IS NOT NULL OR expires_at IS NOT NULL;

COMMENT ON TABLE listed_links IS 'One row a link that is not deleted: whose it is and the words it is found by. Kept by triggers, read by find_links().';
COMMENT ON COLUMN listed_links.partner_link_id IS 'The link.';
COMMENT ON COLUMN listed_links.vendor_id IS 'Vendor of its campaign, or owner of a plain link.';
COMMENT ON COLUMN listed_links.partner_id IS 'Partner of its enrolment; empty for a plain link.';
COMMENT ON COLUMN listed_links.campaign_id IS 'Campaign of its enrolment; empty for a plain link.';
COMMENT ON COLUMN listed_links.is_disabled IS 'partner_links.is_disabled.';
COMMENT ON COLUMN listed_links.starts_at IS 'partner_links.starts_at.';
COMMENT ON COLUMN listed_links.expires_at IS 'partner_links.expires_at.';
COMMENT ON COLUMN listed_links.words IS 'Words of code, label and whole destination.';

CREATE VIEW links_to_list AS
SELECT l.partner_link_id, coalesce(l.vendor_id, c.vendor_id) AS vendor_id, e.partner_id, v.campaign_id, l.is_disabled,
       l.starts_at, l.expires_at,
       array_to_tsvector(words_of(concat_ws(' ', l.short_code, l.link_label, l.full_url))) AS words
FROM partner_links l
LEFT JOIN campaign_partners e USING (campaign_partner_id)
LEFT JOIN campaign_versions v USING (campaign_version_id)
LEFT JOIN campaigns c USING (campaign_id)
WHERE NOT l.is_deleted;

COMMENT ON VIEW links_to_list IS 'What listed_links must hold, derived anew.';
COMMENT ON COLUMN links_to_list.partner_link_id IS 'listed_links.partner_link_id.';
COMMENT ON COLUMN links_to_list.vendor_id IS 'listed_links.vendor_id.';
COMMENT ON COLUMN links_to_list.partner_id IS 'listed_links.partner_id.';
COMMENT ON COLUMN links_to_list.campaign_id IS 'listed_links.campaign_id.';
COMMENT ON COLUMN links_to_list.is_disabled IS 'listed_links.is_disabled.';
COMMENT ON COLUMN links_to_list.starts_at IS 'listed_links.starts_at.';
COMMENT ON COLUMN links_to_list.expires_at IS 'listed_links.expires_at.';
COMMENT ON COLUMN links_to_list.words IS 'listed_links.words.';

-- Links may come in one by one, so the plan is made once, in plpgsql; and by index, as it stays while the tables grow.
CREATE FUNCTION list_links(link_ids integer[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off AS $$
BEGIN
    INSERT INTO listed_links
    SELECT * FROM links_to_list WHERE partner_link_id = ANY (link_ids)
    ON CONFLICT (partner_link_id) DO UPDATE
    SET vendor_id = EXCLUDED.vendor_id, partner_id = EXCLUDED.partner_id, campaign_id = EXCLUDED.campaign_id,
        is_disabled = EXCLUDED.is_disabled, starts_at = EXCLUDED.starts_at, expires_at = EXCLUDED.expires_at,
        words = EXCLUDED.words;
END
$$;
COMMENT ON FUNCTION list_links(integer[]) IS 'Writes these links into listed_links as they are now.';

CREATE FUNCTION list_new_links() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM list_links(ARRAY(SELECT partner_link_id FROM new_links));
    RETURN NULL;
END
$$;
CREATE FUNCTION list_changed_link() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.is_deleted THEN
        DELETE FROM listed_links WHERE partner_link_id = NEW.partner_link_id;
    ELSE
        PERFORM list_links(ARRAY[NEW.partner_link_id]);
    END IF;
    RETURN NULL;
END
$$;
CREATE FUNCTION list_moved_links() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM list_links(ARRAY(SELECT partner_link_id FROM partner_links
                             WHERE campaign_partner_id = NEW.campaign_partner_id));
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION list_new_links() IS 'Trigger: lists all links of one INSERT.';
COMMENT ON FUNCTION list_changed_link() IS 'Trigger: lists a changed link anew; a deleted one no more.';
COMMENT ON FUNCTION list_moved_links() IS 'Trigger: lists the links of an enrolment that changed its partner or version.';
REVOKE EXECUTE ON FUNCTION list_links(integer[]) FROM public;

CREATE TRIGGER partner_links_listed AFTER INSERT ON partner_links
    REFERENCING NEW TABLE AS new_links FOR EACH STATEMENT EXECUTE FUNCTION list_new_links();
CREATE TRIGGER partner_links_listed_anew AFTER UPDATE ON partner_links FOR EACH ROW
    WHEN ((OLD.full_url, OLD.link_label, OLD.campaign_partner_id, OLD.vendor_id, OLD.is_disabled, OLD.starts_at,
           OLD.expires_at, OLD.is_deleted)
          IS DISTINCT FROM
          (NEW.full_url, NEW.link_label, NEW.campaign_partner_id, NEW.vendor_id, NEW.is_disabled, NEW.starts_at,
           NEW.expires_at, NEW.is_deleted))
    EXECUTE FUNCTION list_changed_link();
CREATE TRIGGER campaign_partners_moved AFTER UPDATE ON campaign_partners FOR EACH ROW
    WHEN ((OLD.partner_id, OLD.campaign_version_id) IS DISTINCT FROM (NEW.partner_id, NEW.campaign_version_id))
    EXECUTE FUNCTION list_moved_links();

-- The only way of a tenant to the table. It sees past the policies, as the index on words could not be used under them,
-- and so asks for the tenant itself; what it finds is read from partner_links, under the policies, all the same.
-- EXECUTE plans for the values given: which index is best depends on them.
CREATE FUNCTION find_links(
    looked_for text, campaign integer, partner integer, enrolment integer, standing text,
    beyond integer, is_newest_first boolean, rows_max integer
) RETURNS SETOF integer
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 100 SET search_path = public, pg_temp SET jit = off AS $$
BEGIN
    RETURN QUERY EXECUTE format($query$
        SELECT partner_link_id FROM listed_links
        WHERE partner_link_id %s $1
          AND ($2 = 'admin' OR vendor_id = $3 OR partner_id = $4)
          AND ($5 IS NULL OR words @@ $5)
          AND ($6 IS NULL OR campaign_id = $6)
          AND ($7 IS NULL OR partner_id = $7)
          AND ($8 IS NULL OR partner_link_id IN (SELECT l.partner_link_id FROM partner_links l
                                                 WHERE l.campaign_partner_id = $8))
          AND CASE $9 WHEN 'disabled' THEN is_disabled
                      WHEN 'expired' THEN NOT is_disabled AND expires_at <= now()
                      WHEN 'scheduled' THEN NOT is_disabled AND starts_at > now()
                      WHEN 'active' THEN NOT is_disabled AND coalesce(expires_at > now(), true)
                                         AND coalesce(starts_at <= now(), true)
                      ELSE true END
        ORDER BY partner_link_id %s LIMIT $10 $query$,
        CASE WHEN is_newest_first THEN '<' ELSE '>' END, CASE WHEN is_newest_first THEN 'DESC' ELSE 'ASC' END)
    USING beyond, tenant_role(), tenant_vendor_id(), tenant_partner_id(),
          (SELECT string_agg('''' || word || ''':*', ' & ')::tsquery FROM unnest(words_of(looked_for)) AS parts (word)),
          campaign, partner, enrolment, standing, rows_max;
END
$$;
COMMENT ON FUNCTION find_links(text, integer, integer, integer, text, integer, boolean, integer) IS
    'Numbers of a tenant''s links: every word of looked_for begins one of code, label or destination; other conditions where given.';

INSERT INTO listed_links SELECT * FROM links_to_list;
