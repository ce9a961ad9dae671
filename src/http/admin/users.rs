//! Lists, shows, creates, changes and deletes users, and sets passwords.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::changes::ReasonQuery;
use crate::domain::access::rights::{Credential, Role};
use crate::domain::access::user_rules::UserChanges;
use crate::domain::access::users::{Password, User, UserStatus};
use crate::domain::values::listing::{ListRequest, ListValue};
use crate::domain::values::sid::{BusinessSid, UserSid};
use crate::domain::values::text::{Email, Title};
use crate::domain::values::time::Timestamp;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::listing::{self, ListQuery};
use crate::http::edge::ask::etag::{IfMatch, etag};
use crate::http::edge::ask::extract::{Json, Query, SidPath, nullable, present};
use crate::http::edge::who::auth::{Administer, May};
use crate::http::edge::writes::to_the_end;
use crate::http::openapi::{BodyErrors, CommonErrors, Forbidden, Missing, Preconditions, Taken, UserRules};
use crate::http::state::AppState;
use crate::services;
use crate::services::access::users::{NewUser, UserKeeper};

/// A user, as an admin sees them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserAccount)]
pub struct UserAccountBody {
    sid: UserSid,
    email: Email,
    name: String,
    role: Role,
    /// Left out for admins, who belong to no business.
    #[serde(skip_serializing_if = "Option::is_none")]
    business_sid: Option<BusinessSid>,
    status: UserStatus,
    password_changed_at: Timestamp,
    /// Left out until they have logged in. It alone does not change the `ETag`.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_login_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<User> for UserAccountBody {
    fn from(user: User) -> UserAccountBody {
        UserAccountBody {
            sid: user.sid,
            email: user.email,
            name: user.name,
            role: user.role,
            business_sid: user.business,
            status: user.status,
            password_changed_at: user.password_changed_at,
            last_login_at: user.last_login_at,
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

/// The answer with one user, and its `ETag`.
type OneUser = ([(HeaderName, HeaderValue); 1], Json<UserAccountBody>);

fn one(user: User) -> OneUser {
    (etag(user.version()), Json(user.into()))
}

impl ReasonQuery {
    /// The author of a change to users, with their own user where they are logged in.
    fn keeper(self, may: May<Administer>) -> UserKeeper {
        let login = may.principal.as_ref().and_then(|principal| match principal.credential {
            Credential::Login { user, .. } => Some(user),
            Credential::Key { .. } => None,
        });
        UserKeeper { author: self.author(may), login }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UserFilter {
    /// Only users of this role.
    role: Option<Role>,
    /// Only those of this status.
    status: Option<UserStatus>,
    /// Only those of this business.
    #[param(value_type = Option<BusinessSid>)]
    business_sid: Option<BusinessSid>,
}

impl UserFilter {
    fn of(self, query: ListQuery) -> ListRequest {
        let text = |text: &str| ListValue::Text(text.to_owned());
        ListRequest::from(query)
            .filtered("role", self.role.map(|role| text(role.as_str())))
            .filtered("status", self.status.map(|status| text(status.as_str())))
            .filtered("business_sid", self.business_sid.map(|business| text(business.as_str())))
    }
}

/// List users
///
/// A page at a time: the `Link` header leads to the next. `search` looks into e-mail address and name. Sorted by `email`, or
/// by `created_at`.
#[utoipa::path(
    get,
    path = "/api/admin/users/",
    tag = "Admin",
    params(ListQuery, UserFilter),
    responses(
        (status = 200, description = "A page of users", body = Vec<UserAccountBody>,
         headers(("Link" = String, description = "The next page, with rel=\"next\"; missing on the last one"))),
        CommonErrors,
        Forbidden,
    ),
)]
pub async fn list_users(
    State(state): State<AppState>,
    _: May<Administer>,
    Query(list): Query<ListQuery>,
    Query(filter): Query<UserFilter>,
    uri: Uri,
) -> Result<(HeaderMap, Json<Vec<UserAccountBody>>), Problem> {
    let page = services::access::users::page(&state.billing, &filter.of(list)).await?;
    Ok(listing::answer(&uri, page))
}

/// Show a user
///
/// With the `ETag` that who changes them has to send.
#[utoipa::path(
    get,
    path = "/api/admin/users/{user_sid}/",
    tag = "Admin",
    params(("user_sid" = UserSid, Path, description = "The user")),
    responses(
        (status = 200, description = "The user", body = UserAccountBody,
         headers(("ETag" = String, description = "Which state of the user this is"))),
        CommonErrors,
        Forbidden,
        Missing,
    ),
)]
pub async fn show_user(
    State(state): State<AppState>,
    _: May<Administer>,
    SidPath(sid): SidPath<UserSid>,
) -> Result<OneUser, Problem> {
    Ok(one(services::access::users::show(&state.billing, sid).await?))
}

/// A user to make.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewUser, example = json!({
    "email": "juma@example.com", "name": "Juma", "role": "client", "business_sid": "biz_test_001",
    "password": "a sentence only Juma knows"
}))]
pub struct UserRequest {
    /// By which they log in; unique.
    email: Email,
    /// At most 64 characters.
    name: Title,
    /// `client`, `reseller` (of a business that is one) or `admin`.
    role: Role,
    /// Whose people they are; left out for admins alone.
    business_sid: Option<BusinessSid>,
    /// 12 to 256 characters; a sentence is fine.
    #[schema(value_type = String, format = Password, min_length = 12, max_length = 256)]
    password: Password,
}

/// Make a user
///
/// They can log in from then on. Their e-mail address is unique, so a repeated request makes no second one.
#[utoipa::path(
    post,
    path = "/api/admin/users/",
    tag = "Admin",
    params(ReasonQuery),
    request_body(content = UserRequest, description = "The user"),
    responses(
        (status = 201, description = "The user", body = UserAccountBody,
         headers(("ETag" = String, description = "Which state of the user this is"))),
        CommonErrors,
        Forbidden,
        BodyErrors,
        Taken,
    ),
)]
pub async fn create_user(
    State(state): State<AppState>,
    may: May<Administer>,
    Query(reason): Query<ReasonQuery>,
    Json(body): Json<UserRequest>,
) -> Result<(StatusCode, [(HeaderName, HeaderValue); 1], Json<UserAccountBody>), Problem> {
    let author = reason.author(may);
    let UserRequest { email, name, role, business_sid, password } = body;
    let new = NewUser { email, name, role, business: business_sid, password };
    let create = async move { services::access::users::create(&state.billing, new, &author).await };
    let (version, body) = one(to_the_end(create).await?);
    Ok((StatusCode::CREATED, version, body))
}

/// What is to become of a user; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = UserChanges, example = json!({"status": "DISABLED"}))]
pub struct UserChangesBody {
    /// At most 64 characters.
    #[serde(default, deserialize_with = "present")]
    name: Option<Title>,
    #[serde(default, deserialize_with = "present")]
    role: Option<Role>,
    /// `null` for an admin, who belongs to none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<BusinessSid>)]
    business_sid: Option<Option<BusinessSid>>,
    #[serde(default, deserialize_with = "present")]
    status: Option<UserStatus>,
}

impl TryFrom<UserChangesBody> for UserChanges {
    type Error = Problem;

    fn try_from(body: UserChangesBody) -> Result<UserChanges, Problem> {
        let UserChangesBody { name, role, business_sid, status } = body;
        let changes = UserChanges { name, role, business: business_sid, status };
        if changes == UserChanges::default() { Err(Problem::no_change()) } else { Ok(changes) }
    }
}

/// Change a user
///
/// What is left out stays. Who is disabled, or gets another role or business, is logged out everywhere: at once here, within
/// a second on other servers. Send the `ETag` you read in `If-Match`.
#[utoipa::path(
    patch,
    path = "/api/admin/users/{user_sid}/",
    tag = "Admin",
    params(
        ("user_sid" = UserSid, Path, description = "The user"),
        ("If-Match" = String, Header, description = "The `ETag` you read, or `*` for whatever it has become", example = "*"),
        ReasonQuery,
    ),
    request_body(content = UserChangesBody, description = "What is to change"),
    responses(
        (status = 200, description = "The user as they are now", body = UserAccountBody,
         headers(("ETag" = String, description = "Which state of the user this is"))),
        CommonErrors,
        Forbidden,
        Missing,
        BodyErrors,
        UserRules,
        Preconditions,
    ),
)]
pub async fn change_user(
    State(state): State<AppState>,
    may: May<Administer>,
    SidPath(sid): SidPath<UserSid>,
    IfMatch(seen): IfMatch,
    Query(reason): Query<ReasonQuery>,
    Json(body): Json<UserChangesBody>,
) -> Result<OneUser, Problem> {
    let (keeper, changes) = (reason.keeper(may), body.try_into()?);
    let change = async move { services::access::users::change(&state.billing, sid, &seen, changes, &keeper).await };
    Ok(one(to_the_end(change).await?))
}

/// A password for somebody else.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewPassword, example = json!({"password": "another sentence for Juma"}))]
pub struct NewPasswordRequest {
    /// 12 to 256 characters; a sentence is fine.
    #[schema(value_type = String, format = Password, min_length = 12, max_length = 256)]
    password: Password,
}

/// Set a user's password
///
/// Ends all of their sessions, and lets them try again to log in where too many failures locked them out.
#[utoipa::path(
    post,
    path = "/api/admin/users/{user_sid}/password/",
    tag = "Admin",
    params(("user_sid" = UserSid, Path, description = "The user"), ReasonQuery),
    request_body(content = NewPasswordRequest, description = "The new password"),
    responses((status = 204, description = "It is set"), CommonErrors, Forbidden, Missing, BodyErrors),
)]
pub async fn set_password(
    State(state): State<AppState>,
    may: May<Administer>,
    SidPath(sid): SidPath<UserSid>,
    Query(reason): Query<ReasonQuery>,
    Json(body): Json<NewPasswordRequest>,
) -> Result<StatusCode, Problem> {
    let author = reason.author(may);
    let set = async move { services::access::users::set_password(&state.billing, sid, &body.password, &author).await };
    to_the_end(set).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Delete a user
///
/// Logs them out everywhere: at once here, within a second on other servers. What they did stays in the records. Send the
/// `ETag` you read in `If-Match`.
#[utoipa::path(
    delete,
    path = "/api/admin/users/{user_sid}/",
    tag = "Admin",
    params(
        ("user_sid" = UserSid, Path, description = "The user"),
        ("If-Match" = String, Header, description = "The `ETag` you read, or `*` for whatever it has become", example = "*"),
        ReasonQuery,
    ),
    responses(
        (status = 204, description = "They are deleted"),
        CommonErrors,
        Forbidden,
        Missing,
        UserRules,
        Preconditions,
    ),
)]
pub async fn delete_user(
    State(state): State<AppState>,
    may: May<Administer>,
    SidPath(sid): SidPath<UserSid>,
    IfMatch(seen): IfMatch,
    Query(reason): Query<ReasonQuery>,
) -> Result<StatusCode, Problem> {
    let keeper = reason.keeper(may);
    let delete = async move { services::access::users::delete(&state.billing, sid, &seen, &keeper).await };
    to_the_end(delete).await?;
    Ok(StatusCode::NO_CONTENT)
}
