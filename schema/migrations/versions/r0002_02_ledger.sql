-- What the ledger adds: what it decided and why, the credit of each partner (the payable unit), and what must be decided
-- again. What was decided is guarded here, whoever writes.

ALTER TABLE conversion_events
    ADD COLUMN reported_click_id bigint,
    ADD COLUMN reported_cookie_id uuid,
    ADD COLUMN reported_confidence varchar(50) CONSTRAINT conversion_events_reported_confidence_known
        CHECK (reported_confidence IN ('high', 'medium', 'low')),
    ADD COLUMN state_reason text CONSTRAINT conversion_events_state_reason_length CHECK (char_length(state_reason) <= 1000),
    ADD COLUMN waits_until timestamptz,
    ADD COLUMN priced_at timestamptz,
    ADD COLUMN terms jsonb,
    DROP CONSTRAINT conversion_events_attribution_state_known,
    ADD CONSTRAINT conversion_events_attribution_state_known
        CHECK (attribution_state IN ('awaiting_click', 'attributed', 'unattributed', 'set_aside'));
UPDATE conversion_events SET reported_click_id = click_id, reported_cookie_id = cookie_id,
    reported_confidence = attribution_confidence;

COMMENT ON COLUMN conversion_events.attribution_state IS 'awaiting_click until every click before it is stored, then attributed, or unattributed where no click may earn; set_aside where it could not be worked out and somebody must look.';
COMMENT ON COLUMN conversion_events.reported_click_id IS 'The click it was reported with; click_id is the one that earned last.';
COMMENT ON COLUMN conversion_events.reported_cookie_id IS 'The cookie it was reported with; cookie_id is that of the journey.';
COMMENT ON COLUMN conversion_events.reported_confidence IS 'The most confidence the report itself deserves: medium without transaction_id or signature.';
COMMENT ON COLUMN conversion_events.state_reason IS 'Why it waits, was not attributed, or was set aside.';
COMMENT ON COLUMN conversion_events.waits_until IS 'Until when it waits for the click or first sale it names; empty while nothing is known to be missing.';
COMMENT ON COLUMN conversion_events.priced_at IS 'When it was first priced: rates and rules count as they stood then, however often it is attributed again.';
COMMENT ON COLUMN conversion_events.terms IS 'The frozen terms: model, half-life, pricing, and for each partner every rate considered and why it won or lost.';

-- The id derived from vendor, event, click or cookie, amount and moment recognises a repetition now; click_id becomes
-- the matched click, of which two conversions may well have the same.
DROP INDEX conversion_events_no_transaction_key;
-- Partial: a column of a whole unique key cannot be updated while another row is being checked against its foreign key,
-- and attributors that work side by side would lock each other out.
ALTER TABLE conversion_events DROP CONSTRAINT conversion_events_milestone_key;
CREATE UNIQUE INDEX conversion_events_milestone_key ON conversion_events (partner_id, campaign_milestone_id)
    WHERE campaign_milestone_id IS NOT NULL;
CREATE INDEX conversion_events_click_id_idx ON conversion_events (click_id) WHERE click_id IS NOT NULL;
CREATE INDEX conversion_events_reported_click_id_idx ON conversion_events (reported_click_id)
    WHERE reported_click_id IS NOT NULL;
CREATE INDEX conversion_events_customer_email_idx ON conversion_events (vendor_id, customer_email)
    WHERE customer_email IS NOT NULL;
CREATE INDEX conversion_events_parent_transaction_idx ON conversion_events (vendor_id, parent_transaction_id)
    WHERE parent_transaction_id IS NOT NULL;
CREATE INDEX conversion_events_pending_idx ON conversion_events (occurred_at)
    WHERE status = 'pending' AND attribution_state = 'attributed' AND NOT is_held;

CREATE FUNCTION keep_report() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.reported_click_id := coalesce(NEW.reported_click_id, NEW.click_id);
    NEW.reported_cookie_id := coalesce(NEW.reported_cookie_id, NEW.cookie_id);
    NEW.reported_confidence := coalesce(NEW.reported_confidence, NEW.attribution_confidence);
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION keep_report() IS 'Trigger: what was reported stays beside what the ledger makes of it.';
CREATE TRIGGER conversion_events_report_kept BEFORE INSERT ON conversion_events
    FOR EACH ROW EXECUTE FUNCTION keep_report();

CREATE TABLE conversion_credits (
    conversion_event_id bigint NOT NULL REFERENCES conversion_events,
    partner_id integer NOT NULL REFERENCES partners,
    campaign_version_id integer NOT NULL REFERENCES campaign_versions,
    amount numeric(18, 4) NOT NULL,
    currency char(3) NOT NULL CONSTRAINT conversion_credits_currency_shape CHECK (currency ~ '^[A-Z]{3}$'),
    touches integer NOT NULL CONSTRAINT conversion_credits_touches_range CHECK (touches >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (conversion_event_id, partner_id)
);
CREATE INDEX conversion_credits_partner_id_idx ON conversion_credits (partner_id);

COMMENT ON TABLE conversion_credits IS 'What one partner earns from one conversion: the sum of that partner''s touches of the model that pays.';
COMMENT ON COLUMN conversion_credits.conversion_event_id IS 'The conversion.';
COMMENT ON COLUMN conversion_credits.partner_id IS 'Who earns.';
COMMENT ON COLUMN conversion_credits.campaign_version_id IS 'The version of the partner''s newest touch: whose totals it counts in.';
COMMENT ON COLUMN conversion_credits.amount IS 'How much, exact for currencies of 0 to 4 decimals; negative in an adjustment.';
COMMENT ON COLUMN conversion_credits.currency IS 'ISO 4217, that of the conversion.';
COMMENT ON COLUMN conversion_credits.touches IS 'How many touches it is the sum of.';

-- Rows are only ever added and removed by number: two that ask for the same conversion never wait for each other, and
-- a request that comes while the conversion is being looked at stays for the next look.
CREATE TABLE reattributions (
    reattribution_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    conversion_event_id bigint NOT NULL REFERENCES conversion_events ON DELETE CASCADE,
    reason text NOT NULL CONSTRAINT reattributions_reason_known
        CHECK (reason IN ('late_click', 'customer_link', 'earlier_conversion', 'parent', 'recompute')),
    requested_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE reattributions IS 'Conversions to be attributed again because something they depend on came later; the attributor empties it.';
COMMENT ON COLUMN reattributions.reattribution_id IS 'Number of the request.';
COMMENT ON COLUMN reattributions.conversion_event_id IS 'The conversion.';
COMMENT ON COLUMN reattributions.reason IS 'What came: late_click, customer_link, earlier_conversion, parent (first sale of a subscription), or recompute.';
COMMENT ON COLUMN reattributions.requested_at IS 'Since when.';

CREATE TABLE journey_requests (
    journey_request_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    cookie_id uuid NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE journey_requests IS 'Cookies with several conversions, whose journeys are to be worked out again; the attributor empties it.';
COMMENT ON COLUMN journey_requests.journey_request_id IS 'Number of the request.';
COMMENT ON COLUMN journey_requests.cookie_id IS 'The cookie (soft reference).';
COMMENT ON COLUMN journey_requests.requested_at IS 'Since when.';

-- A cookie that turns out to be a customer's concerns that customer's conversions from then on.
CREATE FUNCTION note_customer_links() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO reattributions (conversion_event_id, reason)
    SELECT DISTINCT c.conversion_event_id, 'customer_link'
    FROM fresh_links l
    JOIN conversion_events c ON c.vendor_id = l.vendor_id AND c.customer_id = l.customer_hash
    WHERE c.occurred_at >= l.linked_at AND c.attribution_state <> 'awaiting_click'
      AND c.status NOT IN ('approved', 'paid') AND c.adjusts_conversion_event_id IS NULL
    UNION
    SELECT DISTINCT c.conversion_event_id, 'customer_link'
    FROM fresh_links l
    JOIN conversion_events c ON c.vendor_id = l.vendor_id AND c.customer_email = l.customer_hash
    WHERE c.occurred_at >= l.linked_at AND c.attribution_state <> 'awaiting_click'
      AND c.status NOT IN ('approved', 'paid') AND c.adjusts_conversion_event_id IS NULL
    ORDER BY 1;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION note_customer_links() IS 'Trigger: conversions that a new link between customer and cookie may change are attributed again.';
CREATE TRIGGER customer_links_added AFTER INSERT ON customer_links
    REFERENCING NEW TABLE AS fresh_links FOR EACH STATEMENT EXECUTE FUNCTION note_customer_links();
CREATE TRIGGER customer_links_changed AFTER UPDATE ON customer_links
    REFERENCING NEW TABLE AS fresh_links FOR EACH STATEMENT EXECUTE FUNCTION note_customer_links();

-- Since when somebody may no longer earn: a click from then on is no touch, a conversion from then on is held.
ALTER TABLE partners ADD COLUMN status_changed_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE campaigns ADD COLUMN status_changed_at timestamptz NOT NULL DEFAULT now();
COMMENT ON COLUMN partners.status_changed_at IS 'Since when the partner has this status.';
COMMENT ON COLUMN campaigns.status_changed_at IS 'Since when the campaign has this status.';
UPDATE partners SET status_changed_at = updated_at;
UPDATE campaigns SET status_changed_at = updated_at;

CREATE FUNCTION note_status_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.status_changed_at := now();
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION note_status_change() IS 'Trigger: dates a change of status.';
CREATE TRIGGER partners_status_dated BEFORE UPDATE ON partners FOR EACH ROW
    WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION note_status_change();
CREATE TRIGGER campaigns_status_dated BEFORE UPDATE ON campaigns FOR EACH ROW
    WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION note_status_change();

-- A rate or rule that prices conversions never changes: another one is a new row, so that a conversion that is
-- attributed again meets the terms it was first priced under.
ALTER TABLE commission_rules ADD COLUMN deactivated_at timestamptz;
COMMENT ON COLUMN commission_rules.deactivated_at IS 'Since when it is not active; empty while it is.';
CREATE FUNCTION note_deactivation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.deactivated_at := CASE WHEN NEW.active THEN NULL ELSE now() END;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION note_deactivation() IS 'Trigger: dates the moment a rule stopped being active.';
CREATE TRIGGER commission_rules_deactivation_dated BEFORE UPDATE ON commission_rules FOR EACH ROW
    WHEN (OLD.active <> NEW.active) EXECUTE FUNCTION note_deactivation();

CREATE FUNCTION refuse_rate_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a row of % that prices conversions never changes', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'End or delete it and add another.';
END
$$;
COMMENT ON FUNCTION refuse_rate_change() IS 'Trigger: a changed rate is a new row.';
CREATE TRIGGER commission_rules_kept BEFORE UPDATE ON commission_rules FOR EACH ROW
    WHEN ((OLD.campaign_version_id, OLD.conditions, OLD.actions, OLD.valid_from)
          IS DISTINCT FROM (NEW.campaign_version_id, NEW.conditions, NEW.actions, NEW.valid_from))
    EXECUTE FUNCTION refuse_rate_change();
CREATE TRIGGER campaign_tiers_kept BEFORE UPDATE ON campaign_tiers FOR EACH ROW
    WHEN ((OLD.campaign_version_id, OLD.min_amount, OLD.reward_type, OLD.reward_value, OLD.reward_id)
          IS DISTINCT FROM (NEW.campaign_version_id, NEW.min_amount, NEW.reward_type, NEW.reward_value, NEW.reward_id))
    EXECUTE FUNCTION refuse_rate_change();
CREATE TRIGGER partner_campaign_overrides_kept BEFORE UPDATE ON partner_campaign_overrides FOR EACH ROW
    WHEN ((OLD.partner_id, OLD.campaign_version_id, OLD.conversion_event_type_id, OLD.commission_type,
           OLD.commission_value, OLD.valid_from)
          IS DISTINCT FROM
          (NEW.partner_id, NEW.campaign_version_id, NEW.conversion_event_type_id, NEW.commission_type,
           NEW.commission_value, NEW.valid_from))
    EXECUTE FUNCTION refuse_rate_change();

ALTER TABLE campaign_versions ADD COLUMN rebill_months_max integer
    CONSTRAINT campaign_versions_rebill_months_max_range CHECK (rebill_months_max BETWEEN 0 AND 1200);
COMMENT ON COLUMN campaign_versions.rebill_months_max IS 'For how many months after a first sale its renewals earn; empty for as long as they come.';
COMMENT ON COLUMN campaign_versions.hold_days IS 'Days after which a conversion may be approved, and then is by itself; 0: at any time, by hand only.';
CREATE TRIGGER campaign_versions_rebill_kept BEFORE UPDATE ON campaign_versions FOR EACH ROW
    WHEN (OLD.rebill_months_max IS DISTINCT FROM NEW.rebill_months_max) EXECUTE FUNCTION refuse_terms_change();

-- Touches are written once. A new attribution soft-deletes them and writes others, unless the conversion is approved;
-- besides that only erasure may take the cookie out. COPY meets none of these triggers.
CREATE FUNCTION guard_touch() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'touches are never removed' USING ERRCODE = 'restrict_violation', HINT = 'Soft-delete them.';
    END IF;
    IF (OLD.touch_id, OLD.conversion_event_id, OLD.converted_at, OLD.attribution_type, OLD.touch_type, OLD.partner_id,
        OLD.campaign_version_id, OLD.partner_link_id, OLD.touch_weight, OLD.touch_value, OLD.click_id, OLD.occurred_at)
       IS DISTINCT FROM
       (NEW.touch_id, NEW.conversion_event_id, NEW.converted_at, NEW.attribution_type, NEW.touch_type, NEW.partner_id,
        NEW.campaign_version_id, NEW.partner_link_id, NEW.touch_weight, NEW.touch_value, NEW.click_id, NEW.occurred_at)
       OR (OLD.is_deleted AND NOT NEW.is_deleted) THEN
        RAISE EXCEPTION 'touch % never changes', OLD.touch_id
            USING ERRCODE = 'restrict_violation', HINT = 'Soft-delete it and write another.';
    END IF;
    IF NEW.is_deleted AND NOT OLD.is_deleted AND (
        SELECT status FROM conversion_events WHERE conversion_event_id = OLD.conversion_event_id
    ) IN ('approved', 'paid') THEN
        RAISE EXCEPTION 'the touches of conversion % are approved', OLD.conversion_event_id
            USING ERRCODE = 'restrict_violation', HINT = 'Record an adjustment.';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION guard_touch() IS 'Trigger: a touch may only be soft-deleted, and not once its conversion is approved.';
CREATE TRIGGER touches_guarded BEFORE UPDATE OR DELETE ON touches FOR EACH ROW EXECUTE FUNCTION guard_touch();

CREATE FUNCTION guard_credit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF (SELECT status FROM conversion_events WHERE conversion_event_id = OLD.conversion_event_id)
       IN ('approved', 'paid') THEN
        RAISE EXCEPTION 'the credits of conversion % are approved', OLD.conversion_event_id
            USING ERRCODE = 'restrict_violation', HINT = 'Record an adjustment.';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION guard_credit() IS 'Trigger: a credit stays as it was approved.';
CREATE TRIGGER conversion_credits_guarded BEFORE UPDATE OR DELETE ON conversion_credits
    FOR EACH ROW EXECUTE FUNCTION guard_credit();

-- What was decided of an approved conversion stays; revision 0001 keeps what was paid.
CREATE FUNCTION guard_approved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'conversion % is % and its commission never changes', OLD.conversion_event_id, OLD.status
        USING ERRCODE = 'restrict_violation', HINT = 'Record an adjustment.';
END
$$;
COMMENT ON FUNCTION guard_approved() IS 'Trigger: the commission, partner and value of an approved conversion are final.';
CREATE TRIGGER conversion_events_approved_kept BEFORE UPDATE ON conversion_events FOR EACH ROW
    WHEN (OLD.status IN ('approved', 'paid')
          AND (OLD.event_value, OLD.currency, OLD.commission_amount, OLD.partner_id, OLD.attribution_type)
          IS DISTINCT FROM (NEW.event_value, NEW.currency, NEW.commission_amount, NEW.partner_id, NEW.attribution_type))
    EXECUTE FUNCTION guard_approved();

ALTER TABLE leads ADD COLUMN settled_at timestamptz;
CREATE INDEX leads_unsettled_idx ON leads (lead_id) WHERE settled_at IS NULL;
COMMENT ON COLUMN leads.settled_at IS 'When the ledger looked which partner brought it; empty while clicks before it may still come.';
