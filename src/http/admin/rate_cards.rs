//! Lists, shows, creates, changes and deletes rate cards.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::changes::{Edit, ReasonQuery, some_change};
use crate::domain::prices::rate_card_terms::{RateCardChanges, RateCardTerms};
use crate::domain::prices::rate_cards::{Network, RateCard};
use crate::domain::values::countries::CountryCode;
use crate::domain::values::currency::Currency;
use crate::domain::values::listing::{ListRequest, ListValue};
use crate::domain::values::money::Money;
use crate::domain::values::sid::RateCardSid;
use crate::domain::values::text::OperatorName;
use crate::domain::values::time::CalendarDay;
use crate::http::bodies::rate_cards::{NetworkBody, RateCardBody};
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::listing::{self, ListQuery};
use crate::http::edge::answer::responses::{BodyErrors, CommonErrors, Conflicts, Forbidden, Missing, Preconditions};
use crate::http::edge::ask::etag::{Versioned, etag};
use crate::http::edge::ask::extract::{Json, Query, SidPath, present};
use crate::http::edge::who::auth::{Administer, May};
use crate::http::edge::writes::to_the_end;
use crate::http::schema::DecimalInput;
use crate::http::state::AppState;
use crate::services;

/// The price of a destination, from a given day on.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RateCardTerms, example = json!({
    "country_code": "KE", "operator": "Safaricom", "networks": [{"mcc": "639", "mnc": "01"}, {"mcc": "639", "mnc": "02"}],
    "price_per_sms": 0.021, "currency": "USD", "effective_from": "2199-01-01", "notes": "Contract of 2198"
}))]
pub struct RateCardTermsBody {
    country_code: CountryCode,
    /// At most 64 characters, ignoring case; left out or empty on a rate card for the whole country.
    operator: Option<String>,
    /// The operator's networks, at most 100.
    #[serde(default)]
    networks: Vec<NetworkBody>,
    /// 0 to 1,000,000.
    #[schema(value_type = DecimalInput)]
    price_per_sms: Money,
    currency: Currency,
    /// The first day, in the billing time zone, on which the price applies: today or later. Only the first rate card of
    /// a destination and currency may begin on any day.
    #[schema(value_type = NaiveDate)]
    effective_from: CalendarDay,
    /// At most 1,000 characters.
    #[serde(default)]
    notes: String,
}

impl From<RateCardTermsBody> for RateCardTerms {
    fn from(body: RateCardTermsBody) -> RateCardTerms {
        RateCardTerms {
            country_code: body.country_code,
            operator: body.operator.unwrap_or_default(),
            networks: body.networks.into_iter().map(Network::from).collect(),
            price_per_sms: body.price_per_sms,
            currency: body.currency,
            effective_from: body.effective_from.date(),
            notes: body.notes,
        }
    }
}

/// Changes to a rate card that has not taken effect yet; fields that you leave out keep their value. Country, operator,
/// currency and day cannot be changed: leave them out, or send them unchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RateCardChanges, example = json!({"price_per_sms": 0.0205, "notes": "As agreed in May"}))]
pub struct RateCardChangesBody {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<DecimalInput>)]
    price_per_sms: Option<Money>,
    #[serde(default, deserialize_with = "present")]
    networks: Option<Vec<NetworkBody>>,
    #[serde(default, deserialize_with = "present")]
    notes: Option<String>,
    #[serde(default, deserialize_with = "present")]
    country_code: Option<CountryCode>,
    #[serde(default, deserialize_with = "present")]
    operator: Option<String>,
    #[serde(default, deserialize_with = "present")]
    currency: Option<Currency>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<NaiveDate>)]
    effective_from: Option<CalendarDay>,
}

impl TryFrom<RateCardChangesBody> for RateCardChanges {
    type Error = Problem;

    fn try_from(body: RateCardChangesBody) -> Result<RateCardChanges, Problem> {
        some_change(RateCardChanges {
            price_per_sms: body.price_per_sms,
            networks: body.networks.map(|networks| networks.into_iter().map(Network::from).collect()),
            notes: body.notes,
            country_code: body.country_code,
            operator: body.operator,
            currency: body.currency,
            effective_from: body.effective_from.map(CalendarDay::date),
        })
    }
}

fn one(card: RateCard) -> Versioned<RateCardBody> {
    (etag(card.version()), Json(card.into()))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RateCardListFilter {
    /// Only this country, ignoring case.
    #[param(value_type = Option<String>, example = "KE")]
    country_code: Option<CountryCode>,
    /// Only this operator, ignoring case.
    #[param(value_type = Option<String>, example = "Safaricom")]
    operator: Option<OperatorName>,
    /// Only rate cards in this currency.
    #[param(value_type = Option<String>, example = "USD")]
    currency: Option<Currency>,
    /// Only rate cards that take effect on this day or later.
    #[param(value_type = Option<NaiveDate>)]
    from: Option<CalendarDay>,
    /// Only rate cards that take effect on this day or earlier.
    #[param(value_type = Option<NaiveDate>)]
    to: Option<CalendarDay>,
    /// Only rate cards in force on this day: one per destination and currency.
    #[param(value_type = Option<NaiveDate>)]
    as_of: Option<CalendarDay>,
}

impl RateCardListFilter {
    pub fn of(self, query: ListQuery) -> ListRequest {
        let day = |day: CalendarDay| ListValue::Day(day.date());
        ListRequest::from(query)
            .filtered("country_code", self.country_code.map(|country| ListValue::text(country.as_str())))
            .filtered("operator", self.operator.map(|name| ListValue::Text(OperatorName::key(name.as_str()))))
            .filtered("currency", self.currency.map(|currency| ListValue::text(currency.code())))
            .filtered("from", self.from.map(day))
            .filtered("to", self.to.map(day))
            .filtered("as_of", self.as_of.map(day))
    }
}

/// List all rate cards
///
/// Past and future rate cards too, a page at a time: the `Link` header points to the next page. `search` matches
/// country code, operator, currency and notes. Sorted by `destination` (the default: country, operator, currency, day),
/// `country_code`, `operator`, `currency`, `price_per_sms`, `effective_from` or `created_at`.
#[utoipa::path(
    get,
    path = "/api/admin/rate-cards/",
    tag = "Admin",
    params(ListQuery, RateCardListFilter),
    responses(
        (status = 200, description = "A page of rate cards", body = Vec<RateCardBody>,
         headers(("Link" = String, description = "The next page (rel=\"next\"); missing on the last page"))),
        CommonErrors,
        Forbidden,
    ),
)]
pub async fn list_all_rate_cards(
    State(state): State<AppState>,
    _: May<Administer>,
    Query(list): Query<ListQuery>,
    Query(filter): Query<RateCardListFilter>,
    uri: Uri,
) -> Result<(HeaderMap, Json<Vec<RateCardBody>>), Problem> {
    let page = services::prices::rate_cards::page(&state.billing, &filter.of(list)).await?;
    Ok(listing::answer(&uri, page))
}

/// Get a rate card
///
/// Returns an `ETag`; send it in `If-Match` when you change or delete the rate card.
#[utoipa::path(
    get,
    path = "/api/admin/rate-cards/{rate_card_sid}/",
    tag = "Admin",
    params(("rate_card_sid" = RateCardSid, Path, description = "The rate card")),
    responses(
        (status = 200, description = "The rate card", body = RateCardBody,
         headers(("ETag" = String, description = "The version of the rate card, for `If-Match`"))),
        CommonErrors,
        Forbidden,
        Missing,
    ),
)]
pub async fn show_rate_card(
    State(state): State<AppState>,
    _: May<Administer>,
    SidPath(sid): SidPath<RateCardSid>,
) -> Result<Versioned<RateCardBody>, Problem> {
    Ok(one(services::prices::rate_cards::show(&state.billing, sid).await?))
}

/// Create a rate card
///
/// To change a price, create a new rate card: earlier rate cards, and the charges made with them, stay as they are.
/// There is one rate card per destination, currency and day, so repeating the request creates no second one.
#[utoipa::path(
    post,
    path = "/api/admin/rate-cards/",
    tag = "Admin",
    params(ReasonQuery),
    request_body(content = RateCardTermsBody, description = "The rate card"),
    responses(
        (status = 201, description = "The rate card", body = RateCardBody,
         headers(("ETag" = String, description = "The version of the rate card, for `If-Match`"))),
        CommonErrors,
        Forbidden,
        BodyErrors,
        Conflicts,
    ),
)]
pub async fn create_rate_card(
    State(state): State<AppState>,
    may: May<Administer>,
    Query(reason): Query<ReasonQuery>,
    Json(body): Json<RateCardTermsBody>,
) -> Result<(StatusCode, Versioned<RateCardBody>), Problem> {
    let author = reason.author(may);
    let create = async move { services::prices::rate_cards::create(&state.billing, body.into(), &author).await };
    Ok((StatusCode::CREATED, one(to_the_end(create).await?)))
}

/// Update a rate card
///
/// Changes price, networks and notes. Only possible before the rate card takes effect: a price that is or was in force
/// stays as it is. Send its `ETag` in `If-Match`.
#[utoipa::path(
    patch,
    path = "/api/admin/rate-cards/{rate_card_sid}/",
    tag = "Admin",
    params(
        ("rate_card_sid" = RateCardSid, Path, description = "The rate card"),
        ("If-Match" = String, Header, description = "The `ETag` you received, or `*` for any version", example = "*"),
        ReasonQuery,
    ),
    request_body(content = RateCardChangesBody, description = "The fields to change"),
    responses(
        (status = 200, description = "The updated rate card", body = RateCardBody,
         headers(("ETag" = String, description = "The version of the rate card, for `If-Match`"))),
        CommonErrors,
        Forbidden,
        Missing,
        BodyErrors,
        Conflicts,
        Preconditions,
    ),
)]
pub async fn change_rate_card(
    State(state): State<AppState>,
    Edit { target: sid, seen, author, .. }: Edit<RateCardSid>,
    Json(body): Json<RateCardChangesBody>,
) -> Result<Versioned<RateCardBody>, Problem> {
    let changes = body.try_into()?;
    let change =
        async move { services::prices::rate_cards::change(&state.billing, sid, &seen, changes, &author).await };
    Ok(one(to_the_end(change).await?))
}

/// Delete a rate card
///
/// Only possible before it takes effect: a price that is or was in force stays. Send its `ETag` in `If-Match`.
#[utoipa::path(
    delete,
    path = "/api/admin/rate-cards/{rate_card_sid}/",
    tag = "Admin",
    params(
        ("rate_card_sid" = RateCardSid, Path, description = "The rate card"),
        ("If-Match" = String, Header, description = "The `ETag` you received, or `*` for any version", example = "*"),
        ReasonQuery,
    ),
    responses(
        (status = 204, description = "The rate card was deleted"),
        CommonErrors,
        Forbidden,
        Missing,
        Conflicts,
        Preconditions,
    ),
)]
pub async fn delete_rate_card(
    State(state): State<AppState>,
    Edit { target: sid, seen, author, .. }: Edit<RateCardSid>,
) -> Result<StatusCode, Problem> {
    let delete = async move { services::prices::rate_cards::delete(&state.billing, sid, &seen, &author).await };
    to_the_end(delete).await?;
    Ok(StatusCode::NO_CONTENT)
}
