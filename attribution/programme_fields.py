"""The fields of a programme file (interface: `clickledger apply`) and the rules each must keep by itself.

`attribution.programme` reads the file into these models; `apply` walks them. Numbers are Decimals made from text:
money never is a float.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict, model_validator

from attribution.link_fields import Flag, Label, Moment, NewLink, Text, Url
from schema.links import WINDOW_DAYS_DEFAULT, WINDOW_DAYS_MAX

AMOUNT_MAX = Decimal("99999999.99")
DECIMALS_MAX = 4
"""As many as a currency can have (CLF), and as the tables hold."""
TIER_STEP_MAX = Decimal(1)
"""Tiers written as 0-999 and 1000-4999 leave no gap: a tier reaches up to where the next begins."""

_DIGITS = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
PartnerTier = Literal["standard", "bronze", "silver", "gold", "platinum"]
Model = Literal["first_click", "last_click", "linear", "time_decay", "position_based"]


def _decimal(value: Any) -> Any:
    """A decimal only from its digits."""
    if isinstance(value, bool | float) or not isinstance(value, str | int | Decimal):
        raise ValueError("must be a decimal number such as 10.00")
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise ValueError("must be a decimal number such as 10.00")
    return value


def _decimals(value: Decimal) -> Decimal:
    if value != round(value, DECIMALS_MAX):
        raise ValueError(f"has more than {DECIMALS_MAX} decimals")
    return value


Amount = Annotated[
    Decimal,
    BeforeValidator(_decimal),
    Field(ge=0, le=AMOUNT_MAX, allow_inf_nan=False),
    AfterValidator(_decimals),
]
Factor = Annotated[
    Decimal, BeforeValidator(_decimal), Field(ge=0, le=1000, allow_inf_nan=False), AfterValidator(_decimals)
]
Email = Annotated[Text, Field(max_length=255, pattern=r"^[^@\s]+@[^@\s]+$")]
Days = Annotated[int, Strict(), Field(ge=0, le=WINDOW_DAYS_MAX)]


class Strictly(BaseModel):
    """Refuses a field it does not know: a typing mistake must not be ignored."""

    model_config = ConfigDict(extra="forbid")


class Rate(Strictly):
    """A percentage (10.00 is 10 %) or a fixed amount."""

    type: Literal["percentage", "flat"]
    value: Amount

    @model_validator(mode="after")
    def _at_most_all(self) -> Rate:
        _check_percentage(self.type, self.value)
        return self


class Tier(Strictly):
    """A rate from `min` of a partner's revenue in the period upwards, until the next tier begins."""

    label: Annotated[Text, Field(min_length=1, max_length=50)]
    min: Amount
    max: Amount | None = None
    type: Literal["percentage", "flat"] = "percentage"
    value: Amount

    @model_validator(mode="after")
    def _sound(self) -> Tier:
        _check_percentage(self.type, self.value)
        if self.max is not None and self.max <= self.min:
            raise ValueError("max must be above min")
        return self


class Commission(Strictly):
    """What a campaign pays unless an override or a rule says otherwise."""

    type: Literal["percentage", "flat", "tiered"]
    value: Amount | None = None
    tiers: list[Tier] = Field(default_factory=list, max_length=100)
    partner_tiers: dict[PartnerTier, Rate] = Field(default_factory=dict)
    """Rates that stand in for `value` where the partner has that tier."""

    @model_validator(mode="after")
    def _sound(self) -> Commission:
        if self.type == "tiered" and self.partner_tiers:
            raise ValueError("partner_tiers stand in for a value, and type tiered has none")
        if self.type == "tiered":
            _check_tiers(self.tiers)
        elif self.tiers:
            raise ValueError("tiers go with type tiered only")
        elif self.value is None:
            raise ValueError(f"value is needed for type {self.type}")
        else:
            _check_percentage(self.type, self.value)
        return self


class DateRange(Strictly):
    """Whole days in UTC, the end included."""

    start: date | None = None
    end: date | None = None


class Conditions(Strictly):
    """When a rule applies; all must hold, none means always."""

    date_range: DateRange | None = None
    min_event_value: Amount | None = None
    customer_lifetime_value_min: Amount | None = None
    event_types: list[Annotated[Text, Field(min_length=1, max_length=100)]] | None = None
    is_first_purchase: Flag | None = None
    partner_tiers: list[PartnerTier] | None = None


class Actions(Strictly):
    """What a rule does: replace the rate, multiply it, add to it."""

    commission_multiplier: Factor | None = None
    bonus_flat: Amount | None = None
    commission_type: Literal["percentage", "flat"] | None = None
    commission_value: Amount | None = None

    @model_validator(mode="after")
    def _sound(self) -> Actions:
        if (self.commission_type is None) != (self.commission_value is None):
            raise ValueError("commission_type and commission_value go together")
        if not self.model_dump(exclude_none=True):
            raise ValueError("a rule needs at least one action")
        if self.commission_type is not None and self.commission_value is not None:
            _check_percentage(self.commission_type, self.commission_value)
        return self


class CommissionRule(Strictly):
    """A named rule of a campaign."""

    name: Annotated[Text, Field(min_length=1, max_length=255)]
    description: Text | None = None
    active: Flag = True
    conditions: Conditions = Field(default_factory=Conditions)
    actions: Actions
    valid_from: Moment | None = None
    valid_until: Moment | None = None

    @model_validator(mode="after")
    def _in_order(self) -> CommissionRule:
        _check_validity(self.valid_from, self.valid_until)
        return self


class Override(Rate):
    """A partner's own rate, for one event type or all; from the moment it is applied on where no beginning is given."""

    event: Annotated[Text, Field(max_length=100)] | None = None
    notes: Text | None = None
    valid_from: Moment | None = None
    valid_until: Moment | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Override:
        _check_validity(self.valid_from, self.valid_until)
        return self


class ProgrammeLink(NewLink):
    """A link of an enrolment; its code is its identity."""

    @model_validator(mode="after")
    def _has_code(self) -> ProgrammeLink:
        if self.code is None:
            raise ValueError("code is needed, or applying twice would double the link")
        if self.campaign_partner_id is not None or self.vendor_id is not None:
            raise ValueError("campaign_partner_id and vendor_id follow from where the link stands")
        return self


class ProgrammePartner(Strictly):
    """A partner and its enrolment in the campaign."""

    email: Email
    name: Label
    tier: PartnerTier = "standard"
    website_url: Url | None = None
    override: Override | None = None
    overrides: list[Override] = Field(default_factory=list, max_length=100)
    links: list[ProgrammeLink] = Field(default_factory=list)


def listed_overrides(partner: ProgrammePartner) -> list[tuple[str, Override]]:
    """`override` and `overrides` together, each with where it stands."""
    one = [("override", partner.override)] if partner.override is not None else []
    return [*one, *((f"overrides[{at}]", override) for at, override in enumerate(partner.overrides))]


class Campaign(Strictly):
    """A campaign: its terms, its rules, its partners. A changed term publishes a new version."""

    name: Annotated[Label, Field(min_length=1)]
    description: Text | None = None
    destination_url: Url
    commission: Commission
    window_days: Days = WINDOW_DAYS_DEFAULT
    attribution_model: Model = "last_click"
    half_life_days: Annotated[Decimal, BeforeValidator(_decimal), Field(gt=0, le=400, decimal_places=2)] = (
        Decimal(7)
    )
    click_param: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.~-]{1,64}$")] = "clk"
    pricing: Literal["pool", "per_partner"] = "pool"
    rule_mode: Literal["first", "sum"] = "first"
    is_rules_on_overrides: Flag = True
    hold_days: Annotated[int, Strict(), Field(ge=0, le=365)] = 0
    flat_refund: Literal["keep", "prorate"] = "keep"
    is_coupon_wins: Flag = True
    rebill_months_max: Annotated[int, Strict(), Field(ge=0, le=1200)] | None = None
    is_upgrade_reattributed: Flag = False
    is_pending_counted: Flag = False
    is_held_after_end: Flag = True
    status: Literal["active", "paused", "archived"] = "active"
    rules: list[CommissionRule] | None = Field(None, max_length=1000)
    partners: list[ProgrammePartner] = Field(default_factory=list)


class Vendor(Strictly):
    """A vendor and its campaigns."""

    email: Email
    name: Annotated[Label, Field(min_length=1)]
    company_name: Label | None = None
    website_url: Url | None = None
    campaigns: list[Campaign] = Field(default_factory=list)


class Programme(Strictly):
    """The whole file."""

    vendors: list[Vendor]


def _check_percentage(kind: str, value: Decimal) -> None:
    if kind == "percentage" and value > 100:
        raise ValueError("a percentage may be at most 100")


def _check_validity(begins: datetime | None, ends: datetime | None) -> None:
    if begins is not None and ends is not None and ends <= begins:
        raise ValueError("valid_until must lie after valid_from")


def _check_tiers(tiers: list[Tier]) -> None:
    """Tiers must begin at 0, rise, and meet: requirement 11, with A6's reading of where a tier ends."""
    if not tiers:
        raise ValueError("tiers are needed for type tiered")
    if tiers[0].min != 0:
        raise ValueError("the first tier must begin at 0, or small revenues would have no rate")
    for lower, upper in pairwise(tiers):
        if upper.min <= lower.min:
            raise ValueError(f"tier {upper.label} must begin above tier {lower.label}")
        if lower.max is not None and lower.max > upper.min:
            raise ValueError(f"tiers {lower.label} and {upper.label} overlap")
        if lower.max is not None and upper.min - lower.max > TIER_STEP_MAX:
            raise ValueError(f"tiers {lower.label} and {upper.label} leave a gap")
