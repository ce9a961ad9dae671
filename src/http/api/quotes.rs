//! Quotes messages and campaigns without charging them.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ratings::{RatingBody, RatingPart};
use crate::domain::charges::Refusal;
use crate::domain::charges::campaigns::{Campaign, Recipient};
use crate::domain::charges::quotes::{NoPrice, Quote, QuotedDestination, Unpriced};
use crate::domain::prices::lookup::GivenDestination;
use crate::domain::prices::messages::OfferedMessage;
use crate::domain::prices::phone_numbers::PhoneNumber;
use crate::domain::prices::rate_cards::Network;
use crate::domain::prices::rating::Rating;
use crate::domain::prices::segments::Encoding;
use crate::domain::values::countries::CountryCode;
use crate::domain::values::currency::Currency;
use crate::domain::values::json::JsonObject;
use crate::domain::values::money::Money;
use crate::domain::values::sid::{BusinessSid, PlanSid};
use crate::domain::values::text::OperatorName;
use crate::domain::values::time::{Instant, Timestamp};
use crate::error::Error;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::responses::{CommonErrors, WriteErrors};
use crate::http::edge::ask::extract::{Json, segments};
use crate::http::edge::who::auth::{self, May};
use crate::http::state::AppState;
use crate::services;

/// A message or, with `recipients`, a campaign.
///
/// A message is described as for a charge; the other fields of a charge (`message_sid`, `metadata`) are ignored. Its
/// destination is given by `mcc` and `mnc`, else by `country_code` with `operator`, else by the prefix of `to`; in a
/// campaign, by the prefix of each number. The length is given by `segments`, or by the `body`, from which they are
/// counted.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({
    "business_sid": "biz_test_001", "recipients": ["+254712345678", "+256772345678", "+33612345678"],
    "body": "Your parcel is here"
}))]
pub struct QuoteRequest {
    business_sid: BusinessSid,
    /// The recipient's number of a single message, in international form.
    to: Option<PhoneNumber>,
    /// The numbers of a campaign, 1 to 10,000; a number given twice counts as two messages. Entries that are not a
    /// number, or have no price, are listed in the answer.
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 10_000)]
    recipients: Option<Vec<Recipient>>,
    country_code: Option<CountryCode>,
    /// The operator's name, as on its rate card, ignoring case.
    operator: Option<OperatorName>,
    /// The mobile country code of the network, with `mnc`.
    #[schema(pattern = "^[0-9]{3}$", example = "639")]
    mcc: Option<String>,
    /// The mobile network code of the network, with `mcc`.
    #[schema(pattern = "^[0-9]{2,3}$", example = "02")]
    mnc: Option<String>,
    /// The number of segments of each message.
    #[serde(default, deserialize_with = "segments")]
    #[schema(minimum = 1, maximum = 255)]
    segments: Option<u16>,
    /// The text of the messages; segments are counted according to 3GPP TS 23.038 and 23.040.
    body: Option<String>,
    /// When the gateway accepted the message, at most 72 hours ago or 5 minutes ahead: the price at that time applies.
    #[schema(value_type = Option<Timestamp>)]
    submitted_at: Option<Instant>,
}

/// The cost of messages, how it is calculated, and whether the wallet covers it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Quote)]
pub struct QuoteBody {
    business_sid: BusinessSid,
    /// Whether the business is suspended, in which case a charge would be refused.
    suspended: bool,
    /// The currency of the wallet, and of all amounts here.
    currency: Currency,
    /// The number of messages that have a price.
    messages: i64,
    /// The number of segments of these messages.
    segments: i64,
    /// The amount that charging them would debit.
    total: Money,
    #[schema(minimum = 1, maximum = 255)]
    segments_per_message: u16,
    /// Left out if the segments were given instead of a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<Encoding>,
    /// The characters that force the text into UCS-2, each once, in order; without them, more text would fit into a
    /// segment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Option<Vec<String>>)]
    ucs2_characters: Vec<char>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan_sid: Option<PlanSid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan_name: Option<String>,
    /// The destinations of the messages, most expensive first.
    destinations: Vec<DestinationQuote>,
    /// For a single message: its rating, as in a charge.
    #[serde(skip_serializing_if = "Option::is_none")]
    rating: Option<RatingBody>,
    /// Recipients of a campaign that have no price, by reason; the counts and sums above do not include them.
    unpriced: Vec<UnpricedRecipients>,
    /// The wallet's balance.
    balance: Money,
    /// The amount available to debits: balance plus credit limit.
    available: Money,
    /// Whether `available` covers `total`; equal is enough.
    sufficient: bool,
    /// The amount that is missing; left out if `sufficient`.
    #[serde(skip_serializing_if = "Option::is_none")]
    shortfall: Option<Money>,
}

/// All messages to one operator in one country.
#[derive(Debug, Serialize, ToSchema)]
pub struct DestinationQuote {
    country_code: CountryCode,
    country_name: &'static str,
    /// Empty if not known.
    operator: String,
    messages: i64,
    segments: i64,
    total: Money,
    /// The segments at each price: several if the messages reach another volume tier of the month.
    parts: Vec<RatingPart>,
}

/// Recipients that have no price for the same reason.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnpricedRecipients {
    /// `invalid_number`, `unknown_destination`, or the code with which a charge would be refused: `no_rate`,
    /// `currency_mismatch`, `price_out_of_range`.
    code: &'static str,
    /// A sentence to show to a person.
    detail: String,
    messages: i64,
    /// The first five of them.
    examples: Vec<UnpricedExample>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UnpricedExample {
    /// The position in `recipients`, from 0.
    index: usize,
    /// The number, masked; an entry that is not a number is shown as given, up to 32 characters.
    recipient: String,
}

impl TryFrom<Quote> for QuoteBody {
    type Error = Error;

    fn try_from(quote: Quote) -> Result<QuoteBody, Error> {
        let shortfall = quote.shortfall().map_err(Refusal::from)?;
        let plan =
            quote.destinations.first().and_then(|first| first.parts.first()).and_then(|part| part.rate.plan.clone());
        let rating = |rating: Rating| RatingBody::new(quote.size, &rating.parts, rating.total, quote.currency);
        Ok(QuoteBody {
            business_sid: quote.business,
            suspended: quote.is_suspended,
            currency: quote.currency,
            messages: quote.messages,
            segments: quote.segments,
            total: quote.total,
            segments_per_message: quote.size.segments,
            encoding: quote.size.encoding,
            ucs2_characters: quote.ucs2_characters,
            plan_sid: plan.as_ref().map(|plan| plan.sid),
            plan_name: plan.map(|plan| plan.name.to_string()),
            rating: quote.rating.map(rating).transpose()?,
            destinations: quote.destinations.into_iter().map(DestinationQuote::from).collect(),
            unpriced: quote.unpriced.into_iter().map(UnpricedRecipients::from).collect(),
            balance: quote.balance,
            available: quote.available,
            sufficient: shortfall.is_none(),
            shortfall,
        })
    }
}

impl From<QuotedDestination> for DestinationQuote {
    fn from(quoted: QuotedDestination) -> DestinationQuote {
        DestinationQuote {
            country_code: quoted.country,
            country_name: quoted.country.name(),
            operator: quoted.operator.to_string(),
            messages: quoted.messages,
            segments: quoted.segments,
            total: quoted.total,
            parts: quoted.parts.iter().map(|part| RatingPart::of_rate(&part.rate, part.segments, part.total)).collect(),
        }
    }
}

impl From<Unpriced> for UnpricedRecipients {
    fn from(unpriced: Unpriced) -> UnpricedRecipients {
        let detail = unpriced.reason.to_string();
        let code = match unpriced.reason {
            NoPrice::InvalidNumber => "invalid_number",
            NoPrice::UnknownPrefix => "unknown_destination",
            NoPrice::Unrated(unrated) => Problem::from(Refusal::from(unrated)).code,
        };
        let example = |(index, recipient)| UnpricedExample { index, recipient };
        let examples = unpriced.examples.into_iter().map(example).collect();
        UnpricedRecipients { code, detail, messages: unpriced.messages, examples }
    }
}

/// Quote messages
///
/// Returns what a message or a campaign would cost and why, and whether the wallet covers it. Nothing is debited,
/// reserved or stored, and no wallet is created: a business without one is quoted on the terms of a new wallet.
///
/// Messages are rated as if they were charged now, one after the other, so a campaign that reaches the next volume tier
/// is quoted at both prices. A single message without a price is refused as its charge would be; in a campaign, such
/// messages are listed in `unpriced`.
#[utoipa::path(
    post,
    path = "/api/billing/quotes/",
    tag = "Charges",
    request_body(content = QuoteRequest, description = "The message or the campaign", examples(
        ("One message" = (value = json!({
            "business_sid": "biz_test_001", "to": "+254712345678", "body": "Your code is 4711"
        }))),
        ("A campaign" = (value = json!({
            "business_sid": "biz_test_001", "recipients": ["+254712345678", "+256772345678", "+33612345678"],
            "body": "Your parcel is here"
        }))),
    )),
    responses((status = 200, description = "The quote", body = QuoteBody), CommonErrors, WriteErrors),
)]
pub async fn quote(
    State(state): State<AppState>,
    may: May<auth::Quote>,
    Json(request): Json<QuoteRequest>,
) -> Result<Json<QuoteBody>, Problem> {
    let network = Network::from_codes(request.mcc, request.mnc)?;
    let QuoteRequest { to, country_code: country, operator, .. } = request;
    let message = OfferedMessage {
        given: GivenDestination { to, country, operator, network },
        segments: request.segments,
        body: request.body,
        submitted_at: request.submitted_at.map(Instant::timestamp),
        metadata: JsonObject::default(),
    };
    let business = &may.tenant(&state, request.business_sid).await?;
    let quote = match request.recipients {
        None => services::charges::quotes::message(&state.billing, business, &message).await?,
        Some(recipients) => {
            let campaign = Campaign::new(recipients, message).map_err(Error::from)?;
            services::charges::quotes::campaign(&state.billing, business, &campaign).await?
        }
    };
    Ok(Json(quote.try_into()?))
}
