//! Logs in and out, changes one's password, and shows the current user or key.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::access::rights::{Credential, KeyMode, Role};
use crate::domain::access::users::{Password, User};
use crate::domain::values::sid::{BusinessSid, KeySid, UserSid};
use crate::domain::values::text::Email;
use crate::domain::values::time::Timestamp;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::responses::{CommonErrors, LoginErrors, WriteErrors};
use crate::http::edge::ask::extract::Json;
use crate::http::edge::who::auth::{Anyone, May, UseLogin};
use crate::http::edge::who::client_address::counted_as;
use crate::http::edge::who::credentials::session_cookie_name;
use crate::http::edge::who::failed_credentials::FailedCredentials;
use crate::http::edge::writes::to_the_end;
use crate::http::state::AppState;
use crate::services;

/// A user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserBody {
    sid: UserSid,
    email: Email,
    name: String,
    role: Role,
    /// Left out for admins, who belong to no business.
    #[serde(skip_serializing_if = "Option::is_none")]
    business_sid: Option<BusinessSid>,
    password_changed_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_login_at: Option<Timestamp>,
    created_at: Timestamp,
}

impl From<User> for UserBody {
    fn from(user: User) -> UserBody {
        UserBody {
            sid: user.sid,
            email: user.email,
            name: user.name,
            role: user.role,
            business_sid: user.business,
            password_changed_at: user.password_changed_at,
            last_login_at: user.last_login_at,
            created_at: user.created_at,
        }
    }
}

/// An e-mail address and a password.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"email": "asha@example.com", "password": "correct horse battery staple"}))]
pub struct LoginRequest {
    email: Email,
    #[schema(value_type = String, format = Password)]
    password: Password,
}

/// A new session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Login)]
pub struct LoginBody {
    user: UserBody,
    /// When the session expires.
    expires_at: Timestamp,
}

/// Log in with a password
///
/// Opens a session: the response sets a cookie (`wecall_session`, or `__Host-wecall_session` over TLS) that the browser
/// sends from then on and that scripts cannot read. A page on another origin must call with `credentials: "include"`.
/// Writes that use the cookie must carry the `Origin` of an allowed page, which browsers add by themselves. Too many
/// failed logins lock the user, or the address, for 15 minutes.
#[utoipa::path(
    post,
    path = "/api/auth/login/",
    tag = "Login",
    security(()),
    request_body(content = LoginRequest, description = "The e-mail address and the password"),
    responses(
        (status = 200, description = "The user, and when the session expires", body = LoginBody,
         headers(("Set-Cookie" = String, description = "The session cookie"))),
        CommonErrors,
        WriteErrors,
        LoginErrors,
    ),
)]
pub async fn login(
    State(state): State<AppState>,
    may: May<Anyone>,
    Json(request): Json<LoginRequest>,
) -> Result<(HeaderMap, Json<LoginBody>), Problem> {
    let is_secure = may.is_tls();
    let address = may.client.map(|client| client.ip);
    // A login takes much of a processor, whether it works or not; so all of them count.
    if address.is_some_and(|address| state.logins.is_blocked(address)) {
        return Err(FailedCredentials::too_many_logins());
    }
    address.into_iter().for_each(|address| state.logins.count(address));
    let network = address.map(|address| counted_as(address).to_string());
    let login = {
        let state = state.clone();
        let LoginRequest { email, password } = request;
        async move {
            services::access::logins::login(&state.billing, (&email, &password), network.as_deref(), may.actor).await
        }
    };
    let opened = to_the_end(login).await?;
    let seconds = i64::from(state.billing.rules.session_hours) * 3_600;
    let cookie = session_cookie(opened.token.reveal(), seconds, is_secure)?;
    Ok((cookie, Json(LoginBody { user: opened.user.into(), expires_at: opened.expires_at })))
}

/// The header that sets the session cookie, or deletes it with zero seconds.
fn session_cookie(value: &str, seconds: i64, is_secure: bool) -> Result<HeaderMap, Problem> {
    let (name, secure) = (session_cookie_name(is_secure), if is_secure { "; Secure" } else { "" });
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    let mut cookie = HeaderValue::from_str(&text).map_err(|error| Problem::internal(error.to_string()))?;
    cookie.set_sensitive(true);
    Ok(HeaderMap::from_iter([(header::SET_COOKIE, cookie)]))
}

impl May<UseLogin> {
    /// The user and the id of their session.
    ///
    /// # Errors
    /// 403 for a key, which has no login.
    fn login(&self) -> Result<(UserSid, i64), Problem> {
        match self.principal.as_ref().map(|principal| &principal.credential) {
            Some(Credential::Login { user, session_id }) => Ok((*user, *session_id)),
            _ => Err(crate::domain::access::rights::Denial::NotForKeys.into()),
        }
    }
}

/// Log out of this session
///
/// Ends the session and deletes its cookie.
#[utoipa::path(
    post,
    path = "/api/auth/logout/",
    tag = "Login",
    responses((status = 204, description = "The session has ended"), CommonErrors, WriteErrors),
)]
pub async fn logout(State(state): State<AppState>, may: May<UseLogin>) -> Result<(StatusCode, HeaderMap), Problem> {
    let (user, session_id) = may.login()?;
    let is_secure = may.is_tls();
    to_the_end(async move { services::access::logins::logout(&state.billing, user, session_id, &may.actor).await })
        .await?;
    Ok((StatusCode::NO_CONTENT, session_cookie("", 0, is_secure)?))
}

/// The number of sessions that ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Logout)]
pub struct LogoutBody {
    sessions_ended: u64,
}

/// Log out everywhere
///
/// Ends all your sessions, including this one: at once on this server, within a second on others.
#[utoipa::path(
    post,
    path = "/api/auth/logout-everywhere/",
    tag = "Login",
    responses((status = 200, description = "How many sessions ended", body = LogoutBody), CommonErrors, WriteErrors),
)]
pub async fn logout_everywhere(
    State(state): State<AppState>,
    may: May<UseLogin>,
) -> Result<(HeaderMap, Json<LogoutBody>), Problem> {
    let (user, _) = may.login()?;
    let is_secure = may.is_tls();
    let ended =
        to_the_end(async move { services::access::logins::logout_everywhere(&state.billing, user, &may.actor).await })
            .await?;
    Ok((session_cookie("", 0, is_secure)?, Json(LogoutBody { sessions_ended: ended })))
}

/// The current password and the new one.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"current_password": "correct horse battery staple", "new_password": "a longer sentence than that"}))]
pub struct PasswordRequest {
    #[schema(value_type = String, format = Password)]
    current_password: Password,
    /// 12 to 256 characters; a sentence is fine.
    #[schema(value_type = String, format = Password, min_length = 12, max_length = 256)]
    new_password: Password,
}

/// Change your password
///
/// Ends all your other sessions.
#[utoipa::path(
    post,
    path = "/api/auth/password/",
    tag = "Login",
    request_body(content = PasswordRequest, description = "The current password and the new one"),
    responses((status = 204, description = "The password was changed"), CommonErrors, WriteErrors, LoginErrors),
)]
pub async fn change_password(
    State(state): State<AppState>,
    may: May<UseLogin>,
    Json(request): Json<PasswordRequest>,
) -> Result<StatusCode, Problem> {
    let login = may.login()?;
    let PasswordRequest { current_password, new_password } = request;
    let change = async move {
        services::access::logins::change_password(&state.billing, login, &current_password, &new_password, &may.actor)
            .await
    };
    to_the_end(change).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who you are to the server.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Me)]
pub struct MeBody {
    /// Left out for callers without credentials (`AUTH=open`).
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    business_sid: Option<BusinessSid>,
    /// The user, if one is logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<UserBody>,
    /// The API key, if one was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<MyKey>,
}

/// The API key that was sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct MyKey {
    sid: KeySid,
    mode: KeyMode,
}

/// Get the current user or key
///
/// Shows who you are to the server, according to your key or session.
#[utoipa::path(
    get,
    path = "/api/auth/me/",
    tag = "Login",
    responses((status = 200, description = "The caller", body = MeBody), CommonErrors),
)]
pub async fn show_me(State(state): State<AppState>, may: May<Anyone>) -> Result<Json<MeBody>, Problem> {
    let Some(principal) = may.principal else {
        return Ok(Json(MeBody { role: None, business_sid: None, user: None, key: None }));
    };
    let (user, key) = match principal.credential {
        Credential::Login { user, .. } => {
            (Some(services::access::logins::whoami(&state.billing, user).await?.into()), None)
        }
        Credential::Key { sid, mode } => (None, Some(MyKey { sid, mode })),
    };
    Ok(Json(MeBody { role: Some(principal.role), business_sid: principal.business.clone(), user, key }))
}
