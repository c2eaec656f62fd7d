-- What the ledger adds: the credit of each partner, the payable unit.

CREATE TABLE conversion_credits (
    conversion_event_id bigint NOT NULL REFERENCES conversion_events,
    partner_id integer NOT NULL REFERENCES partners,
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
COMMENT ON COLUMN conversion_credits.amount IS 'How much, exact for currencies of 0 to 4 decimals; negative in an adjustment.';
COMMENT ON COLUMN conversion_credits.currency IS 'ISO 4217, that of the conversion.';
COMMENT ON COLUMN conversion_credits.touches IS 'How many touches it is the sum of.';
