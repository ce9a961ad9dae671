//! Logs users in and out, and changes their own password.

use serde_json::json;

use super::presented::Handle;
use crate::domain::access::sessions::SessionToken;
use crate::domain::access::users::{FailureSubject, LOCKED_SECONDS, Password, User, UserStatus};
use crate::domain::audit::{Actor, AuditAction, AuditEntry};
use crate::domain::values::sid::UserSid;
use crate::domain::values::text::Email;
use crate::domain::values::time::Timestamp;
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::storage::access::users::StoredUser;
use crate::{random, storage};

/// A new session.
#[derive(Debug)]
pub struct OpenedSession {
    /// The token for the session cookie.
    pub token: SessionToken,
    pub user: User,
    pub expires_at: Timestamp,
}

/// Logs in and opens a session. `network` is the client's network, by which failures are counted. An attempt is counted
/// as a failure, for the user and for the network, before the password is verified, so that guesses made at once count
/// like those made one after the other.
///
/// # Errors
/// [`Error::WrongLogin`], whether the user does not exist, is disabled, or the password is wrong;
/// [`Error::LoginLocked`]; those of the database.
pub async fn login(
    billing: &Billing,
    (email, password): (&Email, &Password),
    network: Option<&str>,
    actor: Actor,
) -> Result<OpenedSession> {
    let now = billing.clock.now();
    // Before the attempt is counted: a caller who is told to come back has not failed.
    let place = billing.live.passwords.line_up()?;
    let subjects = [Some(FailureSubject::user(email)), network.map(FailureSubject::address)];
    let subjects: Vec<FailureSubject> = subjects.into_iter().flatten().collect();
    count_attempt(billing, &subjects, now).await?;
    let stored = storage::access::users::find_by_email(&mut billing.db.read().await?.conn(), email).await?;
    let hash = stored.as_ref().map(|stored| stored.password_hash.as_str());
    let is_right = billing.live.passwords.verify(&place, password, hash).await?;
    let is_let_in = |stored: &StoredUser| is_right && stored.user.status == UserStatus::Active;
    let Some(stored) = stored.filter(is_let_in) else {
        tracing::warn!(address = actor.address, "a login failed");
        return Err(Error::WrongLogin);
    };
    let actor = Actor { name: stored.user.sid.to_string().into(), ..actor };
    let token = SessionToken::from_random(random::bytes()?);
    let expires_at = now.plus_seconds(i64::from(billing.rules.session_hours) * 3_600);
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    storage::access::sessions::forget_some(&mut conn, now).await?;
    for subject in &subjects {
        storage::access::login_failures::take_back(&mut conn, subject).await?;
    }
    storage::access::login_failures::forgive(&mut conn, &FailureSubject::user(email)).await?;
    // Since it was looked at, the password may have been changed, so that it opens nothing any more.
    if !storage::access::users::set_last_login(&mut conn, &stored, now).await? {
        tx.roll_back().await?;
        return Err(Error::WrongLogin);
    }
    storage::access::sessions::insert(&mut conn, &token.hash(), stored.id, actor.address.as_deref(), now, expires_at)
        .await?;
    let after = json!({"expires_at": expires_at});
    let entry = AuditEntry::created(AuditAction::LoggedIn, stored.user.sid.to_string(), after);
    storage::audit::append(&mut conn.bulk(), &entry, &actor, now).await?;
    tx.commit().await?;
    // So that it is known from its first request on.
    billing.live.credentials.find(&Handle::session(&token.hash())).await?;
    Ok(OpenedSession { token, user: User { last_login_at: Some(now), ..stored.user }, expires_at })
}

/// Counts an attempt as a failure, until it turns out to be none. While too many count, none is tried and none is
/// counted, so that further guesses do not lock anybody out for longer.
async fn count_attempt(billing: &Billing, subjects: &[FailureSubject], now: Timestamp) -> Result<()> {
    let mut reader = billing.db.read().await?;
    for subject in subjects {
        if let Some((failures, until)) = storage::access::login_failures::find(&mut reader.conn(), subject, now).await?
            && failures >= subject.failures_max()
        {
            let seconds = u64::try_from((until.micros() - now.micros()).div_euclid(1_000_000) + 1).unwrap_or(1);
            return Err(Error::LoginLocked { seconds });
        }
    }
    drop(reader);
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let until = now.plus_seconds(LOCKED_SECONDS);
    storage::access::login_failures::forget_some(&mut conn, now).await?;
    for subject in subjects {
        // Others may have counted since, and each waits for the one before.
        if storage::access::login_failures::count(&mut conn, subject, now, until).await? > subject.failures_max() {
            tx.roll_back().await?;
            return Err(Error::LoginLocked { seconds: LOCKED_SECONDS.unsigned_abs() });
        }
    }
    tx.commit().await
}

/// Shows the logged-in user.
///
/// # Errors
/// [`Error::NotFound`] where they were deleted, and those of the database.
pub async fn whoami(billing: &Billing, user: UserSid) -> Result<User> {
    let stored = storage::access::users::find(&mut billing.db.read().await?.conn(), user).await?;
    stored.map(|stored| stored.user).ok_or(NO_USER)
}

const NO_USER: Error = Error::NotFound { code: "user_not_found", sentence: "There is no such user." };

/// Ends one session.
///
/// # Errors
/// Those of the database.
pub async fn logout(billing: &Billing, user: UserSid, session_id: i64, actor: &Actor) -> Result<()> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    storage::access::sessions::delete(&mut conn, user, session_id).await?;
    let entry = deed(AuditAction::LoggedOut, user, json!({"sessions": 1}));
    storage::audit::append(&mut conn.bulk(), &entry, actor, now).await?;
    tx.commit().await?;
    billing.live.credentials.forget_user(user);
    Ok(())
}

/// Ends every session of a user, on this server at once, on others within a second; returns how many.
///
/// # Errors
/// Those of the database.
pub async fn logout_everywhere(billing: &Billing, user: UserSid, actor: &Actor) -> Result<u64> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let ended = storage::access::sessions::delete_of(&mut conn, user, None).await?;
    let entry = deed(AuditAction::LoggedOut, user, json!({"sessions": ended}));
    storage::audit::append(&mut conn.bulk(), &entry, actor, now).await?;
    tx.commit().await?;
    billing.live.credentials.forget_user(user);
    Ok(ended)
}

fn deed(action: AuditAction, user: UserSid, after: serde_json::Value) -> AuditEntry {
    AuditEntry { action, subject: user.to_string(), before: None, after: Some(after), reason: None }
}

/// Changes one's own password, and ends all other sessions: whoever knew the old password is logged out.
///
/// # Errors
/// [`Error::Invalid`] where the current password is wrong or the new one too weak; [`Error::LoginLocked`]; those of the
/// database.
pub async fn change_password(
    billing: &Billing,
    (user, session_id): (UserSid, i64),
    current: &Password,
    new: &Password,
    actor: &Actor,
) -> Result<()> {
    let now = billing.clock.now();
    let stored = storage::access::users::find(&mut billing.db.read().await?.conn(), user).await?.ok_or(NO_USER)?;
    let email = &stored.user.email;
    new.check_for(email).map_err(|problem| Error::invalid("new_password", problem))?;
    if current == new {
        return Err(Error::invalid("new_password", "must be another one than the current"));
    }
    let place = billing.live.passwords.line_up()?;
    // Counted apart from failed logins: others who cause those must not keep the user from this.
    let subject = FailureSubject::password_change(email);
    count_attempt(billing, std::slice::from_ref(&subject), now).await?;
    if !billing.live.passwords.verify(&place, current, Some(&stored.password_hash)).await? {
        return Err(Error::invalid("current_password", "is wrong"));
    }
    let hash = billing.live.passwords.hash(&place, new).await?;
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    storage::access::login_failures::forgive(&mut conn, &subject).await?;
    // Since it was verified, an admin may have set another password, to lock out somebody who knew this one.
    if !storage::access::users::replace_password(&mut conn, &stored, &hash, now).await? {
        tx.roll_back().await?;
        return Err(Error::invalid("current_password", "is wrong"));
    }
    let ended = storage::access::sessions::delete_of(&mut conn, user, Some(session_id)).await?;
    let entry = deed(AuditAction::PasswordChanged, user, json!({"sessions_ended": ended}));
    storage::audit::append(&mut conn.bulk(), &entry, actor, now).await?;
    tx.commit().await?;
    billing.live.credentials.forget_user(user);
    Ok(())
}
