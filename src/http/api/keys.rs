//! Lists, creates, rotates and revokes API keys.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::access::key_rules::{KeyKeeper, NewKey};
use crate::domain::access::keys::ApiKey;
use crate::domain::access::rights::{KeyMode, Reach, Role};
use crate::domain::values::sid::{BusinessSid, KeySid};
use crate::domain::values::text::Title;
use crate::domain::values::time::{Instant, Timestamp};
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::pages::{self, PageQuery};
use crate::http::edge::answer::responses::{CommonErrors, Missing, WriteErrors};
use crate::http::edge::ask::extract::{Json, Query, SidPath};
use crate::http::edge::ask::idempotency::{IdempotencyHeader, replayed};
use crate::http::edge::who::auth::{Manage, May};
use crate::http::edge::writes::to_the_end;
use crate::http::state::AppState;
use crate::services;
use crate::services::access::keys::IssuedKey;

/// An API key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub struct KeyBody {
    sid: KeySid,
    /// The public part of the key; the secret follows it.
    #[schema(example = "sk_live_4f1c0a9d2b7e6358")]
    prefix: String,
    name: String,
    mode: KeyMode,
    role: Role,
    /// The business it belongs to; left out on keys of admins and gateways, which belong to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    business_sid: Option<BusinessSid>,
    /// The businesses a gateway key is limited to; left out if it is for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    businesses: Option<Vec<BusinessSid>>,
    /// The user or key that created it, or `command-line`.
    created_by: String,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotated_at: Option<Timestamp>,
    /// Until when the secret from before the last rotation keeps working.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_expires_at: Option<Timestamp>,
    /// When the key expires; left out if it never does.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    /// Accurate to some seconds; left out until the key is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
}

impl From<ApiKey> for KeyBody {
    fn from(key: ApiKey) -> KeyBody {
        KeyBody {
            sid: key.sid,
            prefix: format!("sk_{}_{}", key.mode, key.public_id.as_str()),
            name: key.name,
            mode: key.mode,
            role: key.role,
            business_sid: key.business,
            businesses: key.businesses,
            created_by: key.created_by,
            created_at: key.created_at,
            rotated_at: key.rotated_at,
            previous_expires_at: key.previous_expires_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
        }
    }
}

/// An API key with its secret, which is shown only once.
#[derive(Serialize, ToSchema)]
#[schema(as = IssuedApiKey)]
pub struct IssuedKeyBody {
    #[serde(flatten)]
    key: KeyBody,
    /// The complete key: send it as `Authorization: Bearer …`. Store it now: it is not shown again.
    #[schema(example = "sk_live_4f1c0a9d2b7e6358_2a6f…")]
    secret: String,
}

impl std::fmt::Debug for IssuedKeyBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedKeyBody").field("key", &self.key).finish_non_exhaustive()
    }
}

impl From<IssuedKey> for IssuedKeyBody {
    fn from(issued: IssuedKey) -> IssuedKeyBody {
        IssuedKeyBody { key: issued.key.into(), secret: issued.secret }
    }
}

impl May<Manage> {
    /// The author of changes to keys.
    ///
    /// # Errors
    /// 401 without credentials: nobody has a right over keys then.
    fn keeper(&self) -> Result<KeyKeeper, Problem> {
        let principal = self.principal.as_ref().ok_or_else(|| Problem::unauthorized("Keys need a login or a key."))?;
        Ok(KeyKeeper {
            role: principal.role,
            reach: self.reach.clone(),
            actor: self.actor.clone(),
            expires_at: principal.expires_at,
        })
    }

    /// The business where the request names none: the caller's own; `None`, for all, where the caller belongs to none.
    fn own_business(&self) -> Option<BusinessSid> {
        match &self.reach {
            Reach::Own(own) | Reach::OwnAndBelow(own) => Some(own.clone()),
            Reach::All | Reach::Listed(_) => None,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KeyQuery {
    /// Only keys of this business. By default, those of your own business; for an admin, all keys.
    #[param(value_type = Option<BusinessSid>)]
    business_sid: Option<BusinessSid>,
}

/// List API keys
///
/// Newest first, including revoked keys, a page at a time: the `Link` header points to the next page. Keys with a
/// higher role than yours are not shown.
#[utoipa::path(
    get,
    path = "/api/billing/keys/",
    tag = "Keys",
    params(KeyQuery, PageQuery),
    responses(
        (status = 200, description = "A page of keys", body = Vec<KeyBody>,
         headers(("Link" = String, description = "The next page (rel=\"next\"); missing on the last page"))),
        CommonErrors,
        Missing,
    ),
)]
pub async fn list_keys(
    State(state): State<AppState>,
    may: May<Manage>,
    Query(query): Query<KeyQuery>,
    Query(page): Query<PageQuery>,
    uri: Uri,
) -> Result<(HeaderMap, Json<Vec<KeyBody>>), Problem> {
    let business = match query.business_sid.or_else(|| may.own_business()) {
        Some(business) => Some(may.tenant(&state, business).await?),
        None => None,
    };
    let (cursor, limit) = page.bounds();
    let page = services::access::keys::list(&state.billing, business.as_ref(), &may.keeper()?, cursor, limit).await?;
    Ok(pages::answer(&uri, page.map(KeyBody::from)))
}

/// An API key to create.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewApiKey, example = json!({"name": "Gateway in Nairobi", "role": "gateway"}))]
pub struct KeyRequest {
    /// Your own name for the key: at most 64 characters.
    name: Title,
    /// At most your own role. An admin can create keys of every role; `gateway` is for the SMS gateway, which charges
    /// messages.
    role: Role,
    /// `test`: the key can read and quote, but changes nothing. By default `live`.
    mode: Option<KeyMode>,
    /// The business that a client or reseller key belongs to; by default your own.
    business_sid: Option<BusinessSid>,
    /// The businesses a gateway key is limited to, 1 to 1,000; by default all.
    #[schema(min_items = 1, max_items = 1000)]
    businesses: Option<Vec<BusinessSid>>,
    /// When the key expires; by default never.
    #[schema(value_type = Option<Timestamp>)]
    expires_at: Option<Instant>,
}

/// Create an API key
///
/// The response contains the secret of the key, which is shown only once. You cannot create a key with a higher role
/// than your own.
///
/// Send an `Idempotency-Key` so that a repeated request creates only one key; the repeated answer is the same,
/// including the secret.
#[utoipa::path(
    post,
    path = "/api/billing/keys/",
    tag = "Keys",
    params(("Idempotency-Key" = Option<String>, Header,
            description = "1 to 255 visible ASCII characters, such as a UUID; a new one for each key")),
    request_body(content = KeyRequest, description = "The key to create"),
    responses(
        (status = 201, description = "The key and its secret", body = IssuedKeyBody,
         headers(("Idempotent-Replayed" = String, description = "`true` if the same answer was given before"))),
        CommonErrors,
        WriteErrors,
        Missing,
    ),
)]
pub async fn create_key(
    State(state): State<AppState>,
    may: May<Manage>,
    idempotency: IdempotencyHeader,
    Json(request): Json<KeyRequest>,
) -> Result<(StatusCode, HeaderMap, Json<IssuedKeyBody>), Problem> {
    let own = || may.own_business().filter(|_| request.role.has_business());
    let business = match request.business_sid.or_else(own) {
        Some(business) => Some(may.tenant(&state, business).await?),
        None => None,
    };
    let new = NewKey {
        name: request.name,
        mode: request.mode.unwrap_or(KeyMode::Live),
        role: request.role,
        business,
        businesses: request.businesses,
        expires_at: request.expires_at.map(Instant::timestamp),
    };
    let idempotency = idempotency.scope(&may.actor, "POST /api/billing/keys/", None);
    let keeper = may.keeper()?;
    let made =
        to_the_end(async move { services::access::keys::create(&state.billing, new, &keeper, idempotency).await })
            .await?;
    Ok((StatusCode::CREATED, replayed(made.replayed), Json(made.value.into())))
}

/// Get an API key
///
/// Returns all its details except the secret.
#[utoipa::path(
    get,
    path = "/api/billing/keys/{key_sid}/",
    tag = "Keys",
    params(("key_sid" = KeySid, Path, description = "The key")),
    responses((status = 200, description = "The key", body = KeyBody), CommonErrors, Missing),
)]
pub async fn show_key(
    State(state): State<AppState>,
    may: May<Manage>,
    SidPath(sid): SidPath<KeySid>,
) -> Result<Json<KeyBody>, Problem> {
    Ok(Json(services::access::keys::show(&state.billing, sid, &may.keeper()?).await?.into()))
}

/// How to rotate an API key.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = KeyRotation, example = json!({"overlap_seconds": 3600}))]
pub struct RotateRequest {
    /// How many seconds the old secret keeps working beside the new one, up to a week, so that you have time to replace
    /// it everywhere. By default 0: the old secret stops working at once, as it should if it was stolen.
    #[schema(minimum = 0, maximum = 604_800)]
    overlap_seconds: Option<i64>,
}

/// Rotate an API key
///
/// Gives the key a new secret; name, rights and `sid` stay the same. The response contains the new secret, which is
/// shown only once.
#[utoipa::path(
    post,
    path = "/api/billing/keys/{key_sid}/rotate/",
    tag = "Keys",
    params(
        ("key_sid" = KeySid, Path, description = "The key"),
        ("Idempotency-Key" = Option<String>, Header,
         description = "1 to 255 visible ASCII characters, such as a UUID; a new one for each rotation"),
    ),
    request_body(content = RotateRequest, description = "How long the old secret keeps working"),
    responses(
        (status = 200, description = "The key and its new secret", body = IssuedKeyBody,
         headers(("Idempotent-Replayed" = String, description = "`true` if the same answer was given before"))),
        CommonErrors,
        WriteErrors,
        Missing,
    ),
)]
pub async fn rotate_key(
    State(state): State<AppState>,
    may: May<Manage>,
    SidPath(sid): SidPath<KeySid>,
    idempotency: IdempotencyHeader,
    Json(request): Json<RotateRequest>,
) -> Result<(HeaderMap, Json<IssuedKeyBody>), Problem> {
    let (keeper, overlap) = (may.keeper()?, request.overlap_seconds.unwrap_or(0));
    let idempotency = idempotency.scope(&may.actor, "POST /api/billing/keys/{key_sid}/rotate/", None);
    let rotate =
        async move { services::access::keys::rotate(&state.billing, sid, overlap, &keeper, idempotency).await };
    let rotated = to_the_end(rotate).await?;
    Ok((replayed(rotated.replayed), Json(rotated.value.into())))
}

/// Revoke an API key
///
/// Disables the key permanently; it stops working everywhere within a second. Repeating the request changes nothing.
#[utoipa::path(
    delete,
    path = "/api/billing/keys/{key_sid}/",
    tag = "Keys",
    params(("key_sid" = KeySid, Path, description = "The key")),
    responses((status = 200, description = "The revoked key", body = KeyBody), CommonErrors, WriteErrors, Missing),
)]
pub async fn revoke_key(
    State(state): State<AppState>,
    may: May<Manage>,
    SidPath(sid): SidPath<KeySid>,
) -> Result<Json<KeyBody>, Problem> {
    let keeper = may.keeper()?;
    let revoke = async move { services::access::keys::revoke(&state.billing, sid, &keeper).await };
    Ok(Json(to_the_end(revoke).await?.into()))
}
