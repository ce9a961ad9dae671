//! Lists, shows, creates, changes and deletes users, and sets passwords.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::changes::{Edit, ReasonQuery, some_change};
use crate::domain::access::rights::Role;
use crate::domain::access::user_rules::UserChanges;
use crate::domain::access::users::{Password, User, UserStatus};
use crate::domain::values::listing::{ListRequest, ListValue};
use crate::domain::values::sid::{BusinessSid, UserSid};
use crate::domain::values::text::{Email, Title};
use crate::domain::values::time::Timestamp;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::listing::{self, ListQuery};
use crate::http::edge::answer::responses::{
    BodyErrors, CommonErrors, Forbidden, Missing, Preconditions, Taken, UserRules,
};
use crate::http::edge::ask::etag::{Versioned, etag};
use crate::http::edge::ask::extract::{Json, Query, SidPath, nullable, present};
use crate::http::edge::who::auth::{Administer, May};
use crate::http::edge::writes::to_the_end;
use crate::http::state::AppState;
use crate::services;
use crate::services::access::users::{NewUser, UserKeeper};

/// A user, with all details that admins see.
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
    /// Left out until the first login. A login alone does not change the `ETag`.
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

fn one(user: User) -> Versioned<UserAccountBody> {
    (etag(user.version()), Json(user.into()))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UserFilter {
    /// Only users with this role.
    role: Option<Role>,
    /// Only those with this status.
    status: Option<UserStatus>,
    /// Only users of this business.
    #[param(value_type = Option<BusinessSid>)]
    business_sid: Option<BusinessSid>,
}

impl UserFilter {
    fn of(self, query: ListQuery) -> ListRequest {
        ListRequest::from(query)
            .filtered("role", self.role.map(|role| ListValue::text(role.as_str())))
            .filtered("status", self.status.map(|status| ListValue::text(status.as_str())))
            .filtered("business_sid", self.business_sid.map(|business| ListValue::text(business.as_str())))
    }
}

/// List users
///
/// A page at a time: the `Link` header points to the next page. `search` matches e-mail address and name. Sorted by
/// `email` (the default) or `created_at`.
#[utoipa::path(
    get,
    path = "/api/admin/users/",
    tag = "Admin",
    params(ListQuery, UserFilter),
    responses(
        (status = 200, description = "A page of users", body = Vec<UserAccountBody>,
         headers(("Link" = String, description = "The next page (rel=\"next\"); missing on the last page"))),
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

/// Get a user
///
/// Returns an `ETag`; send it in `If-Match` when you change or delete the user.
#[utoipa::path(
    get,
    path = "/api/admin/users/{user_sid}/",
    tag = "Admin",
    params(("user_sid" = UserSid, Path, description = "The user")),
    responses(
        (status = 200, description = "The user", body = UserAccountBody,
         headers(("ETag" = String, description = "The version of the user, for `If-Match`"))),
        CommonErrors,
        Forbidden,
        Missing,
    ),
)]
pub async fn show_user(
    State(state): State<AppState>,
    _: May<Administer>,
    SidPath(sid): SidPath<UserSid>,
) -> Result<Versioned<UserAccountBody>, Problem> {
    Ok(one(services::access::users::show(&state.billing, sid).await?))
}

/// A user to create.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewUser, example = json!({
    "email": "juma@example.com", "name": "Juma", "role": "client", "business_sid": "biz_test_001",
    "password": "a sentence only Juma knows"
}))]
pub struct UserRequest {
    /// The address to log in with; unique.
    email: Email,
    /// At most 64 characters.
    name: Title,
    /// `client`, `reseller` (in a business that is a reseller) or `admin`.
    role: Role,
    /// The business of the user; left out for admins only.
    business_sid: Option<BusinessSid>,
    /// 12 to 256 characters; a sentence is fine.
    #[schema(value_type = String, format = Password, min_length = 12, max_length = 256)]
    password: Password,
}

/// Create a user
///
/// The user can log in at once. The e-mail address is unique, so repeating the request creates no second user.
#[utoipa::path(
    post,
    path = "/api/admin/users/",
    tag = "Admin",
    params(ReasonQuery),
    request_body(content = UserRequest, description = "The user"),
    responses(
        (status = 201, description = "The user", body = UserAccountBody,
         headers(("ETag" = String, description = "The version of the user, for `If-Match`"))),
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
) -> Result<(StatusCode, Versioned<UserAccountBody>), Problem> {
    let author = reason.author(may);
    let UserRequest { email, name, role, business_sid, password } = body;
    let new = NewUser { email, name, role, business: business_sid, password };
    let create = async move { services::access::users::create(&state.billing, new, &author).await };
    Ok((StatusCode::CREATED, one(to_the_end(create).await?)))
}

/// Changes to a user; fields that you leave out keep their value.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = UserChanges, example = json!({"status": "DISABLED"}))]
pub struct UserChangesBody {
    /// At most 64 characters.
    #[serde(default, deserialize_with = "present")]
    name: Option<Title>,
    #[serde(default, deserialize_with = "present")]
    role: Option<Role>,
    /// `null` for an admin, who belongs to no business.
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
        some_change(UserChanges { name, role, business: business_sid, status })
    }
}

/// Update a user
///
/// Fields that you leave out keep their value. A user who is disabled, or gets another role or business, is logged out
/// everywhere: at once on this server, within a second on others. Send the `ETag` of the user in `If-Match`.
#[utoipa::path(
    patch,
    path = "/api/admin/users/{user_sid}/",
    tag = "Admin",
    params(
        ("user_sid" = UserSid, Path, description = "The user"),
        ("If-Match" = String, Header, description = "The `ETag` you received, or `*` for any version", example = "*"),
        ReasonQuery,
    ),
    request_body(content = UserChangesBody, description = "The fields to change"),
    responses(
        (status = 200, description = "The updated user", body = UserAccountBody,
         headers(("ETag" = String, description = "The version of the user, for `If-Match`"))),
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
    Edit { target: sid, seen, author, login }: Edit<UserSid>,
    Json(body): Json<UserChangesBody>,
) -> Result<Versioned<UserAccountBody>, Problem> {
    let (keeper, changes) = (UserKeeper { author, login }, body.try_into()?);
    let change = async move { services::access::users::change(&state.billing, sid, &seen, changes, &keeper).await };
    Ok(one(to_the_end(change).await?))
}

/// A new password for a user.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewPassword, example = json!({"password": "another sentence for Juma"}))]
pub struct NewPasswordRequest {
    /// 12 to 256 characters; a sentence is fine.
    #[schema(value_type = String, format = Password, min_length = 12, max_length = 256)]
    password: Password,
}

/// Set a user's password
///
/// Ends all sessions of the user, and lifts a lock after too many failed logins.
#[utoipa::path(
    post,
    path = "/api/admin/users/{user_sid}/password/",
    tag = "Admin",
    params(("user_sid" = UserSid, Path, description = "The user"), ReasonQuery),
    request_body(content = NewPasswordRequest, description = "The new password"),
    responses((status = 204, description = "The password was set"), CommonErrors, Forbidden, Missing, BodyErrors),
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
/// Ends all sessions of the user: at once on this server, within a second on others. Records of what the user did are
/// kept. Send the `ETag` of the user in `If-Match`.
#[utoipa::path(
    delete,
    path = "/api/admin/users/{user_sid}/",
    tag = "Admin",
    params(
        ("user_sid" = UserSid, Path, description = "The user"),
        ("If-Match" = String, Header, description = "The `ETag` you received, or `*` for any version", example = "*"),
        ReasonQuery,
    ),
    responses(
        (status = 204, description = "The user was deleted"),
        CommonErrors,
        Forbidden,
        Missing,
        UserRules,
        Preconditions,
    ),
)]
pub async fn delete_user(
    State(state): State<AppState>,
    Edit { target: sid, seen, author, login }: Edit<UserSid>,
) -> Result<StatusCode, Problem> {
    let keeper = UserKeeper { author, login };
    let delete = async move { services::access::users::delete(&state.billing, sid, &seen, &keeper).await };
    to_the_end(delete).await?;
    Ok(StatusCode::NO_CONTENT)
}
