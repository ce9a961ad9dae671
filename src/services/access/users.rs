//! Lists, creates, changes and deletes users, for admins.

use serde_json::{Value, json};

use crate::domain::access::rights::Role;
use crate::domain::access::user_rules::{UserChanges, check_belonging, check_business, check_loss, ends_sessions};
use crate::domain::access::users::{FailureSubject, Password, User, UserStatus};
use crate::domain::audit::{AuditAction, AuditEntry, Author};
use crate::domain::values::listing::{ListPage, ListRequest};
use crate::domain::values::sid::{BusinessSid, UserSid};
use crate::domain::values::text::{Email, Title};
use crate::domain::values::time::Timestamp;
use crate::domain::values::versions::Seen;
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::storage;
use crate::storage::db::Conn;
use crate::storage::db::turns::Turn;

const NOT_FOUND: Error = Error::NotFound { code: "user_not_found", sentence: "There is no such user." };

/// A user to create.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub email: Email,
    pub name: Title,
    pub role: Role,
    /// The business they belong to; `None` for admins.
    pub business: Option<BusinessSid>,
    pub password: Password,
}

/// The author of a change to users, and their own user, where they are logged in.
#[derive(Clone, Debug)]
pub struct UserKeeper {
    pub author: Author,
    pub login: Option<UserSid>,
}

/// A page of users.
///
/// # Errors
/// [`Error::Invalid`] where sort or cursor is invalid, and those of the database.
pub async fn page(billing: &Billing, request: &ListRequest) -> Result<ListPage<User>> {
    storage::access::users::page(&mut billing.db.read().await?.conn(), request).await
}

/// # Errors
/// [`Error::NotFound`], and those of the database.
pub async fn show(billing: &Billing, sid: UserSid) -> Result<User> {
    let stored = storage::access::users::find(&mut billing.db.read().await?.conn(), sid).await?;
    stored.map(|stored| stored.user).ok_or(NOT_FOUND)
}

/// Creates a user, who can log in from then on.
///
/// # Errors
/// [`Error::Invalid`]; [`Error::Exists`] where the address is taken; those of the database.
pub async fn create(billing: &Billing, new: NewUser, author: &Author) -> Result<User> {
    check_belonging(new.role, new.business.as_ref())?;
    new.password.check_for(&new.email).map_err(|problem| Error::invalid("password", problem))?;
    let hash = billing.live.passwords.hash(&billing.live.passwords.line_up()?, &new.password).await?;
    let now = billing.clock.now();
    let user = User {
        sid: UserSid::new(billing.clock.new_id()),
        email: new.email,
        name: new.name.as_str().to_owned(),
        role: new.role,
        business: new.business,
        status: UserStatus::Active,
        password_changed_at: now,
        last_login_at: None,
        created_at: now,
        updated_at: now,
    };
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    hold_business(&mut conn, &user).await?;
    if !storage::access::users::insert(&mut conn, &user, &hash).await? {
        tx.roll_back().await?;
        return Err(Error::exists("email", "is the address of a user already"));
    }
    let entry = AuditEntry::created(AuditAction::UserCreated, user.sid.to_string(), described(&user));
    note(&mut conn, entry, author, now).await?;
    tx.commit().await?;
    Ok(user)
}

/// Changes a user, if they are still as the author saw them. A change of nothing is not recorded. A user who is
/// disabled, or gets another role or business, is logged out everywhere.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Changed`]; [`Error::Invalid`]; [`Error::Impossible`] for the last admin, and for
/// oneself; those of the database.
pub async fn change(
    billing: &Billing,
    sid: UserSid,
    seen: &Seen,
    changes: UserChanges,
    keeper: &UserKeeper,
) -> Result<User> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let before = lock(&mut conn, sid, seen).await?;
    let after = changes.apply_to(&before, now);
    if after == before {
        tx.roll_back().await?;
        return Ok(before);
    }
    check_belonging(after.role, after.business.as_ref())?;
    check_loss(&before, Some(&after), keeper.login, storage::access::users::has_other_admin(&mut conn, sid).await?)?;
    hold_business(&mut conn, &after).await?;
    storage::access::users::update(&mut conn, &after).await?;
    let is_out = ends_sessions(&before, &after);
    if is_out {
        storage::access::sessions::delete_of(&mut conn, sid, None).await?;
    }
    let entry = AuditEntry::changed(AuditAction::UserChanged, sid.to_string(), described(&before), described(&after));
    note(&mut conn, entry, &keeper.author, now).await?;
    tx.commit().await?;
    if is_out {
        billing.live.credentials.forget_user(sid);
    }
    Ok(after)
}

/// Sets a user's password, ends their sessions and unlocks their login, however often it failed.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Invalid`] where the password is too weak; those of the database.
pub async fn set_password(billing: &Billing, sid: UserSid, password: &Password, author: &Author) -> Result<()> {
    let email = show(billing, sid).await?.email;
    password.check_for(&email).map_err(|problem| Error::invalid("password", problem))?;
    let hash = billing.live.passwords.hash(&billing.live.passwords.line_up()?, password).await?;
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    storage::access::login_failures::forgive(&mut conn, &FailureSubject::user(&email)).await?;
    if !storage::access::users::set_password(&mut conn, sid, &hash, now).await? {
        tx.roll_back().await?;
        return Err(NOT_FOUND);
    }
    let ended = storage::access::sessions::delete_of(&mut conn, sid, None).await?;
    let entry = AuditEntry::created(AuditAction::PasswordSet, sid.to_string(), json!({"sessions_ended": ended}));
    note(&mut conn, entry, author, now).await?;
    tx.commit().await?;
    billing.live.credentials.forget_user(sid);
    Ok(())
}

/// Deletes a user with their sessions, if they are still as the author saw them. Records of their actions stay.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Changed`]; [`Error::Impossible`] for the last admin, and for oneself; those of the
/// database.
pub async fn delete(billing: &Billing, sid: UserSid, seen: &Seen, keeper: &UserKeeper) -> Result<()> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let before = lock(&mut conn, sid, seen).await?;
    check_loss(&before, None, keeper.login, storage::access::users::has_other_admin(&mut conn, sid).await?)?;
    storage::access::users::delete(&mut conn, sid).await?;
    let entry = AuditEntry::deleted(AuditAction::UserDeleted, sid.to_string(), described(&before));
    note(&mut conn, entry, &keeper.author, now).await?;
    tx.commit().await?;
    billing.live.credentials.forget_user(sid);
    Ok(())
}

/// The user, if they are as the author saw them. This transaction has the turn, so nobody else changes or deletes them.
async fn lock(conn: &mut Conn<'_>, sid: UserSid, seen: &Seen) -> Result<User> {
    storage::db::turns::take(conn, Turn::Admins).await?;
    let user = storage::access::users::find(conn, sid).await?.ok_or(NOT_FOUND)?.user;
    if seen.includes(user.version()) { Ok(user) } else { Err(Error::Changed) }
}

/// Checks that a user's business exists and suits their role, and locks it until the transaction ends.
async fn hold_business(conn: &mut Conn<'_>, user: &User) -> Result<()> {
    let Some(business) = &user.business else { return Ok(()) };
    Ok(check_business(user.role, storage::businesses::hold_kind(conn, business).await?)?)
}

/// A user in the audit log.
fn described(user: &User) -> Value {
    json!({
        "email": user.email, "name": user.name, "role": user.role, "business_sid": user.business, "status": user.status,
    })
}

async fn note(conn: &mut Conn<'_>, entry: AuditEntry, author: &Author, now: Timestamp) -> Result<()> {
    storage::audit::append(&mut conn.bulk(), &entry.by(author), &author.actor, now).await
}
