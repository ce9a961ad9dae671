//! Extracts webhook and delivery from the path, and checks the right over their business.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use utoipa::IntoParams;

use crate::domain::access::rights::{Right, Tenant};
use crate::domain::values::sid::{BusinessSid, MessageEventSid, WebhookSid};
use crate::http::edge::answer::error::Problem;
use crate::http::edge::ask::extract::{parse_business, parse_sid};
use crate::http::edge::who::access::Asks;
use crate::http::edge::who::auth::{May, Needs};
use crate::http::state::AppState;

/// The document's words for the path of a webhook.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "a description, never a value")]
pub struct WebhookParams {
    /// The business
    #[param(example = "biz_test_001")]
    business_sid: BusinessSid,
    /// The webhook
    webhook_sid: WebhookSid,
}

/// The `{business_sid}`, `{webhook_sid}` and `{delivery_sid}` of a path, after a check of the right `R` over the
/// business.
#[derive(Debug)]
pub struct DeliveryPath<R> {
    pub tenant: Tenant,
    pub webhook: WebhookSid,
    pub delivery: MessageEventSid,
    pub may: May<R>,
}

impl<R: Needs> Asks for DeliveryPath<R> {
    const RIGHT: Option<Right> = May::<R>::RIGHT;
}

impl<R: Needs> FromRequestParts<AppState> for DeliveryPath<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<DeliveryPath<R>, Problem> {
        let may = May::<R>::from_request_parts(parts, state).await?;
        let texts = Path::<(String, String, String)>::from_request_parts(parts, state).await;
        let (business, webhook, delivery) = texts.map(|Path(texts)| texts).unwrap_or_default();
        let business = parse_business(&business)?;
        let (webhook, delivery) = (parse_sid(&webhook)?, parse_sid(&delivery)?);
        let tenant = may.tenant(state, business).await?;
        Ok(DeliveryPath { tenant, webhook, delivery, may })
    }
}
