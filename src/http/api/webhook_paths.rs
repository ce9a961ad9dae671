//! Extracts webhook and delivery from the path, and checks the right over their business.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use utoipa::IntoParams;

use crate::domain::access::rights::Tenant;
use crate::domain::values::sid::{BusinessSid, MessageEventSid, WebhookSid};
use crate::http::edge::answer::error::Problem;
use crate::http::edge::ask::extract::parse_business;
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

/// The `{business_sid}` and `{webhook_sid}` of a path, after a check of the right `R` over the business.
#[derive(Debug)]
pub struct WebhookPath<R> {
    pub tenant: Tenant,
    pub webhook: WebhookSid,
    pub may: May<R>,
}

impl<R: Needs> FromRequestParts<AppState> for WebhookPath<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<WebhookPath<R>, Problem> {
        let may = May::<R>::from_request_parts(parts, state).await?;
        let texts = Path::<(String, String)>::from_request_parts(parts, state).await;
        let (business, webhook) = texts.map(|Path(texts)| texts).unwrap_or_default();
        let (business, webhook) = (parse_business(&business)?, parse_webhook(&webhook)?);
        let tenant = may.tenant(state, business).await?;
        Ok(WebhookPath { tenant, webhook, may })
    }
}

/// The same with `{delivery_sid}`.
#[derive(Debug)]
pub struct DeliveryPath<R> {
    pub tenant: Tenant,
    pub webhook: WebhookSid,
    pub delivery: MessageEventSid,
    pub may: May<R>,
}

impl<R: Needs> FromRequestParts<AppState> for DeliveryPath<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<DeliveryPath<R>, Problem> {
        let may = May::<R>::from_request_parts(parts, state).await?;
        let texts = Path::<(String, String, String)>::from_request_parts(parts, state).await;
        let (business, webhook, delivery) = texts.map(|Path(texts)| texts).unwrap_or_default();
        let (business, webhook) = (parse_business(&business)?, parse_webhook(&webhook)?);
        let delivery = delivery.parse().map_err(|problem: String| Problem::invalid("delivery_sid", problem))?;
        let tenant = may.tenant(state, business).await?;
        Ok(DeliveryPath { tenant, webhook, delivery, may })
    }
}

fn parse_webhook(text: &str) -> Result<WebhookSid, Problem> {
    text.parse().map_err(|problem: String| Problem::invalid("webhook_sid", problem))
}
