//! Extracts paths, queries and JSON bodies, and refuses bad ones with problem details.

use std::str::FromStr;

use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::{DeserializeOwned, Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};

use super::{bodies, json_depth};
use crate::domain::access::rights::{Right, Tenant};
use crate::domain::prices::messages::MessageSid;
use crate::domain::prices::segments::SEGMENTS_MAX;
use crate::domain::values::named_enum::deserialize_from_str;
use crate::domain::values::sid::{
    AlertSid, BusinessSid, InvalidBusinessSid, InvoiceSid, KeySid, MessageEventSid, PaymentSid, PlanSid, RateCardSid,
    SuspenseSid, UserSid, WebhookSid,
};
use crate::http::edge::answer::error::Problem;
use crate::http::edge::who::access::Asks;
use crate::http::edge::who::auth::{May, Needs};
use crate::http::state::AppState;

/// The `{business_sid}` of a path, after a check of the right `R` over the business.
#[derive(Debug)]
pub struct BusinessPath<R> {
    pub tenant: Tenant,
    pub may: May<R>,
}

impl<R: Needs> Asks for BusinessPath<R> {
    const RIGHT: Option<Right> = May::<R>::RIGHT;
}

impl<R: Needs> FromRequestParts<AppState> for BusinessPath<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<BusinessPath<R>, Problem> {
        let may = May::<R>::from_request_parts(parts, state).await?;
        let tenant = tenant(&may, parts, state).await?;
        Ok(BusinessPath { tenant, may })
    }
}

/// The business of a path that has no other parameter, after a check of the right `R` over it.
///
/// # Errors
/// 400 for an invalid SID, 404 `business_not_found` for a business that the right does not reach.
pub(in crate::http) async fn tenant<R>(may: &May<R>, parts: &mut Parts, state: &AppState) -> Result<Tenant, Problem> {
    let text = Path::<String>::from_request_parts(parts, state).await.map(|Path(text)| text);
    may.tenant(state, parse_business(&text.unwrap_or_default())?).await
}

/// The `{business_sid}` and the SID after it in a path, after a check of the right `R` over the business.
#[derive(Debug)]
pub struct OwnPath<R, S> {
    pub tenant: Tenant,
    pub sid: S,
    pub may: May<R>,
}

impl<R: Needs, S> Asks for OwnPath<R, S> {
    const RIGHT: Option<Right> = May::<R>::RIGHT;
}

impl<R: Needs, S: InPath + Send> FromRequestParts<AppState> for OwnPath<R, S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<OwnPath<R, S>, Problem> {
        let may = May::<R>::from_request_parts(parts, state).await?;
        let texts = Path::<(String, String)>::from_request_parts(parts, state).await;
        let (business, sid) = texts.map(|Path(texts)| texts).unwrap_or_default();
        let (business, sid) = (parse_business(&business)?, parse_sid(&sid)?);
        let tenant = may.tenant(state, business).await?;
        Ok(OwnPath { tenant, sid, may })
    }
}

/// A SID that a path can name, and the parameter that holds it.
pub trait InPath: FromStr<Err = String> {
    const PART: &'static str;
}

macro_rules! in_path {
    ($($sid:ty = $part:literal),+ $(,)?) => {$(
        impl InPath for $sid {
            const PART: &'static str = $part;
        }
    )+};
}

in_path! {
    AlertSid = "alert_sid", InvoiceSid = "invoice_sid", KeySid = "key_sid", MessageEventSid = "delivery_sid",
    MessageSid = "message_sid", PaymentSid = "payment_sid", PlanSid = "plan_sid", RateCardSid = "rate_card_sid",
    SuspenseSid = "suspense_sid", UserSid = "user_sid", WebhookSid = "webhook_sid",
}

/// The SID in a path that has no other parameter.
#[derive(Debug)]
pub struct SidPath<S>(pub S);

impl<S> Asks for SidPath<S> {}

impl<S: InPath> FromRequestParts<AppState> for SidPath<S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<SidPath<S>, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await.map(|Path(text)| text);
        parse_sid(&text.unwrap_or_default()).map(SidPath)
    }
}

pub(in crate::http) fn parse_sid<S: InPath>(text: &str) -> Result<S, Problem> {
    text.parse().map_err(|problem| Problem::invalid(S::PART, problem))
}

pub(in crate::http) fn parse_business(text: &str) -> Result<BusinessSid, Problem> {
    text.parse()
        .map_err(|error: InvalidBusinessSid| invalid_business_sid().with_error("business_sid", error.to_string()))
}

fn invalid_business_sid() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid_business_sid", "Invalid business SID")
}

/// The query string. Unknown and empty parameters are ignored.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T> Asks for Query<T> {}

impl<T: DeserializeOwned> FromRequestParts<AppState> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Query<T>, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let given = url::form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.is_empty());
        let given = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
        let pairs = serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(given.as_bytes()));
        serde_path_to_error::deserialize(pairs).map(Query).map_err(|error| {
            let field = error.path().to_string();
            refusal(&field, error.into_inner().to_string(), "invalid_request")
        })
    }
}

/// A JSON body, within the size limit and in time; also an answer.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => json(body),
            Err(error) => Problem::internal(format!("an answer that is no JSON: {error}")).into_response(),
        }
    }
}

/// An answer that is JSON already.
pub fn json(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

impl<T> Asks for Json<T> {}

impl<T: DeserializeOwned> FromRequest<AppState> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Json<T>, Problem> {
        if !has_json_content_type(request.headers()) {
            let detail = "Send the body as JSON, with the header Content-Type: application/json.";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
        }
        let bytes = bodies::read(request, state).await?;
        if json_depth::is_too_deep(&bytes) {
            return Err(too_deep());
        }
        from_json(&bytes).map(Json)
    }
}

/// Parses a JSON object, and names the field that is wrong and how.
///
/// # Errors
/// 400 `invalid_request` or `malformed_json`.
pub fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // A list of the right length would pass for a struct.
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    let is_object = first.is_none_or(|byte| *byte == b'{');
    if is_object && let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    // Read again, more slowly, to tell where it is wrong.
    if !is_object && serde_json::from_slice::<IgnoredAny>(bytes).is_ok() {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_request", "The body must be a JSON object."));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let field = error.path().to_string();
        let inner = error.into_inner();
        let code = if inner.is_data() { "invalid_request" } else { "malformed_json" };
        refusal(&field, inner.to_string(), code)
    })?;
    deserializer.end().map_err(|error| malformed(&error.to_string()))?;
    Ok(value)
}

/// The media type of the body, in lower case and without its parameters; empty where none is given.
pub fn media_type(headers: &HeaderMap) -> String {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn has_json_content_type(headers: &HeaderMap) -> bool {
    let essence = media_type(headers);
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn too_deep() -> Problem {
    let detail = format!(
        "The body is nested deeper than the {} levels this server takes: arrays and objects lie in too many others.",
        json_depth::DEPTH_MAX
    );
    Problem::new(StatusCode::BAD_REQUEST, "invalid_request", detail)
}

/// An optional field that must not be `null`: a program's `null` for a number it failed to compute must not pass for no
/// number.
///
/// # Errors
/// Those of the field's type.
pub fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// An optional field that may be `null`: left out it stays as it is, `null` removes it.
///
/// # Errors
/// Those of the field's type.
pub fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// A number of segments. Its range is for the domain to judge.
///
/// # Errors
/// Where it is no whole number, or far too large.
pub fn segments<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    let wrong = || D::Error::custom(format!("must be a whole number from 1 to {SEGMENTS_MAX}"));
    let number = Option::<serde_json::Number>::deserialize(deserializer).map_err(|_| wrong())?;
    let whole = |number: serde_json::Number| number.as_u64().and_then(|number| number.try_into().ok());
    number.map(|number| whole(number).ok_or_else(wrong)).transpose()
}

/// A whole number of any size.
///
/// # Errors
/// Where it is not a whole number.
pub fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    optional_whole_number(deserializer)?.ok_or_else(|| D::Error::custom("must be a whole number"))
}

/// A whole number of any size, or null.
///
/// # Errors
/// Where it is neither.
pub fn optional_whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let wrong = || D::Error::custom("must be a whole number");
    let number = Option::<serde_json::Number>::deserialize(deserializer).map_err(|_| wrong())?;
    number.map(|number| number.as_i64().ok_or_else(wrong)).transpose()
}

/// A refusal by serde, in our words: a bare path (".") means the value as a whole, a missing field names itself.
fn refusal(path: &str, message: String, code: &'static str) -> Problem {
    // Where serde_json stopped reading helps with syntax, and only confuses where the syntax was fine.
    if code == "malformed_json" {
        return malformed(&message);
    }
    let message = message.split(" at line ").next().unwrap_or_default().to_owned();
    // The path leads to the object whose field it is.
    let whole = |field: &str| if matches!(path, "." | "" | "?") { field.to_owned() } else { format!("{path}.{field}") };
    if let Some(field) = quoted(&message, "missing field `") {
        return Problem::invalid(whole(field), "is missing");
    }
    if let Some(field) = quoted(&message, "duplicate field `") {
        return Problem::invalid(whole(field), "is given twice");
    }
    if path == "." || path.is_empty() || path == "?" {
        return Problem::new(StatusCode::BAD_REQUEST, "invalid_request", message);
    }
    let problem = match message.split_once(", expected ").filter(|_| message.starts_with("invalid type: ")) {
        Some((_, "a sequence")) => "must be an array".to_owned(),
        Some((_, expected)) => format!("must be {expected}"),
        None => message,
    };
    if path == "business_sid" || problem == InvalidBusinessSid.to_string() {
        invalid_business_sid().with_error(path, problem)
    } else {
        Problem::invalid(path, problem)
    }
}

fn malformed(message: &str) -> Problem {
    let detail = format!("The body is not valid JSON: {message}");
    Problem::new(StatusCode::BAD_REQUEST, "malformed_json", detail)
}

fn quoted<'a>(message: &'a str, before: &str) -> Option<&'a str> {
    message.strip_prefix(before)?.strip_suffix('`')
}

/// A boolean in a query string: `true` or `false`, `1` or `0`.
#[derive(Clone, Copy, Debug)]
pub struct Flag(bool);

impl Flag {
    pub fn is_set(self) -> bool {
        self.0
    }
}

impl FromStr for Flag {
    type Err = String;

    fn from_str(text: &str) -> Result<Flag, String> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(Flag(true)),
            "false" | "0" => Ok(Flag(false)),
            _ => Err("must be true or false".to_owned()),
        }
    }
}

deserialize_from_str!(Flag);

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde::Deserialize;

    use super::{from_json, invalid_business_sid, present, segments};
    use crate::domain::values::money::Money;
    use crate::domain::values::sid::BusinessSid;

    #[derive(Debug, Deserialize)]
    struct Fields {
        business_sid: Option<BusinessSid>,
        #[serde(default, deserialize_with = "segments")]
        segments: Option<u16>,
        #[serde(default, deserialize_with = "present")]
        amount: Option<Money>,
        numbers: Option<Vec<String>>,
    }

    #[rstest]
    #[case(r#"{"segments": 70000}"#, "segments must be a whole number from 1 to 255")]
    #[case(r#"{"segments": -1}"#, "segments must be a whole number from 1 to 255")]
    #[case(r#"{"segments": 1.5}"#, "segments must be a whole number from 1 to 255")]
    #[case(r#"{"segments": "1"}"#, "segments must be a whole number from 1 to 255")]
    #[case(r#"{"numbers": 5}"#, "numbers must be an array")]
    #[case(r#"{"numbers": [5]}"#, "numbers[0] must be a string")]
    fn wrong_fields_are_told_in_our_words(#[case] body: &str, #[case] detail: &str) {
        let problem = from_json::<Fields>(body.as_bytes()).expect_err("a wrong field");
        assert_eq!(problem.detail, detail);
    }

    #[test]
    fn a_wrong_business_is_told_as_in_a_path() {
        let problem = from_json::<Fields>(br#"{"business_sid": 5}"#).expect_err("no business");
        assert_eq!(problem.detail, invalid_business_sid().detail);
        assert_eq!(problem.errors["business_sid"], ["must be a string"]);
    }

    #[test]
    fn what_is_left_out_is_not_null() {
        let fields = from_json::<Fields>(b"{}").expect("no fields");
        assert_eq!((fields.segments, fields.amount), (None, None));
        assert_eq!((fields.business_sid, fields.numbers), (None, None));
        assert_eq!(from_json::<Fields>(br#"{"segments": null}"#).expect("no number").segments, None);
        let problem = from_json::<Fields>(br#"{"amount": null}"#).expect_err("null is no amount");
        assert!(problem.errors.contains_key("amount"), "{problem:?}");
    }
}
