"""The fields of a link as its author gives them, and the rules that need no database.

The API, the import and `apply` all build a `NewLink` or `LinkChanges`; `field_faults` then checks what depends on
the deployment (schemes, code case). Everything a visitor could ever be sent to passes through here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    model_validator,
)

from attribution.faults import Fault
from schema.links import REDIRECT_STATUSES, RULES_MAX, SPLITS_MAX, code_fault, normalise_code
from schema.settings import Settings
from schema.urls import URL_CHARS_MAX, destination_fault

PARAMS_MAX = 50
INT_MAX = 2**31 - 1
MOMENT_MIN = datetime(1970, 1, 1, tzinfo=UTC)
MOMENT_MAX = datetime(2200, 1, 1, tzinfo=UTC)


def _storable(text: str) -> str:
    """Refuse what PostgreSQL's text cannot hold."""
    if "\x00" in text:
        raise ValueError("may not contain a NUL character")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("may not contain half a character (a lone surrogate)")
    return text


def _moment(value: Any) -> Any:
    """Refuse numbers, which pydantic would read as seconds or milliseconds depending on their size."""
    if not isinstance(value, str | datetime):
        raise ValueError("must be an RFC 3339 time")
    return value


def _in_range(value: datetime) -> datetime:
    if not MOMENT_MIN <= value < MOMENT_MAX:
        raise ValueError("must lie between 1970 and 2200")
    return value.astimezone(UTC)


Text = Annotated[str, AfterValidator(_storable)]
Label = Annotated[Text, Field(max_length=255)]
Url = Annotated[Text, Field(min_length=1, max_length=URL_CHARS_MAX)]
Id = Annotated[int, Strict(), Field(ge=1, le=INT_MAX)]
Flag = Annotated[bool, Strict()]
Moment = Annotated[AwareDatetime, BeforeValidator(_moment), AfterValidator(_in_range)]
Name = Annotated[Text, Field(min_length=1, max_length=64)]
UtmName = Annotated[str, Field(pattern=r"^utm_[a-z_]{1,32}$")]
Value = Annotated[Text, Field(max_length=1024)]
UtmParams = Annotated[dict[UtmName, Value], Field(max_length=PARAMS_MAX)]
CustomParams = Annotated[dict[Name, Value], Field(max_length=PARAMS_MAX)]
ForwardQuery = Literal["append", "off", "override"] | Annotated[list[Name], Field(max_length=PARAMS_MAX)]
Status = Annotated[int, Strict(), Field(ge=100, le=599)]


class When(BaseModel):
    """The conditions of a rule; all must hold, none means always."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    country: list[Annotated[str, Field(pattern=r"^[A-Z]{2}$")]] = Field([], max_length=250)
    device: list[Literal["desktop", "mobile", "tablet"]] = Field([], max_length=3)
    language: list[Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]] = Field([], max_length=100)
    from_: Moment | None = Field(None, alias="from")
    until: Moment | None = None


class Way(BaseModel):
    """One weighted destination of a split."""

    model_config = ConfigDict(extra="forbid")

    weight: Annotated[int, Strict(), Field(ge=0, le=1_000_000)]
    to: Url


class Rule(BaseModel):
    """Who goes where instead of the link's destination; the first rule that matches wins."""

    model_config = ConfigDict(extra="forbid")

    when: When = Field(default_factory=lambda: When.model_validate({}))
    to: Url | None = None
    split: list[Way] | None = Field(None, min_length=1, max_length=SPLITS_MAX)

    @model_validator(mode="after")
    def _one_way(self) -> Rule:
        if (self.to is None) == (self.split is None):
            raise ValueError("needs either to or split")
        if self.split is not None and not sum(way.weight for way in self.split):
            raise ValueError("needs a split whose weights are not all 0")
        return self


class LinkChanges(BaseModel):
    """What may be changed on a link. A code never changes: it is printed on things."""

    model_config = ConfigDict(extra="forbid")

    destination_url: Url | None = None
    label: Label | None = None
    rules: list[Rule] = Field([], max_length=RULES_MAX)
    utm_params: UtmParams = {}
    custom_params: CustomParams = {}
    forward_query: ForwardQuery = "append"
    starts_at: Moment | None = None
    expires_at: Moment | None = None
    max_clicks: Id | None = None
    fallback_url: Url | None = None
    redirect_status: Status = 302
    is_disabled: Flag = False


class NewLink(LinkChanges):
    """A link to be made: on an enrolment, or plain with a destination of its own."""

    code: Text | None = Field(None, description="Made up when left out.")
    campaign_partner_id: Id | None = None
    vendor_id: Id | None = Field(None, description="Owner of a plain link; an admin may name one.")


class Policy(NamedTuple):
    """What this deployment allows."""

    allowed_schemes: frozenset[str]
    is_case_sensitive: bool
    door_url: str

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        """The policy these settings state."""
        schemes = frozenset(scheme.lower() for scheme in settings.allowed_schemes)
        return cls(schemes, settings.code_case == "sensitive", settings.door_url)

    def normal(self, code: str) -> str:
        """The stored form of a code."""
        return normalise_code(code, is_case_sensitive=self.is_case_sensitive)


def field_faults(link: LinkChanges, policy: Policy) -> list[Fault]:
    """Everything wrong with the given fields of a link that can be seen without a database."""
    faults = [*_url_faults(link, policy), *_date_faults(link)]
    if link.redirect_status in (301, 308):
        faults.append(
            Fault(
                "redirect_status",
                f"{link.redirect_status} is refused: browsers keep permanent redirects and skip the door the next "
                "time, so clicks would be lost; use 302, 303 or 307",
            )
        )
    elif link.redirect_status not in REDIRECT_STATUSES:
        faults.append(Fault("redirect_status", "must be 302, 303 or 307"))
    if isinstance(link, NewLink) and link.code is not None:
        wrong = code_fault(policy.normal(link.code))
        if wrong is not None:
            faults.append(Fault("code", wrong))
    return faults


def _url_faults(link: LinkChanges, policy: Policy) -> list[Fault]:
    given = [("destination_url", link.destination_url), ("fallback_url", link.fallback_url)]
    for index, rule in enumerate(link.rules):
        given.append((f"rules.{index}.to", rule.to))
        given += [(f"rules.{index}.split.{place}.to", way.to) for place, way in enumerate(rule.split or [])]
    checked = (
        (field, destination_fault(url, policy.allowed_schemes)) for field, url in given if url is not None
    )
    return [Fault(field, wrong) for field, wrong in checked if wrong is not None]


def _date_faults(link: LinkChanges) -> list[Fault]:
    faults = []
    if link.starts_at is not None and link.expires_at is not None and link.expires_at <= link.starts_at:
        faults.append(Fault("expires_at", "must be later than starts_at"))
    for index, rule in enumerate(link.rules):
        when = rule.when
        if when.from_ is not None and when.until is not None and when.until <= when.from_:
            faults.append(Fault(f"rules.{index}.when.until", "must be later than from"))
    return faults
