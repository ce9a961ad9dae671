//! Calls a payment provider's adapter over HTTP.
//! An adapter is a small program of the operator's that speaks our protocol on one side and a gateway's on the other.
//! The README describes the requests and the answers.

use std::time::Duration;

use reqwest::{Response, StatusCode, Url};
use serde::Deserialize;

use super::{Request, RequestBody, Said};
use crate::clock::Clock;
use crate::domain::payments::confirmations::PaymentOutcome;
use crate::domain::payments::providers::{AnswerStatus, ProviderName, ProviderReference, failure_text};
use crate::domain::payments::signatures::{SignedMessage, SigningSecret};
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::domain::values::sid::PaymentSid;
use crate::error::{Error, Result};

const TIMEOUT: Duration = Duration::from_secs(20);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers are short.
const ANSWER_MAX_BYTES: usize = 64 * 1_024;

/// The address of an adapter, and the secret shared with it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub name: ProviderName,
    pub url: Url,
    pub secret: SigningSecret,
    /// The URL for confirmations, where this server's public address is configured.
    pub confirm_url: Option<String>,
}

#[derive(Clone, Debug)]
pub struct HttpProvider {
    endpoint: Endpoint,
    client: reqwest::Client,
    clock: Clock,
}

#[derive(Debug, Deserialize)]
struct ProviderAnswer {
    status: AnswerStatus,
    provider_reference: Option<ProviderReference>,
    amount: Option<Money>,
    currency: Option<Currency>,
    reason: Option<String>,
}

impl HttpProvider {
    /// A provider that calls this adapter.
    ///
    /// # Errors
    /// [`Error::Setup`] where no HTTP client can be made.
    pub fn new(endpoint: Endpoint, clock: Clock) -> Result<HttpProvider> {
        let client = crate::outbound::tls::client().timeout(TIMEOUT).connect_timeout(CONNECT_TIMEOUT).build();
        let client = client.map_err(|error| Error::Setup(format!("no client for payment providers: {error}")))?;
        Ok(HttpProvider { endpoint, client, clock })
    }

    pub(super) fn secret(&self) -> &SigningSecret {
        &self.endpoint.secret
    }

    pub(super) async fn request(&self, request: Request<'_>) -> Result<Said> {
        let sid = request.payment.sid;
        let body = RequestBody::new(&request, self.endpoint.confirm_url.clone());
        let body = serde_json::to_vec(&body).map_err(|error| self.failed(&format!("no body: {error}")))?;
        let post = self.client.post(self.endpoint.url.clone()).header("content-type", "application/json");
        let post = self.signed(post.header("idempotency-key", sid.to_string()), sid, &body);
        let response = post.body(body).send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        // What is wrong with the request stays wrong.
        if matches!(status, StatusCode::BAD_REQUEST | StatusCode::PAYMENT_REQUIRED | StatusCode::UNPROCESSABLE_ENTITY) {
            let reason = match self.read(response).await {
                Ok(ProviderAnswer { reason: Some(reason), .. }) => failure_text(&reason),
                _ => format!("the provider refused the request (HTTP {})", status.as_u16()),
            };
            return Ok(Said::Settled(PaymentOutcome::Failed { reason }));
        }
        if !status.is_success() {
            return Err(self.failed(&format!("it answered HTTP {}", status.as_u16())));
        }
        let answer = self.read(response).await?;
        self.understand(answer)
    }

    pub(super) async fn status(&self, sid: PaymentSid) -> Result<Said> {
        let mut url = self.endpoint.url.clone();
        let path = format!("{}/{sid}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let get = self.signed(self.client.get(url), sid, b"");
        let response = get.send().await.map_err(|error| self.unreachable(&error))?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(Said::Open);
        }
        if !response.status().is_success() {
            return Err(self.failed(&format!("it answered HTTP {}", response.status().as_u16())));
        }
        let answer = self.read(response).await?;
        self.understand(answer)
    }

    fn signed(&self, request: reqwest::RequestBuilder, sid: PaymentSid, body: &[u8]) -> reqwest::RequestBuilder {
        let (id, timestamp) = (sid.to_string(), self.clock.now().micros().div_euclid(1_000_000).to_string());
        let signature = self.endpoint.secret.sign(SignedMessage { id: &id, timestamp: &timestamp, body });
        request.header("webhook-id", id).header("webhook-timestamp", timestamp).header("webhook-signature", signature)
    }

    async fn read(&self, mut response: Response) -> Result<ProviderAnswer> {
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if body.len() + piece.len() > ANSWER_MAX_BYTES {
                return Err(self.failed("its answer is too long"));
            }
            body.extend_from_slice(&piece);
        }
        // The text itself may hold what belongs into no log.
        serde_json::from_slice(&body).map_err(|_| self.failed("its answer is not what the adapter's guide says"))
    }

    fn understand(&self, answer: ProviderAnswer) -> Result<Said> {
        Ok(match answer.status {
            AnswerStatus::Accepted => Said::Accepted(answer.provider_reference),
            AnswerStatus::Pending | AnswerStatus::Unknown => Said::Open,
            AnswerStatus::Failed | AnswerStatus::Declined => Said::Settled(PaymentOutcome::Failed {
                reason: failure_text(answer.reason.as_deref().unwrap_or("declined by the provider")),
            }),
            AnswerStatus::Completed => {
                let named = answer.provider_reference.zip(answer.amount).zip(answer.currency);
                let ((provider_reference, amount), currency) =
                    named.filter(|((_, amount), _)| *amount > Money::ZERO).ok_or_else(|| {
                        self.failed("it completed a payment without provider_reference, amount and currency")
                    })?;
                Said::Settled(PaymentOutcome::Completed { provider_reference, amount, currency })
            }
        })
    }

    fn failed(&self, what: &str) -> Error {
        Error::Provider(format!("the payment provider {} does not help: {what}", self.endpoint.name))
    }

    /// Without the URL, which may hold a password.
    fn unreachable(&self, error: &reqwest::Error) -> Error {
        let what = if error.is_timeout() {
            "it did not answer in time"
        } else if error.is_connect() {
            "it cannot be reached"
        } else {
            "the connection broke"
        };
        self.failed(what)
    }
}
