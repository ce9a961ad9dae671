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

/// A user to make.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub email: Email,
    pub name: Title,
    pub role: Role,
    /// Whose people they are; none for admins.
    pub business: Option<BusinessSid>,
    pub password: Password,
}

/// Who changes users, and by whose login, where it is one.
#[derive(Clone, Debug)]
pub struct UserKeeper {
    pub author: Author,
    pub login: Option<UserSid>,
}

/// A page of the users that are asked for.
///
/// # Errors
/// [`Error::Invalid`] where the sort or the cursor is none of this list, and those of the database.
pub async fn page(billing: &Billing, request: &ListRequest) -> Result<ListPage<User>> {
    storage::access::users::page(&mut billing.db.read().await?.conn(), request).await
}

/// # Errors
/// [`Error::NotFound`], and those of the database.
pub async fn show(billing: &Billing, sid: UserSid) -> Result<User> {
    let stored = storage::access::users::find(&mut billing.db.read().await?.conn(), sid).await?;
    stored.map(|stored| stored.user).ok_or(NOT_FOUND)
}

/// Makes a user, who can log in from then on.
///
/// # Errors
/// [`Error::Invalid`]; [`Error::Exists`] where the address is taken; those of the database.
pub async fn create(billing: &Billing, new: NewUser, author: &Author) -> Result<User> {
    check_belonging(new.role, new.business.as_ref())?;
    new.password.check_for(&new.email).map_err(|problem| Error::invalid("password", problem))?;
    let hash = billing.passwords.hash(&billing.passwords.line_up()?, &new.password).await?;
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
        return Err(Error::Exists { field: "email", problem: "is the address of a user already".to_owned() });
    }
    let entry = AuditEntry::created(AuditAction::UserCreated, user.sid.to_string(), described(&user));
    note(&mut conn, entry, author, now).await?;
    tx.commit().await?;
    Ok(user)
}

/// Changes a user who is still as the author saw them. What changes nothing leaves no trace. Who is disabled, or becomes
/// another's or something else, is logged out everywhere.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Changed`]; [`Error::Invalid`]; [`Error::Impossible`] for the last admin, and for oneself;
/// those of the database.
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
        billing.credentials.forget_user(sid);
    }
    Ok(after)
}

/// Gives a user another password, ends their sessions and lets them try to log in again, however often they failed.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Invalid`] where the password is unfit; those of the database.
pub async fn set_password(billing: &Billing, sid: UserSid, password: &Password, author: &Author) -> Result<()> {
    let email = show(billing, sid).await?.email;
    password.check_for(&email).map_err(|problem| Error::invalid("password", problem))?;
    let hash = billing.passwords.hash(&billing.passwords.line_up()?, password).await?;
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
    billing.credentials.forget_user(sid);
    Ok(())
}

/// Deletes a user who is still as the author saw them, with their sessions. What they did stays in the records.
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
    billing.credentials.forget_user(sid);
    Ok(())
}

/// The user, whom nobody else changes or deletes while this transaction has the turn, where they are as they were seen.
async fn lock(conn: &mut Conn<'_>, sid: UserSid, seen: &Seen) -> Result<User> {
    storage::db::turns::take(conn, Turn::Admins).await?;
    let user = storage::access::users::find(conn, sid).await?.ok_or(NOT_FOUND)?.user;
    if seen.includes(user.version()) { Ok(user) } else { Err(Error::Changed) }
}

/// Makes sure that a user's business exists and is one for their role, and stays so until the transaction ends.
async fn hold_business(conn: &mut Conn<'_>, user: &User) -> Result<()> {
    let Some(business) = &user.business else { return Ok(()) };
    Ok(check_business(user.role, storage::businesses::hold_kind(conn, business).await?)?)
}

/// What the audit log says of a user.
fn described(user: &User) -> Value {
    json!({
        "email": user.email, "name": user.name, "role": user.role, "business_sid": user.business, "status": user.status,
    })
}

async fn note(conn: &mut Conn<'_>, entry: AuditEntry, author: &Author, now: Timestamp) -> Result<()> {
    storage::audit::append(&mut conn.bulk(), &entry.by(author), &author.actor, now).await
}
